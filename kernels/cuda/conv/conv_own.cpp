// Chooses among our kernels. Rule: the few channels of a picture and depthwise filters have kernels
// of their own; f64, groups so narrow that a 64-wide tile would be nearly empty, and maps beyond
// 32-bit indices run directly; the rest are products. An odd number of channels reads element by
// element (conv_gather.cu decides that).
#include "kernels/cuda/conv/conv_own.h"

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv/conv_direct.h"
#include "kernels/cuda/conv/conv_stem.h"

namespace akimbo::kernels::cuda {
namespace {

// As on the CPU: below 16 products per tap and group a matrix product does not pay.
bool is_narrow(const Shape& w, std::int64_t groups) {
  return groups > 1 && w[3] * (w[0] / groups) < 16;
}

// Filters along a row of few channels read neighbours: kw * C numbers in a row. Seen as a map of
// one channel, C times as wide, the taps of a filter row and their channels become one long row of
// taps, and the sum has no empty places. Few and odd channels only (the 3 of a picture).
bool widening_pays(ConstView source, const Shape& filter, const Conv2dParams& p) {
  const std::int64_t channels = source.dim(3);
  const auto pixel_bytes = channels * static_cast<std::int64_t>(dtype_bytes(source.dtype));
  return p.groups == 1 && p.dilation == 1 && filter[2] > 1 && channels < 8 && pixel_bytes % 16 != 0;
}

Shape widened_map(const Shape& s) { return {s[0], s[1], s[2] * s[3], 1}; }
Shape widened_filter(const Shape& w) { return {w[0], w[1], w[2] * w[3], 1}; }
PlaneParams widened_params(const Conv2dParams& p, std::int64_t channels) {
  PlaneParams plane = plane_of(p);
  plane.cols.stride *= channels;
  plane.cols.padding *= channels;
  return plane;
}

// A gather task as a product sees it.
struct PlannedGather {
  Product product;
  std::vector<GatherProblem> problems;
};

std::optional<PlannedGather> plan_gather(const Exec& exec, const GatherTask& t) {
  const std::optional<Product> product = product_of(exec, t.y.dtype);
  if (!product || is_narrow(t.filter.shape, t.params.groups)) return std::nullopt;
  ConstView source = t.source, filter = t.filter;
  PlaneParams params = plane_of(t.params);
  if (t.direction == Direction::small_to_big && t.filter_order == Order::k_contiguous &&
      widening_pays(source, filter.shape, t.params)) {
    params = widened_params(t.params, source.dim(3));
    filter.shape = widened_filter(filter.shape);
    source.shape = widened_map(source.shape);
  }
  if (!gather_fits(source.shape, filter.shape, params, t.y.shape)) return std::nullopt;
  return PlannedGather{*product,
                       make_gather(t.direction, t.filter_order, source, filter, params, t.y)};
}

GatherResult result_of(const GatherTask& t) {
  return {.y = t.y.pointer,
          .scale = t.epilogue.scale.pointer,
          .shift = t.epilogue.shift.pointer,
          .residual = t.epilogue.residual.pointer,
          .relu = t.epilogue.relu};
}

void channel_sums_of(const Exec& exec, const GatherTask& t) {
  if (!t.epilogue.channel_sums) return;
  const std::int64_t channels = t.y.dim(3);
  column_sums_and_squares(
      exec, {t.y.pointer, t.y.dtype, {t.y.dim(0) * t.y.dim(1) * t.y.dim(2), channels}},
      t.epilogue.channel_sums);
}

// The sums of channels are taken while y is written, if one launch with whole sums writes it.
void run_planned(const Exec& exec, const GatherTask& t, const PlannedGather& plan,
                 const std::optional<GatherChoice>& choice) {
  GatherResult result = result_of(t);
  bool fused = false;
  for (const GatherProblem& problem : plan.problems) {
    GatherChoice chosen = choice ? *choice : choose_gather(plan.product, problem);
    if (plan.problems.size() > 1) chosen.splits = 1;  // adding up writes all of y
    fused = plan.problems.size() == 1 && chosen.splits == 1 && t.epilogue.channel_sums &&
            t.y.numel() > 0;
    if (fused) {
      result.channel_sums = t.epilogue.channel_sums.data<float>();
      result.sum_parts = t.epilogue.channel_sums.dim(0);
    }
    run_gather(exec, plan.product, problem, result, chosen);
  }
  if (!fused) channel_sums_of(exec, t);
}

struct PlannedWeightGrad {
  Product product;
  WeightGradProblem problem;
};

std::optional<PlannedWeightGrad> plan_weight_grad(const Exec& exec, const WeightGradTask& t) {
  const std::optional<Product> product = product_of(exec, t.small.dtype);
  if (!product || is_narrow(t.grad_w.shape, t.params.groups)) return std::nullopt;
  ConstView big = t.big;
  Shape w = t.grad_w.shape;
  PlaneParams params = plane_of(t.params);
  if (t.order == WeightOrder::small_first && widening_pays(big, w, t.params)) {
    params = widened_params(t.params, big.dim(3));
    w = widened_filter(w);
    big.shape = widened_map(big.shape);
  }
  if (!weight_grad_fits(t.small.shape, big.shape, w, params)) return std::nullopt;
  return PlannedWeightGrad{*product, make_weight_grad(t.small, big, w, params)};
}

}  // namespace

std::optional<Product> product_of(const Exec& exec, DType dtype) {
  switch (dtype) {
    case DType::f32: return exec.tf32 ? Product::tf32 : Product::f32;
    case DType::bf16: return Product::bf16;
    case DType::f16: return Product::f16;
    default: return std::nullopt;
  }
}

void own_gather(const Exec& exec, const GatherTask& t, std::optional<GatherChoice> choice) {
  if (is_depthwise(t.filter.shape, t.params)) {
    depthwise_gather(exec, t.direction, t.source, t.filter, t.epilogue, t.params, t.y);
    channel_sums_of(exec, t);
  } else if (!choice && stem_takes(t)) {
    run_stem(exec, t);
    channel_sums_of(exec, t);
  } else if (const auto plan = plan_gather(exec, t)) {
    run_planned(exec, t, *plan, choice);
  } else {
    direct_gather(exec, t.direction, t.filter_order, t.source, t.filter, t.epilogue, t.params, t.y);
    channel_sums_of(exec, t);
  }
}

std::vector<GatherChoice> own_gather_candidates(const Exec& exec, const GatherTask& t) {
  if (is_depthwise(t.filter.shape, t.params) || stem_takes(t)) return {};
  const auto plan = plan_gather(exec, t);
  if (!plan || plan->problems.empty()) return {};
  return gather_candidates(plan->product, plan->problems[0]);
}

void own_weight_grad(const Exec& exec, const WeightGradTask& t,
                     std::optional<WeightGradChoice> choice) {
  if (is_depthwise(t.grad_w.shape, t.params)) {
    depthwise_weight_grad(exec, t.small, t.big, t.params, t.grad_w);
  } else if (const auto plan = plan_weight_grad(exec, t)) {
    run_weight_grad(exec, plan->product, plan->problem, {.grad_w = t.grad_w, .order = t.order},
                    choice ? *choice : choose_weight_grad(plan->product, plan->problem));
  } else {
    direct_weight_grad(exec, t.small, t.big, t.params, t.order, t.grad_w);
  }
}

std::vector<WeightGradChoice> own_weight_grad_candidates(const Exec& exec,
                                                         const WeightGradTask& t) {
  if (is_depthwise(t.grad_w.shape, t.params)) return {};
  const auto plan = plan_weight_grad(exec, t);
  if (!plan) return {};
  return weight_grad_candidates(plan->product, plan->problem);
}

}  // namespace akimbo::kernels::cuda
