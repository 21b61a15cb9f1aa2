// The weight gradient's product (conv_weight_grad.h) on sm_90a. The summed index, the pixel of the
// small map, is the row of both operands' tiles: those of the small map come through a tiled map,
// those of the big one through a map in im2col mode whose base pixels are the small map's, a box of
// channels of one tap at a time.
#pragma once

#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/conv/conv_wgmma_products.h"
#include "kernels/cuda/gemm/gemm_split.cuh"
#include "kernels/cuda/gemm/gemm_wgmma.cuh"

namespace akimbo::kernels::device {

using cuda::WeightGradProblem;

struct WgmmaWeightGradArguments {
  WeightGradArguments weight;
  TensorMap small, big;
  FastDivisor by_boxes;  // boxes of big channels per tap
};

namespace {

// A tile's columns are boxes of big channels, numbered through the taps; the last box of a tap may
// reach beyond its channels, and the last tile beyond the last tap: zeros there.
template <typename Tile>
struct BigBox {
  int tap, channel;
  __device__ __forceinline__ BigBox(const WgmmaWeightGradArguments& a, int box) {
    tap = a.by_boxes.quotient(box);
    channel = (box - tap * a.by_boxes.divisor()) * Tile::kBoxColumns;
  }
};

// Orders the copies of one block's slices of pixels.
template <typename Loop>
class PixelCopies {
 public:
  __device__ __forceinline__ PixelCopies(const WgmmaWeightGradArguments& a, int m0, int first_box)
      : a_(a), p_(a.weight.problem), m0_(m0), first_box_(first_box) {}

  __device__ __forceinline__ void operator()(char* stage, Barrier* full, int slice) const {
    const int pixel = slice * Loop::kK;
#pragma unroll
    for (int box = 0; box < TileA::kBoxes; ++box) {
      copy_tensor_2d(stage + box * TileA::kBoxBytes, &a_.small, full,
                     m0_ + box * TileA::kBoxColumns, pixel);
    }
    const int image = p_.by_image.quotient(pixel);
    const int rest = pixel - image * p_.by_image.divisor();
    const int row = p_.by_cols.quotient(rest), col = rest - row * p_.cols.small_extent;
    const int y = p_.rows.offset + row * p_.rows.stride;
    const int x = p_.cols.offset + col * p_.cols.stride;
#pragma unroll 1
    for (int i = 0; i < TileB::kBoxes; ++i) {
      BigBox<TileB> box(a_, first_box_ + i);
      int tap_y = p_.by_taps_x.quotient(box.tap), tap_x = box.tap - tap_y * p_.cols.taps;
      if (tap_y >= p_.rows.taps) {  // all of it outside: the barrier wants its bytes
        tap_y = tap_x = 0;
        box.channel = p_.big_channels;
      }
      copy_tensor_im2col(stage + TileA::kBytes + i * TileB::kBoxBytes, &a_.big, full, box.channel,
                         x, y, image, tap_x * p_.cols.step, tap_y * p_.rows.step);
    }
  }

