#include "engine/core/trace.h"

#include <utility>

namespace akimbo::trace {
namespace {

thread_local Recorder* t_recorder = nullptr;

}  // namespace

Tensor Step::constant(std::string_view name) const {
  for (const auto& [key, tensor] : constants) {
    if (key == name) return tensor;
  }
  return {};
}

Recorder::Recorder() : previous_(t_recorder) { t_recorder = this; }
Recorder::~Recorder() { t_recorder = previous_; }

Recorder* recorder() { return t_recorder; }

Tensor new_map(const Shape& shape, DType dtype, Device device) {
  Recorder* recorder = t_recorder;
  if (recorder == nullptr) return Tensor::empty(shape, dtype, device);
  constexpr std::size_t kStep = 64, kMostMaps = 1024;
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * dtype_bytes(dtype);
  Tensor& room = recorder->room_;
  if (!room.defined() || room.device() != device || recorder->next_ + bytes > room.num_bytes()) {
    room = Tensor::empty({static_cast<std::int64_t>(bytes + kStep * kMostMaps)}, DType::u8, device);
    recorder->next_ = 0;
  }
  const Tensor map = room.carve(recorder->next_, shape, dtype);
  recorder->next_ += kStep;
  return map;
}

Tensor note(Step step) { return t_recorder->steps.emplace_back(std::move(step)).output; }

}  // namespace akimbo::trace
