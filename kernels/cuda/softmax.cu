// Softmax over the last axis.
//
// Rows are short in pose networks (17 classes, 384 bins): a row is kept in the registers of 4 to 32
// lanes, read once and written once. Rows of up to 32 elements get as many lanes as the next power
// of two, so that neighbouring rows fill the warp; up to kHeld<V> accesses per lane a whole warp,
// with 16-byte accesses where rows are aligned to them; longer ones a block that reads the row
// twice.
#include "kernels/softmax.h"

#include "kernels/cuda/arithmetic.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;
// Accesses per lane of V elements: registers for at most 32 elements, twice that in the gradient.
template <int V>
inline constexpr int kHeld = V == 1 ? 8 : 32 / V;

enum class Mode { softmax, log_softmax };

// Over the `lanes` (a power of two) neighbouring lanes that hold a row.
template <typename A>
__device__ __forceinline__ A group_sum(A value, int lanes) {
  for (int mask = lanes / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}
template <typename A>
__device__ __forceinline__ A group_max(A value, int lanes) {
  for (int mask = lanes / 2; mask > 0; mask /= 2) value = max_of(value, shuffle_xor(value, mask));
  return value;
}

__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }

// Row `row` of a group of lanes; Held accesses of V elements per lane, `lanes` accesses apart.
template <typename T, int V, int Held>
struct RowRegisters {
  using A = Compute<T>;
  A values[Held][V];

  __device__ __forceinline__ void load(const T* row, int columns, int lane, int lanes, A filler) {
#pragma unroll
    for (int h = 0; h < Held; ++h) {
      const int column = (lane + h * lanes) * V;
      if (column < columns) {
        const Vector<T, V> loaded = load_vector<V>(row + column);
        for (int v = 0; v < V; ++v) values[h][v] = to_float(loaded[v]);
      } else {
        for (int v = 0; v < V; ++v) values[h][v] = filler;
      }
    }
  }
  __device__ __forceinline__ void store(T* row, int columns, int lane, int lanes) const {
#pragma unroll
    for (int h = 0; h < Held; ++h) {
      const int column = (lane + h * lanes) * V;
      if (column >= columns) continue;
      Vector<T, V> out;
      for (int v = 0; v < V; ++v) out[v] = from_float<T>(values[h][v]);
      store_vector(row + column, out);
    }
  }
};

// The row that a group of `lanes` lanes works on.
__device__ __forceinline__ std::int64_t group_row(int lanes) { return global_thread() / lanes; }

template <typename T, int V, int Held, Mode M>
__global__ void __launch_bounds__(kThreads)
    softmax_forward_kernel(const T* __restrict__ x, std::int64_t rows, int columns, int lanes,
                           T* __restrict__ y) {
  using A = Compute<T>;
  const std::int64_t row = group_row(lanes);
  const int lane = lane_index() % lanes;
  // Lanes of rows past the end take part in the exchanges, with nothing.
  const int count = row < rows ? columns : 0;
  RowRegisters<T, V, Held> r;
  r.load(x + row * columns, count, lane, lanes, minus_infinity<A>());
  A largest = minus_infinity<A>();
  for (int h = 0; h < Held; ++h) {
    for (int v = 0; v < V; ++v) largest = max_of(largest, r.values[h][v]);
  }
  largest = group_max(largest, lanes);
  A sum = 0;
  for (int h = 0; h < Held; ++h) {
    for (int v = 0; v < V; ++v) {
      const A difference = r.values[h][v] - largest;
      const A e = exp_of_difference(difference);
      sum += e;  // the filler, -inf, adds 0
      r.values[h][v] = M == Mode::softmax ? e : difference;
    }
  }
  sum = group_sum(sum, lanes);
  const A factor = M == Mode::softmax ? A(1) / sum : log_of(sum);
  for (int h = 0; h < Held; ++h) {
    for (int v = 0; v < V; ++v) {
      r.values[h][v] = M == Mode::softmax ? r.values[h][v] * factor : r.values[h][v] - factor;
    }
  }
  r.store(y + row * columns, count, lane, lanes);
}

