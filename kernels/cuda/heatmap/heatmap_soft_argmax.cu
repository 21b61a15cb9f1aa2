// Soft-argmax over maps and volumes: one pass over the logits with a running maximum.
#include "kernels/cuda/arithmetic.cuh"
#include "kernels/cuda/heatmap/map_scan.cuh"
#include "kernels/heatmap.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// Of some cells of one keypoint: the largest logit, and the sums of e = exp(logit - largest) and of
// e times the cell's indices. f32 sums: a thread adds some 32 terms, what it adds up to is merged
// in a tree, so the error stays at a few epsilons.
template <typename A>
struct Moments {
  A largest, e, ex, ey, ez;
};

template <typename A>
__device__ __forceinline__ Moments<A> no_moments() {
  return {minus_infinity<A>(), A(0), A(0), A(0), A(0)};
}

// Brings both to the common maximum. Parts without mass (cells of -inf only) change nothing.
template <typename A>
__device__ __forceinline__ void merge(Moments<A>& total, const Moments<A>& part) {
  if (part.e == A(0)) return;
  const A largest = max_of(total.largest, part.largest);
  const A a = total.e == A(0) ? A(0) : exp_of_difference(total.largest - largest);
  const A b = exp_of_difference(part.largest - largest);
  total.e = a * total.e + b * part.e;
  total.ex = a * total.ex + b * part.ex;
  total.ey = a * total.ey + b * part.ey;
  total.ez = a * total.ez + b * part.ez;
  total.largest = largest;
}

// To lane 0, in a fixed order.
template <typename A>
__device__ __forceinline__ void merge_warp(Moments<A>& m) {
  for (int delta = kWarpSize / 2; delta > 0; delta /= 2) {
    const Moments<A> other{shuffle_down(m.largest, delta), shuffle_down(m.e, delta),
                           shuffle_down(m.ex, delta), shuffle_down(m.ey, delta),
                           shuffle_down(m.ez, delta)};
    merge(m, other);
  }
}

constexpr int kUnroll = 4;  // loads in flight per thread

// Adds kUnroll cells of one channel.
template <typename A>
__device__ __forceinline__ void add_cells(Moments<A>& m, const A (&value)[kUnroll],
                                          const A (&x)[kUnroll], const A (&y)[kUnroll]) {
  A largest = m.largest;
  for (int u = 0; u < kUnroll; ++u) largest = max_of(largest, value[u]);
  // Cells of -inf only hold no mass; 0 in place of their maximum gives exp(-inf) = 0.
  const A shift = largest == minus_infinity<A>() ? A(0) : largest;
  if (largest > m.largest) {
    const A factor = m.e == A(0) ? A(0) : exp_of_difference(m.largest - shift);
    m.e *= factor;
    m.ex *= factor;
    m.ey *= factor;
    m.largest = largest;
  }
  for (int u = 0; u < kUnroll; ++u) {
    const A e = exp_of_difference(value[u] - shift);
    m.e += e;
    m.ex += e * x[u];
    m.ey += e * y[u];
  }
}

