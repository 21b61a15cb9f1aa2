// Moving elements on CUDA. A strided copy moves as many bytes at once as the innermost axis allows;
// where source and target run through memory along different axes (NHWC to NCHW) it goes through
// shared memory, so that both sides are read and written in runs.
#include "kernels/gather.h"

#include <algorithm>
#include <cstdlib>
#include <type_traits>
#include <vector>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/divide.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;
constexpr int kMaxAxes = Shape::kMaxRank;

struct Axis {
  std::int64_t extent, x_stride, y_stride;
};

// The walk without axes of extent 1, neighbours joined where both walks run through; the innermost
// axis last.
struct Walk {
  Axis axes[kMaxAxes];
  int rank = 0;

  [[nodiscard]] std::int64_t numel() const {
    std::int64_t n = 1;
    for (int k = 0; k < rank; ++k) n *= axes[k].extent;
    return n;
  }
};

Walk joined(const StridedWalk& x, const Shape& extents, const StridedWalk& y) {
  Walk walk;
  for (int k = 0; k < extents.rank(); ++k) {
    const auto i = static_cast<std::size_t>(k);
    const Axis axis{extents[k], x.stride[i], y.stride[i]};
    if (axis.extent == 1) continue;
    Axis* last = walk.rank > 0 ? &walk.axes[walk.rank - 1] : nullptr;
    if (last != nullptr && last->x_stride == axis.extent * axis.x_stride &&
        last->y_stride == axis.extent * axis.y_stride) {
      *last = {last->extent * axis.extent, axis.x_stride, axis.y_stride};
    } else {
      walk.axes[walk.rank++] = axis;
    }
  }
  if (walk.rank == 0) walk.axes[walk.rank++] = {1, 1, 1};
  return walk;
}

// ---- one wide element per thread ----

template <int Bytes>
struct alignas(Bytes) Unit {
  unsigned char bytes[Bytes];
};

// Moves along the walk's axes from `element`, the number of an element in row-major order.
__device__ __forceinline__ void locate(const Walk& walk, int rank, std::int64_t element,
                                       std::int64_t& x_at, std::int64_t& y_at) {
#pragma unroll
  for (int k = kMaxAxes - 1; k >= 0; --k) {
    if (k >= rank) continue;
    const std::int64_t rest = k == 0 ? 0 : divide(element, walk.axes[k].extent);
    const std::int64_t position = element - rest * walk.axes[k].extent;
    x_at += position * walk.axes[k].x_stride;
    y_at += position * walk.axes[k].y_stride;
    element = rest;
  }
}

template <int Bytes>
__global__ void __launch_bounds__(kThreads)
    strided_copy_kernel(const unsigned char* x, unsigned char* y, Walk walk, std::int64_t count) {
  const std::int64_t element = global_thread();
  if (element >= count) return;
  std::int64_t x_at = 0, y_at = 0;
  locate(walk, walk.rank, element, x_at, y_at);
  Unit<Bytes> unit;
  load_bytes<Bytes>(&unit, x + x_at * Bytes);
  store_bytes<Bytes>(y + y_at * Bytes, &unit);
}

// ---- transposing tiles ----

constexpr int kTile = 32;
constexpr int kTileRows = 8;

// `a` is the axis along which x runs through memory, `b` that of y; `others` are the rest. A block
// reads a tile with neighbouring threads along `a` and writes it with neighbours along `b`.
template <int Bytes>
__global__ void __launch_bounds__(kTile* kTileRows)
    strided_copy_kernel_transposed(const unsigned char* x, unsigned char* y, Axis a, Axis b,
                                   Walk others, std::int64_t tiles_a, std::int64_t tiles_b) {
  // One column more: threads that read down a column hit different banks.
  AKIMBO_SHARED_ARRAY(Unit<Bytes>, tile, kTile * (kTile + 1));
  const std::int64_t rest = divide(blockIdx.x, tiles_a);
  const std::int64_t outer = divide(rest, tiles_b);
  const std::int64_t first_a = (blockIdx.x - rest * tiles_a) * kTile;
  const std::int64_t first_b = (rest - outer * tiles_b) * kTile;
  std::int64_t x_at = 0, y_at = 0;
  locate(others, others.rank, outer, x_at, y_at);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  for (int row = ty; row < kTile; row += kTileRows) {
    const std::int64_t i = first_a + tx, j = first_b + row;
    if (i < a.extent && j < b.extent) {
      load_bytes<Bytes>(&tile[row * (kTile + 1) + tx],
                        x + (x_at + i * a.x_stride + j * b.x_stride) * Bytes);
    }
  }
  sync_block();
  for (int row = ty; row < kTile; row += kTileRows) {
    const std::int64_t i = first_a + row, j = first_b + tx;
    if (i < a.extent && j < b.extent) {
      store_bytes<Bytes>(y + (y_at + i * a.y_stride + j * b.y_stride) * Bytes,
                         &tile[tx * (kTile + 1) + row]);
    }
  }
}