template <typename T, int V, int Held, Mode M>
__global__ void __launch_bounds__(kThreads)
    softmax_input_grad_kernel(const T* __restrict__ y, const T* __restrict__ grad_y,
                              std::int64_t rows, int columns, int lanes, T* __restrict__ grad_x) {
  using A = Compute<T>;
  const std::int64_t row = group_row(lanes);
  const int lane = lane_index() % lanes;
  const int count = row < rows ? columns : 0;
  RowRegisters<T, V, Held> out, grad;
  out.load(y + row * columns, count, lane, lanes, A(0));
  grad.load(grad_y + row * columns, count, lane, lanes, A(0));
  A sum = 0;
  for (int h = 0; h < Held; ++h) {
    for (int v = 0; v < V; ++v) {
      sum += M == Mode::softmax ? out.values[h][v] * grad.values[h][v] : grad.values[h][v];
    }
  }
  sum = group_sum(sum, lanes);
  for (int h = 0; h < Held; ++h) {
    for (int v = 0; v < V; ++v) {
      const A p = out.values[h][v], g = grad.values[h][v];
      grad.values[h][v] = M == Mode::softmax ? p * (g - sum) : g - exp_of_difference(p) * sum;
    }
  }
  grad.store(grad_x + row * columns, count, lane, lanes);
}

// Sum and largest over a block of kThreads; all threads get the result.
template <typename A, typename F>
__device__ A block_reduce(A value, A* shared, const F& combine) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    value = combine(value, shuffle_xor(value, mask));
  }
  if (lane_index() == 0) shared[warp_index()] = value;
  sync_block();
  value = shared[0];
  for (int i = 1; i < kThreads / kWarpSize; ++i) value = combine(value, shared[i]);
  sync_block();
  return value;
}

template <typename T, Mode M>
__global__ void __launch_bounds__(kThreads)
    softmax_forward_kernel_block_per_row(const T* __restrict__ x, std::int64_t columns,
                                         T* __restrict__ y) {
  using A = Compute<T>;
  AKIMBO_SHARED_ARRAY(A, shared, kThreads / kWarpSize);
  const T* in = x + static_cast<std::int64_t>(blockIdx.x) * columns;
  T* out = y + static_cast<std::int64_t>(blockIdx.x) * columns;
  // One pass for the running maximum and sum of each thread. y may be x: it is written last.
  A largest = minus_infinity<A>(), sum = 0;
  for (std::int64_t c = threadIdx.x; c < columns; c += kThreads) {
    const A value = to_float(in[c]);
    if (value > largest) {
      sum *= sum == A(0) ? A(0) : exp_of_difference(largest - value);
      largest = value;
    }
    sum += value == minus_infinity<A>() ? A(0) : exp_of_difference(value - largest);
  }
  const A row_largest = block_reduce(largest, shared, [](A a, A b) { return max_of(a, b); });
  sum *= sum == A(0) ? A(0) : exp_of_difference(largest - row_largest);
  sum = block_reduce(sum, shared, [](A a, A b) { return a + b; });
  const A factor = M == Mode::softmax ? A(1) / sum : log_of(sum);
  for (std::int64_t c = threadIdx.x; c < columns; c += kThreads) {
    const A difference = to_float(in[c]) - row_largest;
    out[c] = from_float<T>(M == Mode::softmax ? exp_of_difference(difference) * factor
                                              : difference - factor);
  }
}

template <typename T, Mode M>
__global__ void __launch_bounds__(kThreads)
    softmax_input_grad_kernel_block_per_row(const T* __restrict__ y, const T* __restrict__ grad_y,
                                            std::int64_t columns, T* __restrict__ grad_x) {
  using A = Compute<T>;
  AKIMBO_SHARED_ARRAY(A, shared, kThreads / kWarpSize);
  const std::int64_t start = static_cast<std::int64_t>(blockIdx.x) * columns;
  A sum = 0;
  for (std::int64_t c = threadIdx.x; c < columns; c += kThreads) {
    const A g = to_float(grad_y[start + c]);
    sum += M == Mode::softmax ? to_float(y[start + c]) * g : g;
  }
  sum = block_reduce(sum, shared, [](A a, A b) { return a + b; });
  for (std::int64_t c = threadIdx.x; c < columns; c += kThreads) {
    const A p = to_float(y[start + c]), g = to_float(grad_y[start + c]);
    grad_x[start + c] =
        from_float<T>(M == Mode::softmax ? p * (g - sum) : g - exp_of_difference(p) * sum);
  }
}

