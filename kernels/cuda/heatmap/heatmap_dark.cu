// Distribution-aware refinement of heatmap peaks: two passes smooth the maps into scratch memory, a
// third finds the largest value of each before and after, a thread per map takes the Newton step.
// All walk channels-last, so that neighbouring threads read neighbouring keypoints.
#include <algorithm>
#include <limits>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/arithmetic.cuh"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/heatmap.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;

struct Taps {
  float at[kMaxDarkTaps];
  int reach;  // to each side
};

// y[o, i, r] = sum over t: taps[t] x[o, i + t, r], 0 outside [0, length): along x r counts the
// keypoints, along y columns and keypoints.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    heatmap_smooth_kernel(const T* __restrict__ x, std::int64_t numel, std::int64_t length,
                          std::int64_t step, Taps taps, float* __restrict__ y) {
  for (std::int64_t i = global_thread(); i < numel; i += num_global_threads()) {
    const std::int64_t place = i / step % length;
    float sum = 0;
    for (int t = -taps.reach; t <= taps.reach; ++t) {
      if (place + t < 0 || place + t >= length) continue;
      sum += taps.at[t + taps.reach] * static_cast<float>(to_float(x[i + t * step]));
    }
    y[i] = sum;
  }
}

// largest [N K]: a block per map.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    heatmap_largest_kernel(const T* __restrict__ x, std::int64_t cells, std::int64_t keypoints,
                           float* __restrict__ largest) {
  AKIMBO_SHARED_ARRAY(float, shared, kWarpSize);
  const auto map = static_cast<std::int64_t>(blockIdx.x);
  const T* from = x + map / keypoints * cells * keypoints + map % keypoints;
  float best = -std::numeric_limits<float>::infinity();
  for (std::int64_t cell = threadIdx.x; cell < cells; cell += kThreads) {
    const auto value = static_cast<float>(to_float(from[cell * keypoints]));
    best = value > best ? value : best;
  }
  best = block_max(best, shared);
  if (threadIdx.x == 0) largest[map] = best;
}

struct MapSize {
  std::int64_t maps;
  int height, width, keypoints;
};

// The logarithm of the smoothed map around a cell.
struct LogMap {
  const float* cell;
  std::int64_t row, column;  // steps
  float factor;
  __device__ double operator()(int dy, int dx) const {
    constexpr float kFloor = 1e-10f;  // as in the published code
    const float value = cell[dy * row + dx * column] * factor;
    return std::log(value > kFloor ? value : kFloor);
  }
};

__global__ void __launch_bounds__(kThreads)
    heatmap_dark_kernel(const float* __restrict__ smoothed, MapSize size,
                        const float* __restrict__ before, const float* __restrict__ after,
                        float* __restrict__ peaks) {
  const std::int64_t map = global_thread();
  if (map >= size.maps) return;
  float* peak = peaks + 3 * map;
  // Compared before they are converted: a place far outside stays.
  if (!(peak[0] >= 2 && peak[0] < size.width - 2 && peak[1] >= 2 && peak[1] < size.height - 2)) {
    return;
  }
  const auto x = static_cast<std::int64_t>(peak[0]), y = static_cast<std::int64_t>(peak[1]);
  const std::int64_t row = static_cast<std::int64_t>(size.width) * size.keypoints;
  const std::int64_t first = map / size.keypoints * size.height * row + map % size.keypoints;
  const LogMap l{smoothed + first + y * row + x * size.keypoints, row, size.keypoints,
                 after[map] > 0 ? before[map] / after[map] : 1};
  const double gx = 0.5 * (l(0, 1) - l(0, -1)), gy = 0.5 * (l(1, 0) - l(-1, 0));
  const double xx = 0.25 * (l(0, 2) - 2 * l(0, 0) + l(0, -2));
  const double yy = 0.25 * (l(2, 0) - 2 * l(0, 0) + l(-2, 0));
  const double xy = 0.25 * (l(1, 1) - l(-1, 1) - l(1, -1) + l(-1, -1));
  const double determinant = xx * yy - xy * xy;
  if (!(determinant > 0) || !(xx < 0)) return;  // no top to go to
  peak[0] += static_cast<float>(-(yy * gx - xy * gy) / determinant);
  peak[1] += static_cast<float>(-(xx * gy - xy * gx) / determinant);
}

Taps taps_of(const HeatmapDarkParams& params) {
  Taps taps{};
  taps.reach = static_cast<int>(params.taps.size() / 2);
  std::copy(params.taps.begin(), params.taps.end(), taps.at);
  return taps;
}

}  // namespace

void heatmap_dark(const Exec& exec, ConstView x, const HeatmapDarkParams& params, View peaks) {
  const std::int64_t numel = x.numel();
  if (numel == 0) return;
  const MapSize size{x.dim(0) * x.dim(3), static_cast<int>(x.dim(1)), static_cast<int>(x.dim(2)),
                     static_cast<int>(x.dim(3))};
  const std::int64_t cells = x.dim(1) * x.dim(2), keypoints = x.dim(3);
  const Taps taps = taps_of(params);
  const Scratch<float> along_x(exec, static_cast<std::size_t>(numel));
  const Scratch<float> smoothed(exec, static_cast<std::size_t>(numel));
  const Scratch<float> before(exec, static_cast<std::size_t>(size.maps));
  const Scratch<float> after(exec, static_cast<std::size_t>(size.maps));
  const LaunchShape all{.grid = {std::min<std::int64_t>(blocks_for(numel, kThreads), 1 << 16)},
                        .block = {kThreads}};
  const LaunchShape maps{.grid = {size.maps}, .block = {kThreads}};
  visit_any_floating(x.dtype, [&]<typename T>() {
    launch(exec, "heatmap_smooth", all, heatmap_smooth_kernel<T>, x.data<T>(), numel, x.dim(2),
           keypoints, taps, along_x.data());
    launch(exec, "heatmap_largest", maps, heatmap_largest_kernel<T>, x.data<T>(), cells, keypoints,
           before.data());
  });
  launch(exec, "heatmap_smooth", all, heatmap_smooth_kernel<float>, along_x.data(), numel, x.dim(1),
         x.dim(2) * keypoints, taps, smoothed.data());
  launch(exec, "heatmap_largest", maps, heatmap_largest_kernel<float>, smoothed.data(), cells,
         keypoints, after.data());
  launch(exec, "heatmap_dark", {.grid = {blocks_for(size.maps, kThreads)}, .block = {kThreads}},
         heatmap_dark_kernel, smoothed.data(), size, before.data(), after.data(),
         peaks.data<float>());
}

}  // namespace akimbo::kernels::cuda