// f.template operator()<Bytes>().
template <typename F>
void visit_bytes(std::int64_t bytes, const F& f) {
  switch (bytes) {
    case 1: return f.template operator()<1>();
    case 2: return f.template operator()<2>();
    case 4: return f.template operator()<4>();
    case 8: return f.template operator()<8>();
    default: return f.template operator()<16>();
  }
}

// The most bytes, up to 16, that one access may move: a power of two of elements that divides the
// innermost extent, every other stride and both addresses, where both walks run through memory.
std::int64_t access_bytes(const Walk& walk, std::int64_t element_bytes, const void* x,
                          const void* y) {
  const Axis& last = walk.axes[walk.rank - 1];
  if (last.x_stride != 1 || last.y_stride != 1) return element_bytes;
  for (std::int64_t bytes = 16; bytes > element_bytes; bytes /= 2) {
    const std::int64_t n = bytes / element_bytes;
    bool fits = last.extent % n == 0 && is_aligned(x, 0, bytes) && is_aligned(y, 0, bytes);
    for (int k = 0; k + 1 < walk.rank; ++k) {
      fits = fits && walk.axes[k].x_stride % n == 0 && walk.axes[k].y_stride % n == 0;
    }
    if (fits) return bytes;
  }
  return element_bytes;
}

// The axis of stride 1, or -1.
int unit_axis(const Walk& walk, std::int64_t Axis::*stride) {
  for (int k = walk.rank - 1; k >= 0; --k) {
    if (walk.axes[k].*stride == 1) return k;
  }
  return -1;
}

void copy_transposed(const Exec& exec, const unsigned char* x, unsigned char* y, const Walk& walk,
                     int a, int b, std::int64_t bytes) {
  Walk others;
  for (int k = 0; k < walk.rank; ++k) {
    if (k != a && k != b) others.axes[others.rank++] = walk.axes[k];
  }
  const std::int64_t tiles_a = blocks_for(walk.axes[a].extent, kTile);
  const std::int64_t tiles_b = blocks_for(walk.axes[b].extent, kTile);
  visit_bytes(bytes, [&]<int Bytes>() {
    launch(exec, "strided_copy",
           {.grid = {tiles_a * tiles_b * others.numel()}, .block = {kTile, kTileRows}},
           strided_copy_kernel_transposed<Bytes>, x, y, walk.axes[a], walk.axes[b], others, tiles_a,
           tiles_b);
  });
}

void copy_units(const Exec& exec, const unsigned char* x, unsigned char* y, Walk walk,
                std::int64_t element_bytes) {
  const std::int64_t bytes = access_bytes(walk, element_bytes, x, y);
  const std::int64_t n = bytes / element_bytes;
  if (n > 1) {
    for (int k = 0; k + 1 < walk.rank; ++k) {
      walk.axes[k].x_stride /= n;
      walk.axes[k].y_stride /= n;
    }
    walk.axes[walk.rank - 1].extent /= n;
  }
  const std::int64_t count = walk.numel();
  visit_bytes(bytes, [&]<int Bytes>() {
    launch(exec, "strided_copy", {.grid = {blocks_for(count, kThreads)}, .block = {kThreads}},
           strided_copy_kernel<Bytes>, x, y, walk, count);
  });
}

// ---- fill ----

template <typename T, int V>
__global__ void __launch_bounds__(kThreads) fill_kernel(T value, std::int64_t count, T* y) {
  const std::int64_t first = global_thread() * V;
  if (first + V <= count) {
    Vector<T, V> values;
#pragma unroll
    for (int i = 0; i < V; ++i) values[i] = value;
    store_vector(y + first, values);
  } else {
    for (std::int64_t i = first; i < count; ++i) y[i] = value;
  }
}

// ---- choosing along an axis ----

// y[o,b,i] = x[o,index[b],i]; `inner` in units of Bytes.
template <int Bytes>
__global__ void __launch_bounds__(kThreads)
    index_select_forward_kernel(const unsigned char* x, const std::int64_t* index,
                                std::int64_t axis, std::int64_t chosen, std::int64_t inner,
                                std::int64_t count, unsigned char* y) {
  const std::int64_t element = global_thread();
  if (element >= count) return;
  const std::int64_t row = divide(element, inner);
  const std::int64_t o = divide(row, chosen);
  const std::int64_t from = (o * axis + index[row - o * chosen]) * inner + (element - row * inner);
  Unit<Bytes> unit;
  load_bytes<Bytes>(&unit, x + from * Bytes);
  store_bytes<Bytes>(y + element * Bytes, &unit);
}