// x [N,P,C]; partial [N,K,parts]. Dynamic shared memory: the four sums of each thread's channels.
template <typename T, int V>
__global__ void __launch_bounds__(256)
    soft_argmax_forward_kernel(const T* __restrict__ x, MapScan scan, int depth,
                               Moments<Compute<T>>* __restrict__ partial) {
  using A = Compute<T>;
  const MapThread t = map_thread<V>(scan);
  Moments<A> sums[V];
  for (int v = 0; v < V; ++v) sums[v] = no_moments<A>();
  if (t.active) {
    const T* from = x + (t.image * scan.pixels + t.first) * scan.channels + t.channel;
    MovingCell cell(t.first, scan.rows, scan.width);
    const std::int64_t stride = static_cast<std::int64_t>(scan.rows) * scan.channels;
    for (std::int64_t pixel = t.first; pixel < t.end; pixel += kUnroll * scan.rows) {
      Vector<T, V> loaded[kUnroll];
      A px[kUnroll], py[kUnroll];
      bool valid[kUnroll];
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) {
        valid[u] = pixel + u * scan.rows < t.end;
        if (valid[u]) loaded[u] = load_vector<V>(from + u * stride);
        px[u] = static_cast<A>(cell.x);
        py[u] = static_cast<A>(cell.y);
        cell.advance();
      }
      from += kUnroll * stride;
#pragma unroll
      for (int v = 0; v < V; ++v) {
        A value[kUnroll];
        for (int u = 0; u < kUnroll; ++u) {
          value[u] = valid[u] ? to_float(loaded[u][v]) : minus_infinity<A>();
        }
        add_cells(sums[v], value, px, py);
      }
    }
  }
  // Keypoint by keypoint, a warp merges the sums of its channels over the block's rows.
  const int tile_channels = scan.lanes * V;
  const int num_sums = tile_channels * scan.rows;
  A* const largest = dynamic_shared<A>();
  A* const e = largest + num_sums;
  A* const ex = e + num_sums;
  A* const ey = ex + num_sums;
  if (t.row < scan.rows) {
    for (int v = 0; v < V; ++v) {
      const int at = t.row * tile_channels + t.lane * V + v;
      largest[at] = sums[v].largest;
      e[at] = sums[v].e;
      ex[at] = sums[v].ex;
      ey[at] = sums[v].ey;
    }
  }
  sync_block();
  const int num_keypoints = scan.channels / depth;
  const int tile_begin = t.tile * tile_channels;
  const int tile_end = min_of(tile_begin + tile_channels, scan.channels);
  for (int k = warp_index(); k < num_keypoints; k += static_cast<int>(blockDim.x) / kWarpSize) {
    const int begin = max_of(k * depth, tile_begin);
    const int count = max_of(0, min_of((k + 1) * depth, tile_end) - begin);
    Moments<A> total = no_moments<A>();
    for (int i = lane_index(); i < count * scan.rows; i += kWarpSize) {
      const int channel = begin + i % count;
      const int at = i / count * tile_channels + channel - tile_begin;
      merge(total,
            {largest[at], e[at], ex[at], ey[at], e[at] * static_cast<A>(channel - k * depth)});
    }
    merge_warp(total);
    if (lane_index() == 0) {
      partial[(t.image * num_keypoints + k) * scan.parts() + t.part] = total;
    }
  }
}

// One warp per keypoint. coords [N K, axes], norm [N K, 2].
template <typename A>
__global__ void __launch_bounds__(256)
    soft_argmax_finish_kernel(const Moments<A>* __restrict__ partial, int parts, std::int64_t maps,
                              int axes, A* __restrict__ coords, A* __restrict__ norm) {
  const std::int64_t map = global_thread() / kWarpSize;
  Moments<A> total = no_moments<A>();
  for (int i = lane_index(); map < maps && i < parts; i += kWarpSize) {
    merge(total, partial[map * parts + i]);
  }
  merge_warp(total);
  if (map >= maps || lane_index() != 0) return;
  coords[map * axes] = total.ex / total.e;
  coords[map * axes + 1] = total.ey / total.e;
  if (axes == 3) coords[map * axes + 2] = total.ez / total.e;
  norm[2 * map] = total.largest;
  norm[2 * map + 1] = A(1) / total.e;
}

