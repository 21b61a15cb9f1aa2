// The largest cell of each map: heatmap_argmax, and heatmap_decode with the quarter-cell offset.
#include "kernels/cuda/arithmetic.cuh"
#include "kernels/cuda/heatmap/map_scan.cuh"
#include "kernels/heatmap.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// A cell and its value. Of equal values the first cell in row-major order is better.
template <typename A>
struct Best {
  A value;
  int cell;
};

// NaN is the largest of all, or never wins.
enum class NanRule { largest, ignored };

template <NanRule Rule, typename A>
__device__ __forceinline__ bool is_better(const Best<A>& a, const Best<A>& b) {
  if constexpr (Rule == NanRule::largest) {
    const bool nan_a = a.value != a.value, nan_b = b.value != b.value;
    if (nan_a || nan_b) return nan_a && (!nan_b || a.cell < b.cell);
  }
  return a.value > b.value || (a.value == b.value && a.cell < b.cell);
}

// To lane 0. The better of two does not depend on the order in which they meet.
template <NanRule Rule, typename A>
__device__ __forceinline__ void take_best_of_warp(Best<A>& best) {
  for (int delta = kWarpSize / 2; delta > 0; delta /= 2) {
    const Best<A> other{shuffle_down(best.value, delta), shuffle_down(best.cell, delta)};
    if (is_better<Rule>(other, best)) best = other;
  }
}

// Where no cell beats it, cell 0 stands: the answer for maps of -inf, and for NaN that is ignored.
template <typename A>
__device__ __forceinline__ Best<A> none() {
  return {minus_infinity<A>(), 0};
}

// Scalar accesses of neighbouring channels (map_scan.cuh), four in flight per thread.
constexpr int kUnroll = 4;

// x [N,P,K]; value and cell [N,K,parts].
template <typename T, NanRule Rule>
__global__ void __launch_bounds__(256)
    heatmap_argmax_kernel(const T* __restrict__ x, MapScan scan, Compute<T>* __restrict__ value,
                          int* __restrict__ cell) {
  using A = Compute<T>;
  const MapThread t = map_thread<1>(scan);
  Best<A> best = none<A>();
  if (t.active) {
    const T* from = x + (t.image * scan.pixels + t.first) * scan.channels + t.channel;
    const std::int64_t stride = static_cast<std::int64_t>(scan.rows) * scan.channels;
    for (std::int64_t pixel = t.first; pixel < t.end; pixel += kUnroll * scan.rows) {
      A loaded[kUnroll];
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) {
        const bool valid = pixel + u * scan.rows < t.end;
        loaded[u] = valid ? to_float(from[u * stride]) : minus_infinity<A>();
      }
      from += kUnroll * stride;
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) {
        const Best<A> candidate{loaded[u], static_cast<int>(pixel + u * scan.rows)};
        // A pixel past the end is -inf at a cell past the end: it beats nothing.
        if (is_better<Rule>(candidate, best)) best = candidate;
      }
    }
  }
  AKIMBO_SHARED_ARRAY(A, values, 256);
  AKIMBO_SHARED_ARRAY(int, cells, 256);
  if (t.row < scan.rows) {
    values[threadIdx.x] = best.value;
    cells[threadIdx.x] = best.cell;
  }
  sync_block();
  const int tile_channels = min_of(scan.lanes, scan.channels - t.tile * scan.lanes);
  for (int c = warp_index(); c < tile_channels; c += static_cast<int>(blockDim.x) / kWarpSize) {
    best = none<A>();
    for (int row = lane_index(); row < scan.rows; row += kWarpSize) {
      const Best<A> other{values[row * scan.lanes + c], cells[row * scan.lanes + c]};
      if (is_better<Rule>(other, best)) best = other;
    }
    take_best_of_warp<Rule>(best);
    if (lane_index() == 0) {
      const int k = t.tile * scan.lanes + c;
      const std::int64_t at = (t.image * scan.channels + k) * scan.chunks + t.chunk;
      value[at] = best.value;
      cell[at] = best.cell;
    }
  }
}

// One warp's best of the partial results of one map.
template <NanRule Rule, typename A>
__device__ __forceinline__ Best<A> best_of_parts(const A* value, const int* cell, int parts,
                                                 std::int64_t map, std::int64_t maps) {
  Best<A> best = none<A>();
  for (int i = lane_index(); map < maps && i < parts; i += kWarpSize) {
    const Best<A> other{value[map * parts + i], cell[map * parts + i]};
    if (is_better<Rule>(other, best)) best = other;
  }
  take_best_of_warp<Rule>(best);
  return best;
}

// A warp per map. score [N K], location [N K, 2].
template <typename T>
__global__ void __launch_bounds__(256)
    heatmap_argmax_finish_kernel(const Compute<T>* __restrict__ value, const int* __restrict__ cell,
                                 int parts, std::int64_t maps, int width, T* __restrict__ score,
                                 std::int32_t* __restrict__ location) {
  const std::int64_t map = global_thread() / kWarpSize;
  const Best<Compute<T>> best = best_of_parts<NanRule::largest>(value, cell, parts, map, maps);
  if (map >= maps || lane_index() != 0) return;
  score[map] = from_float<T>(best.value);
  location[2 * map] = best.cell % width;
  location[2 * map + 1] = best.cell / width;
}

struct MapSize {
  int height, width, keypoints;
};

