#include "kernels/cuda/provider.h"

#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "kernels/cuda/tuner.h"
#include "kernels/device_runtime.h"

namespace akimbo::kernels::cuda {
namespace {

using Outputs = std::span<const View>;

// Where the vendor refuses, and where there is no memory for its workspace.
void theirs_or_own(const EitherWay& ways, Outputs outputs) {
  try {
    ways.theirs(outputs);
  } catch (const std::runtime_error&) {
    ways.own(outputs);
  }
}

std::string timed(const Exec& exec, const EitherWay& ways, Outputs outputs, Tuner& tuner,
                  const std::string& key) {
  const auto apart = views_apart(exec, outputs);
  if (!apart) return {};
  return tuner
      .choose(key, exec.stream,
              {{"own", [&] { ways.own(apart->views()); }},
               {ways.vendor, [&] { ways.theirs(apart->views()); }}})
      .name;
}

}  // namespace

ProviderMode provider_mode() {
  const char* text = std::getenv("AKIMBO_CONV");
  const std::string_view value = text == nullptr ? "" : text;
  if (value == "own") return ProviderMode::own;
  if (value == "cudnn") return ProviderMode::cudnn;
  if (value == "auto") return ProviderMode::automatic;
  if (value.empty()) return is_emulated() ? ProviderMode::own : ProviderMode::automatic;
  throw std::invalid_argument("AKIMBO_CONV is '" + std::string(value) +
                              "'; it must be own, cudnn or auto");
}

std::string product_dtype(const Exec& exec, DType dtype) {
  return dtype == DType::f32 && exec.tf32 ? "tf32" : std::string(dtype_name(dtype));
}

ViewsApart::ViewsApart(const Exec& exec, std::span<const View> views) {
  for (const View& view : views) {
    views_.push_back(view);
    if (!view) continue;
    const std::size_t bytes = static_cast<std::size_t>(view.numel()) * dtype_bytes(view.dtype);
    memory_.push_back(std::make_unique<Scratch<std::byte>>(exec, bytes));
    views_.back().pointer = memory_.back()->data();
  }
}

std::unique_ptr<ViewsApart> views_apart(const Exec& exec, Outputs views) {
  try {
    return std::make_unique<ViewsApart>(exec, views);
  } catch (const std::runtime_error&) {
    return nullptr;
  }
}

void own_or_vendor(const Exec& exec, const EitherWay& ways, Outputs outputs) {
  const ProviderMode mode = provider_mode();
  if (mode == ProviderMode::cudnn) return theirs_or_own(ways, outputs);
  if (mode == ProviderMode::own || exec.deterministic) return ways.own(outputs);
  Tuner& tuner = Tuner::of_device(current_device());
  const std::string key = ways.key();
  std::string name = tuner.remembered(key);
  if (name.empty() && !is_capturing(exec.stream)) name = timed(exec, ways, outputs, tuner, key);
  name == ways.vendor ? theirs_or_own(ways, outputs) : ways.own(outputs);
}

}  // namespace akimbo::kernels::cuda
