// The gather product (conv_gather.h) on sm_90a: the tile's source pixels come through a tensor map
// in im2col mode, which walks output pixels through rows and images, adds a tap's offset and writes
// zeros outside the map; the filter comes through a tiled map, in either order.
#pragma once

#include "kernels/cuda/conv/conv_gather_tile.cuh"
#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/conv/conv_wgmma_products.h"
#include "kernels/cuda/gemm/gemm_wgmma.cuh"

namespace akimbo::kernels::device {

struct WgmmaGatherArguments {
  GatherArguments gather;
  TensorMap filter;
  TensorMap sources[cuda::kMaxPhases];
};
static_assert(sizeof(WgmmaGatherArguments) <= 4096, "kernel arguments are limited to 4 KB");

namespace {

// Orders the copies of one block's slices: slice = (tap, channels from c on).
template <typename Loop>
class GatherCopies {
 public:
  __device__ __forceinline__ GatherCopies(const WgmmaGatherArguments& a, const GatherPlace& place)
      : p_(a.gather.problem),
        phase_(p_.phases[place.phase]),
        filter_(a.filter),
        source_(a.sources[place.phase]),
        n0_(place.n0),
        slices_per_tap_((p_.channels + Loop::kK - 1) / Loop::kK) {
    image_ = phase_.by_image.quotient(place.m0);
    const int rest = place.m0 - image_ * phase_.by_image.divisor();
    const int row = phase_.by_cols.quotient(rest), col = rest - row * phase_.cols.count;
    y_ = cuda::lowest_source(p_.rows, phase_.rows) + row * p_.rows.source_stride;
    x_ = cuda::lowest_source(p_.cols, phase_.cols) + col * p_.cols.source_stride;
  }

  [[nodiscard]] __device__ __forceinline__ int num_slices() const {
    return phase_.rows.taps * phase_.cols.taps * slices_per_tap_;
  }

  __device__ __forceinline__ void operator()(char* stage, Barrier* full, int slice) const {
    const int tap = slice / slices_per_tap_;
    const int channel = (slice - tap * slices_per_tap_) * Loop::kK;
    const int tap_y = phase_.by_taps_x.quotient(tap), tap_x = tap - tap_y * phase_.cols.taps;
    copy_tensor_im2col(stage, &source_, full, channel, x_, y_, image_,
                       cuda::tap_offset(p_.cols, phase_.cols, tap_x),
                       cuda::tap_offset(p_.rows, phase_.rows, tap_y));
    const int filter_tap =
        (phase_.rows.first_tap + tap_y * p_.rows.tap_stride) * p_.cols.filter_extent +
        phase_.cols.first_tap + tap_x * p_.cols.tap_stride;
    char* const to = stage + TileA::kBytes;
    if constexpr (TileB::kIsContiguous) {
      copy_tensor_3d(to, &filter_, full, channel, filter_tap, n0_);
    } else {
#pragma unroll
      for (int box = 0; box < TileB::kBoxes; ++box) {
        copy_tensor_3d(to + box * TileB::kBoxBytes, &filter_, full, n0_ + box * TileB::kBoxColumns,
                       filter_tap, channel);
      }
    }
  }

 private:
  using TileA = typename Loop::TileA;
  using TileB = typename Loop::TileB;
  const GatherProblem& p_;
  const GatherPhase& phase_;
  const TensorMap& filter_;
  const TensorMap& source_;
  int n0_, slices_per_tap_;
  int image_, y_, x_;  // the source pixel that the tile's first pixel meets at the lowest tap
};

// Grid: x = tiles (GatherPlace); y = 1; z = splits.
template <typename Loop>
__global__ __launch_bounds__(Loop::kThreads, Loop::kMinBlocks) void conv_wgmma_gather_kernel(
    AKIMBO_GRID_CONSTANT const WgmmaGatherArguments a) {
  using Math = typename Loop::Math;
  using T = typename Math::Element;
  const GatherPlace place(a.gather, Math::kM, Math::kN);
  const GatherCopies<Loop> copies(a, place);
  const SplitRange slices(copies.num_slices(), a.gather.splits);
  char* shared = swizzled_shared<char>();
  Math sums;
  if (!Loop::run(sums, copies, slices.begin, slices.end, shared)) return;
  float* staged = reinterpret_cast<float*>(shared);
  sums.store(staged, Loop::kSumPitch);
  Loop::sync();
  finish_tile<T, Loop, kVectorSize<T>>(a.gather, place, staged);
}

}  // namespace
}  // namespace akimbo::kernels::device

namespace akimbo::kernels::cuda {
namespace {

template <typename Loop>
void launch_wgmma_loop(const Exec& exec, const device::WgmmaGatherArguments& a,
                       std::int64_t tiles) {
  device::launch(exec, "conv_wgmma_gather_kernel",
                 {.grid = {tiles, 1, a.gather.splits},
                  .block = {Loop::kThreads},
                  .shared_bytes = Loop::kSharedBytes},
                 device::conv_wgmma_gather_kernel<Loop>, a);
}

template <typename T, int kM, int kN, int kK>
void launch_wgmma_slice(const Exec& exec, const device::WgmmaGatherArguments& a,
                        std::int64_t tiles) {
  using Math = device::WgmmaMath<T, kM, kN>;
  using Source = device::WgmmaTile<Order::k_contiguous, kM, kK, kK>;
  if (a.gather.problem.filter_order == Order::k_contiguous) {
    using Filter = device::WgmmaTile<Order::k_contiguous, kN, kK, kK>;
    launch_wgmma_loop<device::WgmmaLoop<Math, Source, Filter>>(exec, a, tiles);
  } else {
    using Filter = device::WgmmaTile < Order::k_strided, kN, kK, kN<64 ? kN : 64>;
    launch_wgmma_loop<device::WgmmaLoop<Math, Source, Filter>>(exec, a, tiles);
  }
}

template <typename T, int kM, int kN>
void launch_wgmma_tile(const Exec& exec, const device::WgmmaGatherArguments& a,
                       std::int64_t tiles) {
  slice_terms(a.gather.problem) == 64 ? launch_wgmma_slice<T, kM, kN, 64>(exec, a, tiles)
                                      : launch_wgmma_slice<T, kM, kN, 32>(exec, a, tiles);
}

// False, and nothing done, where the driver refuses a map.
template <typename T>
bool launch_wgmma_gather(const Exec& exec, Product product, const device::GatherArguments& gather,
                         GatherTile tile, std::int64_t tiles) {
  const GatherProblem& p = gather.problem;
  device::WgmmaGatherArguments a{.gather = gather, .filter = {}, .sources = {}};
  bool made = make_filter_map(a.filter, product, p, extents_of(tile));
  for (int i = 0; i < p.num_phases; ++i) {
    made = made && make_source_map(a.sources[i], product, p, p.phases[i], extents_of(tile));
  }
  if (!made) return false;
  switch (tile) {
    case GatherTile::wgmma_m128n256: launch_wgmma_tile<T, 128, 256>(exec, a, tiles); break;
    case GatherTile::wgmma_m128n128: launch_wgmma_tile<T, 128, 128>(exec, a, tiles); break;
    case GatherTile::wgmma_m256n64: launch_wgmma_tile<T, 256, 64>(exec, a, tiles); break;
    case GatherTile::wgmma_m128n64: launch_wgmma_tile<T, 128, 64>(exec, a, tiles); break;
    case GatherTile::wgmma_m128n32: launch_wgmma_tile<T, 128, 32>(exec, a, tiles); break;
    default: return false;
  }
  return true;
}

}  // namespace
}  // namespace akimbo::kernels::cuda
