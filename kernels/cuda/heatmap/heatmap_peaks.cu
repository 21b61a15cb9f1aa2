// Non-maximum suppression on maps and the highest peaks of each.
//
// Two launches: blocks scan pieces of the maps and list the peaks they find, in any order; then a
// block per map picks the highest. Peaks have a total order (value, then cell), so the result does
// not depend on the order of the lists.
#include "kernels/cuda/arithmetic.cuh"
#include "kernels/cuda/heatmap/map_scan.cuh"
#include "kernels/heatmap.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

template <typename T>
struct Map {
  const T* first;  // cell of the keypoint
  int height, width, keypoints;
  __device__ __forceinline__ Compute<T> at(std::int64_t cell) const {
    return to_float(first[cell * keypoints]);
  }
};

template <typename T>
__device__ bool is_peak(const Map<T>& map, int y, int x, Compute<T> value, int reach) {
  const int y_end = min_of(map.height - 1, y + reach), x_end = min_of(map.width - 1, x + reach);
  for (int j = max_of(0, y - reach); j <= y_end; ++j) {
    for (int i = max_of(0, x - reach); i <= x_end; ++i) {
      if (map.at(static_cast<std::int64_t>(j) * map.width + i) > value) return false;
    }
  }
  return true;
}

// x [N,P,K]; found [N,K,chunks] and lists [N,K,chunks,pixels_per_block] of cells. Neighbours are
// read through the cache and not staged: heatmaps are mostly below the threshold, and of the rest
// most cells meet a larger neighbour at once, so there is about one load per cell.
template <typename T>
__global__ void __launch_bounds__(256)
    heatmap_peaks_find_kernel(const T* __restrict__ x, MapScan scan, int height, int reach,
                              Compute<T> threshold, int* __restrict__ found,
                              int* __restrict__ lists) {
  const MapThread t = map_thread<1>(scan);
  AKIMBO_SHARED_ARRAY(int, counts, 256);
  counts[threadIdx.x] = 0;
  sync_block();
  const std::int64_t list = (t.image * scan.channels + t.channel) * scan.chunks + t.chunk;
  if (t.active) {
    const Map<T> map{x + t.image * scan.pixels * scan.channels + t.channel, height, scan.width,
                     scan.channels};
    MovingCell cell(t.first, scan.rows, scan.width);
    for (std::int64_t pixel = t.first; pixel < t.end; pixel += scan.rows, cell.advance()) {
      const Compute<T> value = map.at(pixel);
      if (value > threshold && is_peak(map, cell.y, cell.x, value, reach)) {
        const int place = atomic_add(&counts[t.lane], 1);
        lists[list * scan.pixels_per_block + place] = static_cast<int>(pixel);
      }
    }
  }
  sync_block();
  if (t.active && t.row == 0) found[list] = counts[t.lane];
}

template <typename A>
struct Peak {
  A value;
  int cell;
};

template <typename A>
__device__ __forceinline__ bool is_before(const Peak<A>& a, const Peak<A>& b) {
  return a.value > b.value || (a.value == b.value && a.cell < b.cell);
}

constexpr int kSelectThreads = 128;
constexpr int kShared = 1024;  // peaks of a map that are ranked in shared memory

template <typename T>
struct Lists {
  Map<T> map;
  const int* found;  // [chunks]
  const int* cells;  // [chunks, capacity]
  int chunks, capacity;
};

// Calls use(peak) for the peaks of this thread's share of the lists.
template <typename T, typename F>
__device__ void for_each_peak(const Lists<T>& lists, const F& use) {
  for (int chunk = static_cast<int>(threadIdx.x); chunk < lists.chunks; chunk += kSelectThreads) {
    const int* cells = lists.cells + static_cast<std::int64_t>(chunk) * lists.capacity;
    for (int i = 0; i < lists.found[chunk]; ++i) {
      use(Peak<Compute<T>>{lists.map.at(cells[i]), cells[i]});
    }
  }
}

template <typename T>
struct PeakOutput {
  T* score;                // [P]
  std::int32_t* location;  // [P, 2]
  int places, width;
  __device__ void write(int place, const Peak<Compute<T>>& peak) const {
    score[place] = from_float<T>(peak.value);
    location[2 * place] = peak.cell % width;
    location[2 * place + 1] = peak.cell / width;
  }
};

// The rank of a peak is the number of those before it.
template <typename T>
__device__ void rank_in_shared(const Lists<T>& lists, int total, Peak<Compute<T>>* peaks,
                               int* count, const PeakOutput<T>& out) {
  for_each_peak(lists, [&](const Peak<Compute<T>>& peak) { peaks[atomic_add(count, 1)] = peak; });
  sync_block();
  for (int i = static_cast<int>(threadIdx.x); i < total; i += kSelectThreads) {
    int rank = 0;
    for (int j = 0; j < total; ++j) rank += is_before(peaks[j], peaks[i]);
    if (rank < out.places) out.write(rank, peaks[i]);
  }
}

