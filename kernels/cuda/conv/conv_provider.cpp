#include "kernels/cuda/conv/conv_provider.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/provider.h"
#include "kernels/cuda/tuner.h"
#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/cuda/vendor/cudnn_conv.h"
#include "kernels/device_runtime.h"

namespace akimbo::kernels::cuda {
namespace {

constexpr std::string_view kVendorPrefix = "cudnn ";

// What the two kinds of task have in common for the choice of a provider.
struct GatherProvider {
  using Task = GatherTask;
  using Choice = GatherChoice;
  static void run_own(const Exec& exec, const Task& t, std::optional<Choice> c) {
    own_gather(exec, t, c);
  }
  static void run_vendor(const Exec& exec, const Task& t, int algorithm) {
    vendor::cudnn_gather(exec, t, algorithm);
  }
  static std::vector<Choice> choices(const Exec& exec, const Task& t) {
    return own_gather_candidates(exec, t);
  }
  static std::optional<Choice> forced() { return forced_gather(); }
  static View output(const Task& t) { return t.y; }
  static void set_output(Task& t, void* pointer) { t.y.pointer = pointer; }
  static View sums(const Task& t) { return t.epilogue.channel_sums; }
  static void set_sums(Task& t, View sums) { t.epilogue.channel_sums = sums; }
};
struct WeightGradProvider {
  using Task = WeightGradTask;
  using Choice = WeightGradChoice;
  static void run_own(const Exec& exec, const Task& t, std::optional<Choice> c) {
    own_weight_grad(exec, t, c);
  }
  static void run_vendor(const Exec& exec, const Task& t, int algorithm) {
    vendor::cudnn_weight_grad(exec, t, algorithm);
  }
  static std::vector<Choice> choices(const Exec& exec, const Task& t) {
    return own_weight_grad_candidates(exec, t);
  }
  static std::optional<Choice> forced() { return forced_weight_grad(); }
  static View output(const Task& t) { return t.grad_w; }
  static void set_output(Task& t, void* pointer) { t.grad_w.pointer = pointer; }
  static View sums(const Task&) { return {}; }
  static void set_sums(Task&, View) {}
};

template <typename Choice>
std::string name_of(const Choice& c) {
  const TileExtents t = extents_of(c.tile);
  return (is_wgmma(c.tile) ? "own wgmma " : "own ") + std::to_string(t.m) + "x" + std::to_string(t.n) + "/" + std::to_string(c.splits);
}

std::string vendor_name(int algorithm) {
  return std::string(kVendorPrefix) + std::to_string(algorithm);
}

// Our kernels take everything: they follow where the vendor's refuse.
template <typename P>
void run_vendor_or_own(const Exec& exec, const typename P::Task& t, int algorithm) {
  try {
    P::run_vendor(exec, t, algorithm);
  } catch (const std::runtime_error&) {  // or no memory for its workspace
    P::run_own(exec, t, std::nullopt);
  }
}

// Runs what a remembered name says; a name that means nothing here (another version's tile, a
// vendor's library that is gone) runs our kernels by the rule.
template <typename P>
void run_named(const Exec& exec, const typename P::Task& t, const std::string& name) {
  if (name.starts_with(kVendorPrefix)) {
    int algorithm = -1;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kVendorPrefix.size(), end, algorithm);
    if (parsed.ptr == end && vendor::cudnn_version() != "") {
      return run_vendor_or_own<P>(exec, t, algorithm);
    }
  }
  for (const typename P::Choice& choice : P::choices(exec, t)) {
    if (name_of(choice) == name) return P::run_own(exec, t, choice);
  }
  P::run_own(exec, t, std::nullopt);
}

// All ways to compute the task, into memory of their own: a run that is timed must not touch y,
// which may be the residual too.
template <typename P>
std::vector<Candidate> candidates_of(const Exec& exec, const typename P::Task& t) {
  std::vector<Candidate> candidates;
  for (const typename P::Choice& choice : P::choices(exec, t)) {
    candidates.push_back({name_of(choice), [&exec, t, choice] { P::run_own(exec, t, choice); }});
  }
  if (candidates.empty()) {
    candidates.push_back({"own", [&exec, t] { P::run_own(exec, t, std::nullopt); }});
  }
  for (const int algorithm : vendor::cudnn_algorithms(exec, t)) {
    candidates.push_back(
        {vendor_name(algorithm), [&exec, t, algorithm] { P::run_vendor(exec, t, algorithm); }});
  }
  return candidates;
}

template <typename P>
void run_tuned(const Exec& exec, const typename P::Task& t) {
  Tuner& tuner = Tuner::of_device(current_device());
  const std::string key = key_of(exec, t);
  std::string name = tuner.remembered(key);
  if (name.empty() && !is_capturing(exec.stream)) {
    const View outputs[] = {P::output(t), P::sums(t)};
    if (const auto apart = views_apart(exec, outputs)) {
      typename P::Task task = t;
      P::set_output(task, apart->views()[0].pointer);
      P::set_sums(task, apart->views()[1]);
      name = tuner.choose(key, exec.stream, candidates_of<P>(exec, task)).name;
    }
  }
  run_named<P>(exec, t, name);
}

template <typename P>
void provide(const Exec& exec, const typename P::Task& t) {
  if (const auto forced = P::forced()) return P::run_own(exec, t, forced);
  const ProviderMode mode = provider_mode();
  if (mode == ProviderMode::cudnn) {
    const std::vector<int> algorithms = vendor::cudnn_algorithms(exec, t);
    if (!algorithms.empty()) return run_vendor_or_own<P>(exec, t, algorithms[0]);
  } else if (mode == ProviderMode::automatic && !exec.deterministic && P::output(t).numel() > 0) {
    return run_tuned<P>(exec, t);
  }
  P::run_own(exec, t, std::nullopt);
}

std::string text_of(const Conv2dParams& p) {
  return " s" + std::to_string(p.stride) + " p" + std::to_string(p.padding) + " d" +
         std::to_string(p.dilation) + " g" + std::to_string(p.groups);
}

// Where wgmma is on there is more to choose from: what was remembered without it is timed anew.
std::string text_of_wgmma(DType dtype) {
  const bool half = dtype == DType::bf16 || dtype == DType::f16;
  return half && wgmma_is_on() ? " wgmma" : "";
}

}  // namespace

