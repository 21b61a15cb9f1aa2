// The one product behind the forward passes and input gradients of both convolutions, and behind
// matmul: every output pixel gathers source pixels through the taps of a filter,
//   out(p, n) = finish(sum over taps t, channels s: source(q(p, t), s) filter(t, s, n)),
// where q ties pixels by an affine map per axis. A map that is read from big to small
// (kernels/conv.h) splits into stride x stride phases: output pixels of one residue meet the same
// taps, so that each phase is a dense convolution with a part of the filter and no zeros are
// multiplied.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv.h"
#include "kernels/cuda/fast_divisor.cuh"
#include "kernels/cuda/gemm/gemm_order.h"

namespace akimbo::kernels::cuda {

// Which map of  big = small * stride - padding + tap * dilation  is read.
enum class Direction { small_to_big, big_to_small };

// Output pixel out_offset + b * out_stride meets, for t < taps, filter row first_tap + t *
// tap_stride at source pixel source_offset + b * source_stride + t * tap_step. The strides are in
// GatherAxis: they are the same for all phases.
struct PhaseAxis {
  int count = 1;  // of b
  int out_offset = 0, source_offset = 0;
  int taps = 1, first_tap = 0;
};
struct GatherAxis {
  int out_stride = 1, source_stride = 1, tap_step = 1, tap_stride = 1;
  int out_extent = 1, source_extent = 1, filter_extent = 1;
};

struct GatherPhase {
  PhaseAxis rows, cols;
  int pixels = 0;      // output pixels of all images
  int first_tile = 0;  // set at launch
  device::FastDivisor by_image, by_cols, by_taps_x;
};

// Kernel arguments are limited to 4 KB: more phases go to several launches.
inline constexpr int kMaxPhases = 16;

struct GatherProblem {
  const void* source = nullptr;  // [N, rows.source_extent, cols.source_extent, groups * channels]
  // k_contiguous: [groups * outputs, filter rows, filter cols, channels]
  // k_strided:    [groups * channels, filter rows, filter cols, outputs]
  const void* filter = nullptr;
  Order filter_order = Order::k_contiguous;
  GatherAxis rows, cols;
  int images = 0, groups = 1, channels = 0, outputs = 0;  // channels and outputs per group
  device::FastDivisor by_channels;
  int num_phases = 0;
  GatherPhase phases[kMaxPhases];
};

// y [N, rows.out_extent, cols.out_extent, groups * outputs] = relu(sum * scale + shift + residual).
struct GatherResult {
  void* y = nullptr;
  const void* scale = nullptr;  // f32 (f64 for f64); null counts as 1, 0, 0
  const void* shift = nullptr;
  const void* residual = nullptr;
  bool relu = false;
  // [sum_parts, 2, groups * outputs], or null: sums of y and of its squares over parts of its rows.
  float* channel_sums = nullptr;
  std::int64_t sum_parts = 1;
};

// What multiplies: plain f32, or tensor cores on the type that the name says.
enum class Product { f32, tf32, bf16, f16 };

// wgmma_: for sm_90a (conv_wgmma.h); the others run on every device.
enum class GatherTile {
  m256n64,
  m128n128,
  m128n64,
  m128n32,
  m64n64,
  wgmma_m128n256,
  wgmma_m128n128,
  wgmma_m256n64,
  wgmma_m128n64,
  wgmma_m128n32,
};
struct TileExtents {
  int m = 0, n = 0;
};
[[nodiscard]] TileExtents extents_of(GatherTile tile);
// Time of one slice of a block's sum, where one multiplication of a row by a column counts 1 and
// rows and columns are fetched at a 64th of that rate each, mostly behind the multiplications: of
// the order of what an H100's L2 cache gives, so that small tiles wait for it.
[[nodiscard]] double slice_cost(TileExtents tile);

struct GatherChoice {
  GatherTile tile = GatherTile::m64n64;
  int splits = 1;  // of the sum, added up in a second kernel
  friend bool operator==(const GatherChoice&, const GatherChoice&) = default;
};

// Conv2dParams with the axes apart, and a filter's rows and columns of the source likewise.
struct AxisParams {
  std::int64_t stride = 1, padding = 0, dilation = 1;
};
struct PlaneParams {
  AxisParams rows, cols;
  std::int64_t groups = 1;
};
[[nodiscard]] PlaneParams plane_of(const Conv2dParams& params);

// False when an extent does not fit the kernels' 32-bit indices; the direct kernel takes these.
[[nodiscard]] bool gather_fits(const Shape& source, const Shape& filter, const PlaneParams&,
                               const Shape& y);
// One problem per kMaxPhases phases.
[[nodiscard]] std::vector<GatherProblem> make_gather(Direction, Order filter_order,
                                                     ConstView source, ConstView filter,
                                                     const PlaneParams&, ConstView y);
// y [M, N] = a [M, K] times b [N, K] (k_contiguous) or b [K, N] (k_strided).
[[nodiscard]] GatherProblem make_product(Order b_order, ConstView a, ConstView b);

// Tiles that are built for a product, and the rule that picks tile and splits by the problem's
// size.
[[nodiscard]] std::vector<GatherTile> gather_tiles(Product product);
[[nodiscard]] std::vector<GatherTile> wgmma_gather_tiles();  // bf16 and f16
[[nodiscard]] GatherChoice choose_gather(Product product, const GatherProblem& problem);
// Every choice worth timing; with wgmma where it is on and takes the problem.
[[nodiscard]] std::vector<GatherChoice> gather_candidates(Product product,
                                                          const GatherProblem& problem);

// A wgmma tile of a problem that is not taken runs as the nearest of the others.
void run_gather(const Exec& exec, Product product, const GatherProblem& problem,
                const GatherResult& result, const GatherChoice& choice);

}  // namespace akimbo::kernels::cuda