// The thread keeps what belongs to its channels' keypoints in registers: a pass of one load and one
// store.
template <typename T, int V>
__global__ void __launch_bounds__(256)
    soft_argmax_input_grad_kernel(const T* __restrict__ x, MapScan scan, int depth, int axes,
                                  const Compute<T>* __restrict__ coords,
                                  const Compute<T>* __restrict__ norm,
                                  const Compute<T>* __restrict__ grad_coords,
                                  T* __restrict__ grad_x) {
  using A = Compute<T>;
  const MapThread t = map_thread<V>(scan);
  if (!t.active) return;
  const int num_keypoints = scan.channels / depth;
  A largest[V], factor[V], center_x[V], center_y[V], grad_cx[V], grad_cy[V], along[V];
  for (int v = 0; v < V; ++v) {
    const int k = (t.channel + v) / depth;
    const std::int64_t map = t.image * num_keypoints + k;
    const A* center = coords + map * axes;
    const A* grad = grad_coords + map * axes;
    largest[v] = norm[2 * map];
    factor[v] = norm[2 * map + 1];
    center_x[v] = center[0];
    center_y[v] = center[1];
    grad_cx[v] = grad[0];
    grad_cy[v] = grad[1];
    along[v] = axes == 3 ? grad[2] * (static_cast<A>(t.channel + v - k * depth) - center[2]) : A(0);
  }
  const std::int64_t start = (t.image * scan.pixels + t.first) * scan.channels + t.channel;
  const std::int64_t stride = static_cast<std::int64_t>(scan.rows) * scan.channels;
  const T* from = x + start;
  T* to = grad_x + start;
  MovingCell cell(t.first, scan.rows, scan.width);
  for (std::int64_t pixel = t.first; pixel < t.end; pixel += kUnroll * scan.rows) {
    Vector<T, V> loaded[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      if (pixel + u * scan.rows < t.end) loaded[u] = load_vector<V>(from + u * stride);
    }
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const A px = static_cast<A>(cell.x), py = static_cast<A>(cell.y);
      cell.advance();
      if (pixel + u * scan.rows >= t.end) continue;
      Vector<T, V> out;
      for (int v = 0; v < V; ++v) {
        const A probability = exp_of_difference(to_float(loaded[u][v]) - largest[v]) * factor[v];
        const A plane = grad_cx[v] * (px - center_x[v]) + grad_cy[v] * (py - center_y[v]);
        out[v] = from_float<T>(probability * (plane + along[v]));
      }
      store_vector(to + u * stride, out);
    }
    from += kUnroll * stride;
    to += kUnroll * stride;
  }
}

// 16-byte accesses where they divide the channels and the pointers allow them. f64 is for checks.
template <typename T>
inline constexpr int kVector = std::is_same_v<T, double> ? 1 : kVectorSize<T>;

template <typename T>
bool takes_vectors(ConstView x, const void* other) {
  return x.dim(3) % kVector<T> == 0 && is_aligned(x.pointer) && is_aligned(other);
}

template <typename T, int V>
void forward(const Exec& exec, ConstView x, View coords, View norm) {
  using A = Compute<T>;
  const std::int64_t keypoints = coords.dim(1), maps = x.dim(0) * keypoints;
  const MapScan scan = make_map_scan(x, V, 32);
  const std::size_t shared = sizeof(A) * 4 * V * static_cast<std::size_t>(scan.lanes * scan.rows);
  const Scratch<Moments<A>> partial(exec, static_cast<std::size_t>(maps * scan.parts()));
  launch(exec, "soft_argmax_forward", scan.shape(x.dim(0), shared),
         soft_argmax_forward_kernel<T, V>, x.data<T>(), scan,
         static_cast<int>(x.dim(3) / keypoints), partial.data());
  launch(exec, "soft_argmax_finish", {.grid = {blocks_for(maps, 8)}, .block = {256}},
         soft_argmax_finish_kernel<A>, partial.data(), scan.parts(), maps,
         static_cast<int>(coords.dim(2)), coords.data<A>(), norm.data<A>());
}

template <typename T, int V>
void input_grad(const Exec& exec, ConstView x, ConstView coords, ConstView norm,
                ConstView grad_coords, View grad_x) {
  using A = Compute<T>;
  const MapScan scan = make_map_scan(x, V, 16);
  launch(exec, "soft_argmax_input_grad", scan.shape(x.dim(0)), soft_argmax_input_grad_kernel<T, V>,
         x.data<T>(), scan, static_cast<int>(x.dim(3) / coords.dim(1)),
         static_cast<int>(coords.dim(2)), coords.data<A>(), norm.data<A>(), grad_coords.data<A>(),
         grad_x.data<T>());
}

}  // namespace

void soft_argmax_forward(const Exec& exec, ConstView x, View coords, View norm) {
  if (coords.numel() == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    takes_vectors<T>(x, x.pointer) ? forward<T, kVector<T>>(exec, x, coords, norm)
                                   : forward<T, 1>(exec, x, coords, norm);
  });
}

void soft_argmax_input_grad(const Exec& exec, ConstView x, ConstView coords, ConstView norm,
                            ConstView grad_coords, View grad_x) {
  if (grad_x.numel() == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    takes_vectors<T>(x, grad_x.pointer)
        ? input_grad<T, kVector<T>>(exec, x, coords, norm, grad_coords, grad_x)
        : input_grad<T, 1>(exec, x, coords, norm, grad_coords, grad_x);
  });
}

}  // namespace akimbo::kernels::cuda