// Gathers: each element of grad_x looks for itself among the choices, in their order. The choices
// are few (a permutation of channels), and all threads of a warp read the same one.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    index_select_input_grad_kernel(const T* grad_y, const std::int64_t* index, std::int64_t axis,
                                   std::int64_t chosen, std::int64_t inner, std::int64_t count,
                                   T* grad_x) {
  const std::int64_t element = global_thread();
  if (element >= count) return;
  const std::int64_t row = divide(element, inner);
  const std::int64_t i = element - row * inner;
  const std::int64_t o = divide(row, axis);
  const std::int64_t a = row - o * axis;
  Compute<T> sum = 0;
  for (std::int64_t b = 0; b < chosen; ++b) {
    if (index[b] == a) sum += to_float(grad_y[(o * chosen + b) * inner + i]);
  }
  grad_x[element] = from_float<T>(sum);
}

}  // namespace

// Transposing tiles where both walks have an axis of stride 1, these differ, and both are long
// enough for a tile to be mostly full; else one access per thread along y.
void strided_copy(const Exec& exec, ConstView x, const StridedWalk& walk_x, const Shape& extents,
                  View y, const StridedWalk& walk_y) {
  if (extents.numel() == 0) return;
  const auto bytes = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  const Walk walk = joined(walk_x, extents, walk_y);
  const auto* from = static_cast<const unsigned char*>(x.pointer) + walk_x.offset * bytes;
  auto* to = static_cast<unsigned char*>(y.pointer) + walk_y.offset * bytes;
  const int a = unit_axis(walk, &Axis::x_stride), b = unit_axis(walk, &Axis::y_stride);
  const bool transposed =
      a >= 0 && b >= 0 && a != b && walk.axes[a].extent >= 8 && walk.axes[b].extent >= 8;
  if (transposed) return copy_transposed(exec, from, to, walk, a, b, bytes);
  copy_units(exec, from, to, walk, bytes);
}

void fill_forward(const Exec& exec, double value, View y) {
  visit_dtype(y.dtype, [&]<typename T>() {
    T element;
    if constexpr (std::is_arithmetic_v<T>) {
      element = static_cast<T>(value);
    } else {
      element = T(static_cast<float>(value));
    }
    const auto run = [&]<int V>() {
      launch(exec, "fill",
             {.grid = {blocks_for(blocks_for(y.numel(), V), kThreads)}, .block = {kThreads}},
             fill_kernel<T, V>, element, y.numel(), y.data<T>());
    };
    if (is_aligned(y.pointer)) return run.template operator()<kVectorSize<T>>();
    run.template operator()<1>();
  });
}

void index_select_forward(const Exec& exec, ConstView x, ConstView index, View y) {
  if (y.numel() == 0) return;
  const auto element_bytes = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  std::int64_t bytes = 16;
  while (bytes > element_bytes && !(is_aligned(x.pointer, y.dim(2) * element_bytes, bytes) &&
                                    is_aligned(y.pointer, 0, bytes))) {
    bytes /= 2;
  }
  const std::int64_t inner = y.dim(2) * element_bytes / bytes;
  const std::int64_t count = y.dim(0) * y.dim(1) * inner;
  visit_bytes(bytes, [&]<int Bytes>() {
    launch(exec, "index_select_forward",
           {.grid = {blocks_for(count, kThreads)}, .block = {kThreads}},
           index_select_forward_kernel<Bytes>, static_cast<const unsigned char*>(x.pointer),
           index.data<std::int64_t>(), x.dim(1), y.dim(1), inner, count,
           static_cast<unsigned char*>(y.pointer));
  });
}

void index_select_input_grad(const Exec& exec, ConstView grad_y, ConstView index, View grad_x) {
  if (grad_x.numel() == 0) return;
  visit_any_floating(grad_x.dtype, [&]<typename T>() {
    launch(exec, "index_select_input_grad",
           {.grid = {blocks_for(grad_x.numel(), kThreads)}, .block = {kThreads}},
           index_select_input_grad_kernel<T>, grad_y.data<T>(), index.data<std::int64_t>(),
           grad_x.dim(1), grad_y.dim(1), grad_x.dim(2), grad_x.numel(), grad_x.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda
