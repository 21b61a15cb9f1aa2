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

Tensor note(Step step) { return t_recorder->steps.emplace_back(std::move(step)).output; }

}  // namespace akimbo::trace