// Place by place: the first of the peaks after the one before it. For maps with more peaks than
// shared memory holds, plateaus above all.
template <typename T>
__device__ void select_one_by_one(const Lists<T>& lists, int total, Peak<Compute<T>>* best,
                                  const PeakOutput<T>& out) {
  using A = Compute<T>;
  const int thread = static_cast<int>(threadIdx.x);
  Peak<A> last{std::numeric_limits<A>::infinity(), -1};
  for (int place = 0; place < min_of(total, out.places); ++place) {
    Peak<A> mine{minus_infinity<A>(), std::numeric_limits<int>::max()};
    for_each_peak(lists, [&](const Peak<A>& peak) {
      if (is_before(last, peak) && is_before(peak, mine)) mine = peak;
    });
    best[thread] = mine;
    sync_block();
    for (int half = kSelectThreads / 2; half > 0; half /= 2) {
      if (thread < half && is_before(best[thread + half], best[thread])) {
        best[thread] = best[thread + half];
      }
      sync_block();
    }
    last = best[0];
    if (thread == 0) out.write(place, last);
    sync_block();
  }
}

// One block per map. score [N K, P], location [N K, P, 2], count [N K].
template <typename T>
__global__ void __launch_bounds__(kSelectThreads)
    heatmap_peaks_select_kernel(const T* __restrict__ x, MapScan scan, int height,
                                const int* __restrict__ found, const int* __restrict__ cells,
                                int places, T* __restrict__ score,
                                std::int32_t* __restrict__ location,
                                std::int32_t* __restrict__ count) {
  using A = Compute<T>;
  const auto map = static_cast<std::int64_t>(blockIdx.x);
  const std::int64_t image = map / scan.channels;
  const Lists<T> lists{{x + image * scan.pixels * scan.channels + map % scan.channels, height,
                        scan.width, scan.channels},
                       found + map * scan.chunks,
                       cells + map * scan.chunks * scan.pixels_per_block,
                       scan.chunks,
                       scan.pixels_per_block};
  const PeakOutput<T> out{score + map * places, location + map * places * 2, places, scan.width};
  AKIMBO_SHARED_ARRAY(Peak<A>, peaks, kShared);
  AKIMBO_SHARED_ARRAY(int, counters, 2);  // peaks of the map, peaks copied
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < 2) counters[thread] = 0;
  sync_block();
  for (int chunk = thread; chunk < scan.chunks; chunk += kSelectThreads) {
    if (lists.found[chunk] > 0) atomic_add(&counters[0], lists.found[chunk]);
  }
  sync_block();
  const int total = counters[0];
  if (total <= kShared) {
    rank_in_shared(lists, total, peaks, &counters[1], out);
  } else {
    select_one_by_one(lists, total, peaks, out);
  }
  for (int place = total + thread; place < places; place += kSelectThreads) {
    score[map * places + place] = from_float<T>(A(0));
    location[(map * places + place) * 2] = -1;
    location[(map * places + place) * 2 + 1] = -1;
  }
  if (thread == 0) count[map] = min_of(total, places);
}

// The threshold in the arithmetic of the maps, such that `value > rounded` is `value > threshold`
// for every value of that type: rounded towards minus infinity.
template <typename A>
A threshold_below(double threshold) {
  const auto rounded = static_cast<A>(threshold);
  if (static_cast<double>(rounded) <= threshold || rounded != rounded) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<A>::infinity());
}

}  // namespace

void heatmap_peaks(const Exec& exec, ConstView x, const PeakParams& params, View score,
                   View location, View count) {
  const std::int64_t maps = x.dim(0) * x.dim(3);
  if (maps == 0) return;
  const MapScan scan = make_map_scan(x, 1, 32);
  const auto reach = static_cast<int>(std::min(params.window / 2, std::max(x.dim(1), x.dim(2))));
  visit_any_floating(x.dtype, [&]<typename T>() {
    const auto lists = static_cast<std::size_t>(maps * scan.chunks);
    const Scratch<int> found(exec, lists);
    const Scratch<int> cells(exec, lists * static_cast<std::size_t>(scan.pixels_per_block));
    const auto height = static_cast<int>(x.dim(1));
    launch(exec, "heatmap_peaks_find", scan.shape(x.dim(0)), heatmap_peaks_find_kernel<T>,
           x.data<T>(), scan, height, reach, threshold_below<Compute<T>>(params.threshold),
           found.data(), cells.data());
    launch(exec, "heatmap_peaks_select", {.grid = {maps}, .block = {kSelectThreads}},
           heatmap_peaks_select_kernel<T>, x.data<T>(), scan, height, found.data(), cells.data(),
           static_cast<int>(score.dim(2)), score.data<T>(), location.data<std::int32_t>(),
           count.data<std::int32_t>());
  });
}

}  // namespace akimbo::kernels::cuda
