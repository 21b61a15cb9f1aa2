// Peaks of top-down heatmaps and the averaging of a mirrored pass on the CPU.
#include "kernels/heatmap.h"

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

struct Maps {
  std::int64_t n, h, w, k;
  [[nodiscard]] std::int64_t map_size() const { return h * w * k; }
};

Maps maps_of(ConstView x) { return {x.dim(0), x.dim(1), x.dim(2), x.dim(3)}; }

// One sample; maps of all keypoints are scanned side by side, as they lie in memory.
template <typename T>
void decode_sample(const T* heatmap, const Maps& maps, T* peaks) {
  std::vector<T> best(static_cast<std::size_t>(maps.k), -std::numeric_limits<T>::infinity());
  std::vector<std::int32_t> place(static_cast<std::size_t>(maps.k), 0);
  const auto num_cells = static_cast<std::int32_t>(maps.h * maps.w);
  for (std::int32_t cell = 0; cell < num_cells; ++cell) {
    const T* value = heatmap + cell * maps.k;
    for (std::size_t k = 0; k < best.size(); ++k) {
      const bool better = value[k] > best[k];
      best[k] = better ? value[k] : best[k];
      place[k] = better ? cell : place[k];
    }
  }
  for (std::size_t k = 0; k < best.size(); ++k) {
    const bool found = best[k] > T(0);
    peaks[3 * k] = found ? static_cast<T>(place[k] % maps.w) : T(0);
    peaks[3 * k + 1] = found ? static_cast<T>(place[k] / maps.w) : T(0);
    peaks[3 * k + 2] = best[k];
  }
}

template <typename T>
T sign(T value) {
  return static_cast<T>((value > T(0)) - (value < T(0)));
}

template <typename T>
void refine_sample(const T* heatmap, const Maps& maps, T* peaks) {
  for (std::int64_t k = 0; k < maps.k; ++k) {
    T* peak = peaks + 3 * k;
    const auto x = static_cast<std::int64_t>(std::floor(peak[0] + T(0.5)));
    const auto y = static_cast<std::int64_t>(std::floor(peak[1] + T(0.5)));
    if (!(x > 1 && x < maps.w - 1 && y > 1 && y < maps.h - 1)) continue;
    const auto at = [&](std::int64_t yy, std::int64_t xx) {
      return heatmap[(yy * maps.w + xx) * maps.k + k];
    };
    peak[0] += T(0.25) * sign(at(y, x + 1) - at(y, x - 1));
    peak[1] += T(0.25) * sign(at(y + 1, x) - at(y - 1, x));
  }
}

// Calls body(sample index) for every sample, some at a time on each thread.
template <typename F>
void for_each_sample(std::int64_t n, F&& body) {
  parallel_for(n, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i);
  });
}

// Calls body(index, index in the mirrored maps) for the elements of one sample in order.
template <typename F>
void for_each_unflipped(const Maps& maps, const FlipParams& params, F&& body) {
  for (std::int64_t y = 0; y < maps.h; ++y) {
    for (std::int64_t x = 0; x < maps.w; ++x) {
      const std::int64_t from = params.shift && x > 0 ? x - 1 : x;
      const std::int64_t source = (y * maps.w + (maps.w - 1 - from)) * maps.k;
      const std::int64_t target = (y * maps.w + x) * maps.k;
      for (std::int64_t k = 0; k < maps.k; ++k) {
        body(target + k, source + params.permutation[static_cast<std::size_t>(k)]);
      }
    }
  }
}

}  // namespace

void heatmap_decode(const Exec&, ConstView x, const HeatmapDecodeParams& params, View peaks) {
  const Maps maps = maps_of(x);
  visit_floating(x.dtype, [&]<typename T>() {
    for_each_sample(maps.n, [&](std::int64_t i) {
      const T* heatmap = x.data<T>() + i * maps.map_size();
      T* out = peaks.data<T>() + i * maps.k * 3;
      decode_sample(heatmap, maps, out);
      if (params.quarter_offset) refine_sample(heatmap, maps, out);
    });
  });
}

void heatmap_refine(const Exec&, ConstView x, View peaks) {
  const Maps maps = maps_of(x);
  visit_floating(x.dtype, [&]<typename T>() {
    for_each_sample(maps.n, [&](std::int64_t i) {
      refine_sample(x.data<T>() + i * maps.map_size(), maps, peaks.data<T>() + i * maps.k * 3);
    });
  });
}

void heatmap_unflip(const Exec&, ConstView x, ConstView mirrored, const FlipParams& params,
                    View y) {
  const Maps maps = maps_of(mirrored);
  visit_floating(mirrored.dtype, [&]<typename T>() {
    for_each_sample(maps.n, [&](std::int64_t i) {
      const std::int64_t start = i * maps.map_size();
      const T* plain = x ? x.data<T>() + start : nullptr;
      const T* flipped = mirrored.data<T>() + start;
      T* out = y.data<T>() + start;
      for_each_unflipped(maps, params, [&](std::int64_t to, std::int64_t from) {
        out[to] = plain ? (plain[to] + flipped[from]) * T(0.5) : flipped[from];
      });
    });
  });
}

}  // namespace akimbo::kernels::cpu