 private:
  using TileA = typename Loop::TileA;
  using TileB = typename Loop::TileB;
  const WgmmaWeightGradArguments& a_;
  const WeightGradProblem& p_;
  int m0_, first_box_;
};

// The tile's part of the sums, four columns at a time: channels are multiples of 8.
template <typename Loop>
__device__ __forceinline__ void write_part(const WgmmaWeightGradArguments& a, int m0, int first_box,
                                           const float* sums) {
  using Math = typename Loop::Math;
  using TileB = typename Loop::TileB;
  const WeightGradProblem& p = a.weight.problem;
  const int taps = p.rows.taps * p.cols.taps, columns = taps * p.big_channels;
  float* out =
      a.weight.partial + static_cast<std::int64_t>(blockIdx.z) * p.small_channels * columns;
  constexpr int kPerRow = Math::kN / 4, kStep = Math::kThreads / kPerRow;
  const int column = thread_in_block() % kPerRow * 4;
  const BigBox<TileB> box(a, first_box + column / TileB::kBoxColumns);
  const int channel = box.channel + column % TileB::kBoxColumns;
  if (box.tap >= taps || channel >= p.big_channels) return;
  for (int row = thread_in_block() / kPerRow; row < Math::kM && m0 + row < p.small_channels;
       row += kStep) {
    store_vector(
        out + static_cast<std::int64_t>(m0 + row) * columns + box.tap * p.big_channels + channel,
        load_vector<4>(sums + row * Loop::kSumPitch + column));
  }
}

// Grid: x = tiles, those that share small channels next to each other; y = 1; z = splits.
template <typename Loop>
__global__ __launch_bounds__(Loop::kThreads, Loop::kMinBlocks) void conv_wgmma_weight_grad_kernel(
    AKIMBO_GRID_CONSTANT const WgmmaWeightGradArguments a) {
  using Math = typename Loop::Math;
  const int tile_m = static_cast<int>(blockIdx.x) / a.weight.tiles_n;
  const int tile_n = static_cast<int>(blockIdx.x) % a.weight.tiles_n;
  const int m0 = tile_m * Math::kM, first_box = tile_n * Loop::TileB::kBoxes;
  const SplitRange slices((a.weight.problem.pixels + Loop::kK - 1) / Loop::kK, a.weight.splits);
  const PixelCopies<Loop> copies(a, m0, first_box);
  char* shared = swizzled_shared<char>();
  Math sums;
  if (!Loop::run(sums, copies, slices.begin, slices.end, shared)) return;
  float* staged = reinterpret_cast<float*>(shared);
  sums.store(staged, Loop::kSumPitch);
  Loop::sync();
  write_part<Loop>(a, m0, first_box, staged);
}

}  // namespace
}  // namespace akimbo::kernels::device

namespace akimbo::kernels::cuda {
namespace {

template <typename T, int kM, int kN, int kBox>
void launch_wgmma_box(const Exec& exec, const device::WgmmaWeightGradArguments& a,
                      std::int64_t tiles) {
  using Small = device::WgmmaTile<Order::k_strided, kM, kSlicePixels, 64>;
  using Big = device::WgmmaTile<Order::k_strided, kN, kSlicePixels, kBox>;
  using Loop = device::WgmmaLoop<device::WgmmaMath<T, kM, kN>, Small, Big>;
  device::launch(exec, "conv_wgmma_weight_grad_kernel",
                 {.grid = {tiles, 1, a.weight.splits},
                  .block = {Loop::kThreads},
                  .shared_bytes = Loop::kSharedBytes},
                 device::conv_wgmma_weight_grad_kernel<Loop>, a);
}

template <typename T, int kM, int kN>
void launch_wgmma_tile(const Exec& exec, const device::WgmmaWeightGradArguments& a,
                       std::int64_t tiles) {
  box_channels(a.weight.problem) == 64 ? launch_wgmma_box<T, kM, kN, 64>(exec, a, tiles)
                                       : launch_wgmma_box<T, kM, kN, 32>(exec, a, tiles);
}

// False, and nothing done, where the driver refuses a map.
template <typename T>
bool launch_wgmma_weight_grad(const Exec& exec, Product product,
                              const device::WeightGradArguments& weight, WeightGradTile tile,
                              std::int64_t tiles) {
  const WeightGradProblem& p = weight.problem;
  const int boxes = (p.big_channels + box_channels(p) - 1) / box_channels(p);
  device::WgmmaWeightGradArguments a{
      .weight = weight, .small = {}, .big = {}, .by_boxes = device::FastDivisor(boxes)};
  if (!make_small_map(a.small, product, p) || !make_big_map(a.big, product, p)) return false;
  switch (tile) {
    case WeightGradTile::wgmma_m128n256: launch_wgmma_tile<T, 128, 256>(exec, a, tiles); break;
    case WeightGradTile::wgmma_m128n128: launch_wgmma_tile<T, 128, 128>(exec, a, tiles); break;
    case WeightGradTile::wgmma_m64n128: launch_wgmma_tile<T, 64, 128>(exec, a, tiles); break;
    default: return false;
  }
  return true;
}

}  // namespace
}  // namespace akimbo::kernels::cuda
