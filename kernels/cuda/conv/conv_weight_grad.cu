// The weight gradient's product (conv_weight_grad.h): setting up, choosing, and adding up the
// parts.
#include "kernels/cuda/conv/conv_weight_grad.h"

#include <algorithm>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/conv/conv_weight_grad_products.h"
#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/conv/conv_wgmma_products.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/fastest.h"

namespace akimbo::kernels::cuda {
namespace {

using device::Compute;

constexpr int kThreads = 256;
constexpr std::int64_t kMaxIndex = std::int64_t{1} << 29;
constexpr std::int64_t kMaxCoordinate = std::int64_t{1} << 28;

// Extents of the sums, and how often neighbours of grad_w are apart in them.
struct WeightExtents {
  int small_channels, taps, big_channels;
  bool big_first;
};

// grad_w[i] = shift + partial[0, at(i)] + partial[1, at(i)] + ..., in this order.
template <typename T>
__global__ void conv_add_parts_kernel(const float* partial, int splits, std::int64_t numel,
                                      WeightExtents e, const float* shift, T* grad_w) {
  const int row = e.taps * e.big_channels;
  for (std::int64_t i = device::global_thread(); i < numel; i += device::num_global_threads()) {
    std::int64_t at = i;
    if (e.big_first) {  // i = ((group, big), tap, small)
      const std::int64_t small = i % e.small_channels, rest = i / e.small_channels;
      const std::int64_t tap = rest % e.taps, big = rest / e.taps % e.big_channels;
      const std::int64_t group = rest / e.taps / e.big_channels;
      at = ((group * e.small_channels + small) * e.taps + tap) * e.big_channels + big;
    }
    float sum = 0;
    for (int split = 0; split < splits; ++split) sum += partial[split * numel + at];
    if (shift != nullptr) sum += shift[i % row];
    grad_w[i] = device::from_float<T>(sum);
  }
}

void add_parts(const Exec& exec, const device::WeightGradArguments& a,
               const WeightGradResult& result) {
  const WeightGradProblem& p = a.problem;
  const std::int64_t numel = result.grad_w.numel();
  const WeightExtents extents{p.small_channels, p.rows.taps * p.cols.taps, p.big_channels,
                              result.order == WeightOrder::big_first};
  const std::int64_t blocks = std::min<std::int64_t>(device::blocks_for(numel, kThreads), 1 << 16);
  visit_any_floating(result.grad_w.dtype, [&]<typename T>() {
    device::launch(exec, "conv_add_parts_kernel", {.grid = {blocks}, .block = {kThreads}},
                   conv_add_parts_kernel<T>, a.partial, a.splits, numel, extents,
                   result.shift.data<float>(), result.grad_w.data<T>());
  });
}

// What runs where wgmma does not.
WeightGradTile mma_tile_of(WeightGradTile tile) {
  switch (tile) {
    case WeightGradTile::wgmma_m128n256:
    case WeightGradTile::wgmma_m128n128: return WeightGradTile::m128n128;
    case WeightGradTile::wgmma_m64n128: return WeightGradTile::m64n64;
    default: return tile;
  }
}

WgmmaWeightGradLauncher* wgmma_launcher_of(Product product) {
  return product == Product::bf16 ? launch_wgmma_weight_grad_bf16 : launch_wgmma_weight_grad_f16;
}

// Whole boxes per tap.
std::int64_t padded_channels(const WeightGradProblem& p) {
  const int box = box_channels(p);
  return device::blocks_for(p.big_channels, box) * box;
}

WeightGradLauncher* launcher_of(Product product) {
  switch (product) {
    case Product::f32: return launch_weight_grad_f32;
    case Product::tf32: return launch_weight_grad_tf32;
    case Product::bf16: return launch_weight_grad_bf16;
    case Product::f16: return launch_weight_grad_f16;
  }
  return nullptr;
}

PixelAxis pixel_axis(const AxisParams& p, std::int64_t small, std::int64_t big, std::int64_t taps) {
  return {.small_extent = static_cast<int>(small),
          .big_extent = static_cast<int>(big),
          .taps = static_cast<int>(taps),
          .stride = static_cast<int>(p.stride),
          .offset = static_cast<int>(-p.padding),
          .step = static_cast<int>(p.dilation)};
}

}  // namespace

bool weight_grad_fits(const Shape& small, const Shape& big, const Shape& w,
                      const PlaneParams& params) {
  const auto pixels = [](const Shape& s) { return s[0] * s[1] * s[2]; };
  const auto reach = [&](const AxisParams& p, int axis) {
    return p.padding + p.dilation * w[axis] + p.stride * std::max(small[axis], big[axis]);
  };
  return pixels(small) < kMaxIndex && pixels(big) < kMaxIndex && w.numel() < kMaxIndex &&
         reach(params.rows, 1) < kMaxCoordinate && reach(params.cols, 2) < kMaxCoordinate &&
         params.groups <= 65535;
}

WeightGradProblem make_weight_grad(ConstView small, ConstView big, const Shape& w,
                                   const PlaneParams& params) {
  const int big_channels = static_cast<int>(big.dim(3) / params.groups);
  return {.small = small.pointer,
          .big = big.pointer,
          .rows = pixel_axis(params.rows, small.dim(1), big.dim(1), w[1]),
          .cols = pixel_axis(params.cols, small.dim(2), big.dim(2), w[2]),
          .pixels = static_cast<int>(small.dim(0) * small.dim(1) * small.dim(2)),
          .groups = static_cast<int>(params.groups),
          .small_channels = static_cast<int>(small.dim(3) / params.groups),
          .big_channels = big_channels,
          .by_image = device::FastDivisor(std::max<std::int64_t>(1, small.dim(1) * small.dim(2))),
          .by_cols = device::FastDivisor(std::max<std::int64_t>(1, small.dim(2))),
          .by_big_channels = device::FastDivisor(std::max(1, big_channels)),
          .by_taps_x = device::FastDivisor(w[2])};
}

WeightGradProblem make_transposed_product(ConstView a, ConstView b) {
  const std::int64_t k = a.dim(0), m = a.dim(1), n = b.dim(1);
  return make_weight_grad({a.pointer, a.dtype, {1, 1, k, m}}, {b.pointer, b.dtype, {1, 1, k, n}},
                          {m, 1, 1, n}, {});
}

TileExtents extents_of(WeightGradTile tile) {
  switch (tile) {
    case WeightGradTile::wgmma_m128n256: return {128, 256};
    case WeightGradTile::wgmma_m64n128: return {64, 128};
    case WeightGradTile::wgmma_m128n128:
    case WeightGradTile::m128n128: return {128, 128};
    case WeightGradTile::m64n64: return {64, 64};
    case WeightGradTile::m32n128: return {32, 128};
  }
  return {};
}

std::vector<WeightGradTile> weight_grad_tiles(Product product) {
  using enum WeightGradTile;
  if (product == Product::f32 || product == Product::tf32) return {m128n128, m64n64};
  return {m128n128, m64n64, m32n128};
}

std::vector<WeightGradTile> wgmma_weight_grad_tiles() {
  using enum WeightGradTile;
  return {wgmma_m128n256, wgmma_m128n128, wgmma_m64n128};
}

namespace {

constexpr std::int64_t kMultiprocessors = 132, kRuleSlice = 32, kMinSplitSlices = 8;

// As in the gather product: a multiprocessor works on its share of the blocks, at least two at a
// time; parts are written and read once, in f32.
double estimated_time(const WeightGradProblem& p, TileExtents t, std::int64_t splits) {
  constexpr double kStartSlices = 6, kTrafficCost = 0.25;
  const std::int64_t columns = std::int64_t{p.rows.taps} * p.cols.taps * p.big_channels;
  const std::int64_t tiles =
      device::blocks_for(p.small_channels, t.m) * device::blocks_for(columns, t.n) * p.groups;
  const std::int64_t rounds =
      std::max<std::int64_t>(2, device::blocks_for(tiles * splits, kMultiprocessors));
  const double slices =
      static_cast<double>(device::blocks_for(device::blocks_for(p.pixels, kRuleSlice), splits)) +
      kStartSlices;
  const double area = static_cast<double>(t.m) * t.n;
  return static_cast<double>(rounds) * slice_cost(t) * slices +
         kTrafficCost * static_cast<double>(tiles * 2 * splits) * area * 64 / kMultiprocessors;
}

}  // namespace

std::vector<WeightGradChoice> weight_grad_candidates(Product product,
                                                     const WeightGradProblem& problem) {
  std::vector<WeightGradTile> tiles = weight_grad_tiles(product);
  if (wgmma_is_on() && wgmma_takes(product, problem)) {
    for (const WeightGradTile tile : wgmma_weight_grad_tiles()) tiles.push_back(tile);
  }
  std::vector<WeightGradChoice> candidates;
  const std::int64_t slices = device::blocks_for(problem.pixels, kRuleSlice);
  for (const WeightGradTile tile : tiles) {
    for (const int splits : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128}) {
      if (splits > 1 && slices < splits * kMinSplitSlices) break;
      candidates.push_back({tile, splits});
    }
  }
  return candidates;
}