// How a row is spread: see the top of the file.
struct RowShape {
  int lanes;
  std::int64_t accesses;  // per lane
};

RowShape row_shape(std::int64_t columns, int vector) {
  const std::int64_t accesses = columns / vector;
  int lanes = 4;
  while (lanes < kWarpSize && lanes < accesses) lanes *= 2;
  return {lanes, (accesses + lanes - 1) / lanes};
}

// Calls run.operator()<V, Held>(lanes), or run_long() for rows that registers do not hold.
template <typename T, typename F, typename G>
void visit_row_shape(std::int64_t columns, bool aligned, const F& run, const G& run_long) {
  constexpr int kV = std::is_same_v<T, double> ? 1 : kVectorSize<T>;  // f64 is for checks
  const bool vectors = aligned && columns % kV == 0 && columns > kWarpSize;
  const auto [lanes, accesses] = row_shape(columns, vectors ? kV : 1);
  if (accesses > (vectors ? kHeld<kV> : kHeld<1>)) return run_long();
  const auto with_vector = [&]<int V>() {
    if (accesses <= 1) return run.template operator()<V, 1>(lanes);
    if (accesses <= 2) return run.template operator()<V, 2>(lanes);
    if (accesses <= 4 || kHeld<V> <= 4) return run.template operator()<V, 4>(lanes);
    return run.template operator()<V, kHeld<V>>(lanes);
  };
  vectors ? with_vector.template operator()<kV>() : with_vector.template operator()<1>();
}

template <Mode M>
void forward(const Exec& exec, ConstView x, View y) {
  const std::int64_t rows = x.dim(0), columns = x.dim(1);
  if (x.numel() == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    visit_row_shape<T>(
        columns, is_aligned(x.pointer) && is_aligned(y.pointer),
        [&]<int V, int Held>(int lanes) {
          launch(exec, "softmax_forward",
                 {.grid = {blocks_for(rows * lanes, kThreads)}, .block = {kThreads}},
                 softmax_forward_kernel<T, V, Held, M>, x.data<T>(), rows,
                 static_cast<int>(columns), lanes, y.data<T>());
        },
        [&] {
          launch(exec, "softmax_forward_block_per_row", {.grid = {rows}, .block = {kThreads}},
                 softmax_forward_kernel_block_per_row<T, M>, x.data<T>(), columns, y.data<T>());
        });
  });
}

template <Mode M>
void input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  const std::int64_t rows = y.dim(0), columns = y.dim(1);
  if (y.numel() == 0) return;
  visit_any_floating(y.dtype, [&]<typename T>() {
    visit_row_shape<T>(
        columns, is_aligned(y.pointer) && is_aligned(grad_y.pointer) && is_aligned(grad_x.pointer),
        [&]<int V, int Held>(int lanes) {
          launch(exec, "softmax_input_grad",
                 {.grid = {blocks_for(rows * lanes, kThreads)}, .block = {kThreads}},
                 softmax_input_grad_kernel<T, V, Held, M>, y.data<T>(), grad_y.data<T>(), rows,
                 static_cast<int>(columns), lanes, grad_x.data<T>());
        },
        [&] {
          launch(exec, "softmax_input_grad_block_per_row", {.grid = {rows}, .block = {kThreads}},
                 softmax_input_grad_kernel_block_per_row<T, M>, y.data<T>(), grad_y.data<T>(),
                 columns, grad_x.data<T>());
        });
  });
}

}  // namespace

void softmax_forward(const Exec& exec, ConstView x, View y) { forward<Mode::softmax>(exec, x, y); }
void log_softmax_forward(const Exec& exec, ConstView x, View y) {
  forward<Mode::log_softmax>(exec, x, y);
}
void softmax_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  input_grad<Mode::softmax>(exec, y, grad_y, grad_x);
}
void log_softmax_input_grad(const Exec& exec, ConstView y, ConstView grad_y, View grad_x) {
  input_grad<Mode::log_softmax>(exec, y, grad_y, grad_x);
}

}  // namespace akimbo::kernels::cuda
