// The product behind the weight gradients of both convolutions, and behind matmul with a transposed
// first factor: for every pixel p of the small map, tap t, channel m of the small map and channel n
// of the big one,
//   sums(m, t, n) = sum over p: small(p, m) big(q(p, t), n),   q(p, t) = p * stride - padding + t *
//   dilation.
// Pixels are summed in parts, which a second kernel adds up in a fixed order.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv.h"
#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/fast_divisor.cuh"

namespace akimbo::kernels::cuda {

// Small pixel b meets, for tap t, big pixel b * stride + offset + t * step.
struct PixelAxis {
  int small_extent = 1, big_extent = 1, taps = 1;
  int stride = 1, offset = 0, step = 1;
};

struct WeightGradProblem {
  const void* small =
      nullptr;                // [N, rows.small_extent, cols.small_extent, groups * small_channels]
  const void* big = nullptr;  // [N, rows.big_extent, cols.big_extent, groups * big_channels]
  PixelAxis rows, cols;
  int pixels = 0;                                        // of the small map, all images
  int groups = 1, small_channels = 0, big_channels = 0;  // channels per group
  device::FastDivisor by_image, by_cols;                 // of the small map
  device::FastDivisor by_big_channels, by_taps_x;
};

// Where the sums go: [groups, small channels, taps, big channels] (a convolution's weight), or
// [groups, big channels, taps, small channels] (a transposed convolution's).
enum class WeightOrder { small_first, big_first };
struct WeightGradResult {
  View grad_w;
  WeightOrder order = WeightOrder::small_first;
  ConstView shift;  // [taps * big channels], added to every row; only with small_first, one group
};

// wgmma_: for sm_90a (conv_wgmma.h); the others run on every device.
enum class WeightGradTile {
  m128n128,
  m64n64,
  m32n128,
  wgmma_m128n256,
  wgmma_m128n128,
  wgmma_m64n128,
};
struct WeightGradChoice {
  WeightGradTile tile = WeightGradTile::m64n64;
  int splits = 1;
  friend bool operator==(const WeightGradChoice&, const WeightGradChoice&) = default;
};

[[nodiscard]] bool weight_grad_fits(const Shape& small, const Shape& big, const Shape& w,
                                    const PlaneParams&);
[[nodiscard]] WeightGradProblem make_weight_grad(ConstView small, ConstView big, const Shape& w,
                                                 const PlaneParams&);
// sums [M, N] of a [K, M] and b [K, N].
[[nodiscard]] WeightGradProblem make_transposed_product(ConstView a, ConstView b);

[[nodiscard]] TileExtents extents_of(WeightGradTile tile);
[[nodiscard]] std::vector<WeightGradTile> weight_grad_tiles(Product product);
[[nodiscard]] std::vector<WeightGradTile> wgmma_weight_grad_tiles();  // bf16 and f16
[[nodiscard]] WeightGradChoice choose_weight_grad(Product product, const WeightGradProblem&);
[[nodiscard]] std::vector<WeightGradChoice> weight_grad_candidates(Product product,
                                                                   const WeightGradProblem&);

// As run_gather.
void run_weight_grad(const Exec& exec, Product product, const WeightGradProblem& problem,
                     const WeightGradResult& result, const WeightGradChoice& choice);

}  // namespace akimbo::kernels::cuda