// Moves (x, y) a quarter of a cell towards the larger neighbour; `map` is the keypoint's first
// cell.
template <typename T>
__device__ void move_quarter(const T* map, const MapSize& size, Compute<T>& x, Compute<T>& y) {
  using A = Compute<T>;
  // Compared before they are converted: a place far outside stays.
  if (!(x >= A(1.5) && x < A(size.width) - A(1.5) && y >= A(1.5) && y < A(size.height) - A(1.5))) {
    return;
  }
  const auto column = static_cast<int>(floor(x + A(0.5)));
  const auto row = static_cast<int>(floor(y + A(0.5)));
  const auto at = [&](int j, int i) {
    return to_float(map[(static_cast<std::int64_t>(j) * size.width + i) * size.keypoints]);
  };
  const auto sign = [](A d) { return A((d > A(0)) - (d < A(0))); };
  x += A(0.25) * sign(at(row, column + 1) - at(row, column - 1));
  y += A(0.25) * sign(at(row + 1, column) - at(row - 1, column));
}

// A warp per map. peaks [N K, 3].
template <typename T>
__global__ void __launch_bounds__(256)
    heatmap_decode_finish_kernel(const Compute<T>* __restrict__ value, const int* __restrict__ cell,
                                 int parts, std::int64_t maps, const T* __restrict__ x,
                                 MapSize size, bool quarter, Compute<T>* __restrict__ peaks) {
  using A = Compute<T>;
  const std::int64_t map = global_thread() / kWarpSize;
  const Best<A> best = best_of_parts<NanRule::ignored>(value, cell, parts, map, maps);
  if (map >= maps || lane_index() != 0) return;
  const bool found = best.value > A(0);
  A column = found ? A(best.cell % size.width) : A(0);
  A row = found ? A(best.cell / size.width) : A(0);
  const std::int64_t image = map / size.keypoints;
  const std::int64_t cells = static_cast<std::int64_t>(size.height) * size.width;
  if (quarter) {
    const T* first = x + image * cells * size.keypoints + map % size.keypoints;
    move_quarter(first, size, column, row);
  }
  peaks[3 * map] = column;
  peaks[3 * map + 1] = row;
  peaks[3 * map + 2] = best.value;
}

// A thread per map.
template <typename T>
__global__ void __launch_bounds__(256)
    heatmap_refine_kernel(const T* __restrict__ x, MapSize size, std::int64_t maps,
                          Compute<T>* __restrict__ peaks) {
  const std::int64_t map = global_thread();
  if (map >= maps) return;
  const std::int64_t cells = static_cast<std::int64_t>(size.height) * size.width;
  const T* first = x + map / size.keypoints * cells * size.keypoints + map % size.keypoints;
  move_quarter(first, size, peaks[3 * map], peaks[3 * map + 1]);
}

MapSize size_of(ConstView x) {
  return {static_cast<int>(x.dim(1)), static_cast<int>(x.dim(2)), static_cast<int>(x.dim(3))};
}

// Calls finish(values, cells, parts) with the partial results of each map.
template <typename T, NanRule Rule, typename F>
void scan_maps(const Exec& exec, ConstView x, const F& finish) {
  const MapScan scan = make_map_scan(x, 1, 32);
  const auto count = static_cast<std::size_t>(x.dim(0) * x.dim(3) * scan.chunks);
  const Scratch<Compute<T>> values(exec, count);
  const Scratch<int> cells(exec, count);
  launch(exec, "heatmap_argmax", scan.shape(x.dim(0)), heatmap_argmax_kernel<T, Rule>, x.data<T>(),
         scan, values.data(), cells.data());
  finish(values.data(), cells.data(), scan.chunks);
}

}  // namespace

void heatmap_argmax(const Exec& exec, ConstView x, View score, View location) {
  const std::int64_t maps = x.dim(0) * x.dim(3);
  if (maps == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    scan_maps<T, NanRule::largest>(exec, x, [&](Compute<T>* values, int* cells, int parts) {
      launch(exec, "heatmap_argmax_finish", {.grid = {blocks_for(maps, 8)}, .block = {256}},
             heatmap_argmax_finish_kernel<T>, values, cells, parts, maps,
             static_cast<int>(x.dim(2)), score.data<T>(), location.data<std::int32_t>());
    });
  });
}

void heatmap_decode(const Exec& exec, ConstView x, const HeatmapDecodeParams& params, View peaks) {
  const std::int64_t maps = x.dim(0) * x.dim(3);
  if (maps == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    scan_maps<T, NanRule::ignored>(exec, x, [&](Compute<T>* values, int* cells, int parts) {
      launch(exec, "heatmap_decode_finish", {.grid = {blocks_for(maps, 8)}, .block = {256}},
             heatmap_decode_finish_kernel<T>, values, cells, parts, maps, x.data<T>(), size_of(x),
             params.quarter_offset, peaks.data<Compute<T>>());
    });
  });
}

void heatmap_refine(const Exec& exec, ConstView x, View peaks) {
  const std::int64_t maps = x.dim(0) * x.dim(3);
  if (maps == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    launch(exec, "heatmap_refine", {.grid = {blocks_for(maps, 256)}, .block = {256}},
           heatmap_refine_kernel<T>, x.data<T>(), size_of(x), maps, peaks.data<Compute<T>>());
  });
}

}  // namespace akimbo::kernels::cuda