WeightGradChoice choose_weight_grad(Product product, const WeightGradProblem& problem) {
  return fastest(weight_grad_candidates(product, problem), [&](const WeightGradChoice& choice) {
    const double time = estimated_time(problem, extents_of(choice.tile), choice.splits);
    return is_wgmma(choice.tile)
               ? time * wgmma_time_factor(problem.big_channels, box_channels(problem))
               : time;
  });
}

void run_weight_grad(const Exec& exec, Product product, const WeightGradProblem& problem,
                     const WeightGradResult& result, const WeightGradChoice& choice) {
  const std::int64_t numel = result.grad_w.numel();
  if (numel == 0) return;
  const WeightGradChoice without_wgmma{mma_tile_of(choice.tile), choice.splits};
  const bool wgmma = is_wgmma(choice.tile);
  if (wgmma && !wgmma_takes(product, problem)) {
    return run_weight_grad(exec, product, problem, result, without_wgmma);
  }
  const std::int64_t bytes = product == Product::f32 || product == Product::tf32 ? 4 : 2;
  const bool elements = !device::is_aligned(problem.small, problem.small_channels * bytes) ||
                        !device::is_aligned(problem.big, problem.big_channels * bytes);
  const TileExtents tile = extents_of(elements ? WeightGradTile::m64n64 : choice.tile);
  const std::int64_t taps = std::int64_t{problem.rows.taps} * problem.cols.taps;
  const std::int64_t columns = taps * (wgmma ? padded_channels(problem) : problem.big_channels);

  device::WeightGradArguments a{.problem = problem, .splits = choice.splits};
  a.tiles_n = static_cast<int>(device::blocks_for(columns, tile.n));
  const Scratch<float> partial(exec, static_cast<std::size_t>(a.splits * numel));
  a.partial = partial.data();
  const std::int64_t tiles = device::blocks_for(problem.small_channels, tile.m) * a.tiles_n;
  if (!wgmma) {
    launcher_of(product)(exec, a, choice.tile, tiles, elements);
  } else if (wgmma_launcher_of(product)(exec, a, choice.tile, tiles)) {
    note_wgmma_launch();
  } else {
    return run_weight_grad(exec, product, problem, result, without_wgmma);
  }
  add_parts(exec, a, result);
}

}  // namespace akimbo::kernels::cuda