std::string key_of(const Exec& exec, const GatherTask& t) {
  const ConvEpilogue& e = t.epilogue;
  return std::string(t.direction == Direction::small_to_big ? "to_big" : "to_small") +
         (t.filter_order == Order::k_contiguous ? " in " : " out ") +
         product_dtype(exec, t.y.dtype) + " " + t.source.shape.str() + " " + t.filter.shape.str() +
         " " + t.y.shape.str() + text_of(t.params) + (e.scale ? " scale" : "") +
         (e.shift ? " shift" : "") + (e.residual ? " residual" : "") +
         (e.residual.pointer == t.y.pointer ? " in_place" : "") + (e.relu ? " relu" : "") +
         (e.channel_sums ? " sums" : "") + text_of_wgmma(t.y.dtype);
}

std::string key_of(const Exec& exec, const WeightGradTask& t) {
  return std::string("weight ") + (t.order == WeightOrder::small_first ? "small " : "big ") +
         product_dtype(exec, t.small.dtype) + " " + t.small.shape.str() + " " + t.big.shape.str() +
         " " + std::string(dtype_name(t.grad_w.dtype)) + " " + t.grad_w.shape.str() +
         text_of(t.params) + text_of_wgmma(t.small.dtype);
}

void provide_gather(const Exec& exec, const GatherTask& t) { provide<GatherProvider>(exec, t); }

void provide_weight_grad(const Exec& exec, const WeightGradTask& t) {
  provide<WeightGradProvider>(exec, t);
}

}  // namespace akimbo::kernels::cuda
