// Reductions on CUDA over the middle axis of x [O, M, I]. Every thread accumulates in a fixed
// stride, threads and blocks are combined in trees whose shape depends on the problem only. Four
// ways to share the work; `reduce` below has the rule.
#include "kernels/reduce.h"

#include <cmath>
#include <type_traits>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/divide.cuh"
#include "kernels/cuda/row_tiles.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;

// ---- what is reduced: a state takes elements one by one, and other states ----

// Sums in f32 over runs of 16, in double beyond (f64 throughout for f64).
template <typename T>
struct SumState {
  using C = Compute<T>;
  double total = 0;
  C run = 0;
  int length = 0;

  __device__ __forceinline__ void add(C value, std::int64_t) {
    run += value;
    if (++length == 16) close();
  }
  __device__ __forceinline__ void close() {
    total += static_cast<double>(run);
    run = 0;
    length = 0;
  }
  __device__ __forceinline__ void join(const SumState& other) { total += other.total; }
  __device__ __forceinline__ SumState of_lane_xor(int mask) const {
    return {shuffle_xor(total, mask), 0, 0};
  }
};

// The largest element and its first index; a NaN is larger than any number.
template <typename T>
struct MaxState {
  using C = Compute<T>;
  C value = 0;
  std::int64_t index = -1;  // -1: no element yet

  __device__ __forceinline__ void add(C next, std::int64_t m) { join({next, m}); }
  __device__ __forceinline__ void close() {}
  __device__ __forceinline__ void join(const MaxState& other) {
    if (other.index < 0) return;
    const bool equal = value == other.value || (std::isnan(value) && std::isnan(other.value));
    const bool larger = other.value > value || (std::isnan(other.value) && !std::isnan(value));
    if (index < 0 || larger || (equal && other.index < index)) *this = other;
  }
  __device__ __forceinline__ MaxState of_lane_xor(int mask) const {
    return {shuffle_xor(value, mask), shuffle_xor(index, mask)};
  }
};

// All lanes of the warp get the same result.
template <typename State>
__device__ __forceinline__ void join_warp(State& state) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) state.join(state.of_lane_xor(mask));
}

// ---- I = 1: rows of M neighbours ----

// states [rows]: each warp reduces a row.
template <typename T, typename State>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel_warp_per_row(const T* x, std::int64_t rows, std::int64_t length, State* states) {
  const std::int64_t row = global_thread() / kWarpSize;
  const int lane = lane_index();
  State state;
  if (row < rows) {
    for (std::int64_t m = lane; m < length; m += kWarpSize) {
      state.add(to_float(x[row * length + m]), m);
    }
  }
  state.close();
  join_warp(state);
  if (row < rows && lane == 0) states[row] = state;
}

// states [rows, chunks]: each block reduces a chunk of a row, V elements per access.
template <typename T, int V, typename State>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel_block_per_chunk(const T* x, std::int64_t length, std::int64_t chunk_length,
                                  std::int64_t chunks, State* states) {
  AKIMBO_SHARED_ARRAY(State, shared, kThreads / kWarpSize);
  const std::int64_t row = divide(blockIdx.x, chunks);
  const std::int64_t first = (blockIdx.x - row * chunks) * chunk_length;
  const std::int64_t end = first + chunk_length < length ? first + chunk_length : length;
  State state;
#pragma unroll 4
  for (std::int64_t m = first + threadIdx.x * V; m < end; m += kThreads * V) {
    const auto values = load_vector<V>(x + row * length + m);
#pragma unroll
    for (int i = 0; i < V; ++i) state.add(to_float(values[i]), m + i);
  }
  state.close();
  join_warp(state);
  if (lane_index() == 0) shared[warp_index()] = state;
  sync_block();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kThreads / kWarpSize; ++warp) state.join(shared[warp]);
  states[blockIdx.x] = state;
}

// ---- I > 1: columns ----

// states [O, I]: each thread reduces one output.
template <typename T, typename State>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel_thread_per_output(const T* x, std::int64_t outer, std::int64_t middle,
                                    std::int64_t inner, State* states) {
  const std::int64_t output = global_thread();
  if (output >= outer * inner) return;
  const std::int64_t o = divide(output, inner);
  const T* from = x + o * middle * inner + (output - o * inner);
  State state;
#pragma unroll 4
  for (std::int64_t m = 0; m < middle; ++m) state.add(to_float(from[m * inner]), m);
  state.close();
  states[output] = state;
}

// states [O, chunks, I]: each block reduces a chunk of the rows of one o, for a range of columns.
template <typename T, int V, typename State>
__global__ void __launch_bounds__(kRowThreads)
    reduce_kernel_tiled(const T* x, RowTiles tiles, State* states) {
  AKIMBO_SHARED_ARRAY(State, shared, V * kRowThreads);
  const std::int64_t blocks = tiles.channel_blocks * tiles.num_chunks;
  const std::int64_t o = divide(blockIdx.x, blocks);
  const RowPlace at = row_place(tiles, V, blockIdx.x - o * blocks);
  const T* from = x + o * tiles.rows * tiles.channels + at.channel;
  State column[V];
#pragma unroll 2
  for (std::int64_t row = at.row; row < at.row_end; row += tiles.height) {
    const auto values = load_vector<V>(from + row * tiles.channels);
#pragma unroll
    for (int i = 0; i < V; ++i) column[i].add(to_float(values[i]), row);
  }
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < V; ++i) {
    column[i].close();
    shared[i * kRowThreads + thread] = column[i];
  }
  sync_block();
  for (int left = tiles.height; left > 1;) {
    const int half = (left + 1) / 2;
    if (at.y + half < left) {
      for (int i = 0; i < V; ++i) {
        column[i].join(shared[i * kRowThreads + thread + half * tiles.width]);
        shared[i * kRowThreads + thread] = column[i];
      }
    }
    left = half;
    sync_block();
  }
  if (!at.active || at.y != 0) return;
  State* to = states + (o * tiles.num_chunks + at.chunk) * tiles.channels + at.channel;
#pragma unroll
  for (int i = 0; i < V; ++i) to[i] = column[i];
}

// ---- the chunks' states to outputs ----

template <typename T>
struct SumOutput {
  double factor;
  T* y;
  __device__ __forceinline__ void write(std::int64_t output, const SumState<T>& state) const {
    y[output] = from_float<T>(static_cast<Compute<T>>(factor * state.total));
  }
};

template <typename T>
struct MaxOutput {
  T* y;
  std::int64_t* index;  // or null
  __device__ __forceinline__ void write(std::int64_t output, const MaxState<T>& state) const {
    y[output] = from_float<T>(state.value);
    if (index != nullptr) index[output] = state.index;
  }
};

// states [O, chunks, I], a warp per output.
template <typename State, typename Output>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel_finish(const State* states, std::int64_t outputs, std::int64_t chunks,
                         std::int64_t inner, Output out) {
  const std::int64_t output = global_thread() / kWarpSize;
  State state;
  if (output < outputs) {
    const std::int64_t o = divide(output, inner);
    const State* from = states + o * chunks * inner + (output - o * inner);
    for (std::int64_t chunk = lane_index(); chunk < chunks; chunk += kWarpSize) {
      state.join(from[chunk * inner]);
    }
  }
  join_warp(state);
  if (output < outputs && lane_index() == 0) out.write(output, state);
}

// The same with one chunk: a thread per output.
template <typename State, typename Output>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel_write(const State* states, std::int64_t outputs, Output out) {
  const std::int64_t output = global_thread();
  if (output < outputs) out.write(output, states[output]);
}

template <typename State, typename Output>
void finish(const Exec& exec, const char* name, const State* states, std::int64_t outputs,
            std::int64_t chunks, std::int64_t inner, const Output& out) {
  if (chunks == 1) {
    launch(exec, name, {.grid = {blocks_for(outputs, kThreads)}, .block = {kThreads}},
           reduce_kernel_write<State, Output>, states, outputs, out);
    return;
  }
  launch(exec, name, {.grid = {blocks_for(outputs * kWarpSize, kThreads)}, .block = {kThreads}},
         reduce_kernel_finish<State, Output>, states, outputs, chunks, inner, out);
}

// ---- the rule ----
//   I = 1, M <= 1024     a warp per row: a block would idle;
//   I = 1                blocks over chunks of rows, some 1024 of them: a few long rows fill the
//                        device too;
//   M <= 64 or O I >= 2^16   a thread per output: enough of them, or little to share;
//   else                 tiles of rows and columns, chunks of rows in several blocks.
template <typename T, template <typename> typename StateOf, typename Output>
void reduce(const Exec& exec, const char* name, ConstView x, const Output& out) {
  using State = StateOf<T>;
  const std::int64_t outer = x.dim(0), middle = x.dim(1), inner = x.dim(2);
  const std::int64_t outputs = outer * inner;
  const T* from = x.data<T>();
  std::int64_t chunks = 1;
  constexpr int kVector = kVectorSize<T>;
  const auto states_of = [&](std::int64_t count) {
    return Scratch<State>(exec, static_cast<std::size_t>(count * outputs));
  };
  if (inner == 1 && middle <= 1024) {
    const auto states = states_of(1);
    launch(exec, name, {.grid = {blocks_for(outer * kWarpSize, kThreads)}, .block = {kThreads}},
           reduce_kernel_warp_per_row<T, State>, from, outer, middle, states.data());
    finish(exec, name, states.data(), outputs, 1, inner, out);
  } else if (inner == 1) {
    const bool vectors = is_aligned(from, middle * static_cast<std::int64_t>(sizeof(T)));
    const std::int64_t step = kThreads * kVector;
    chunks =
        std::max<std::int64_t>(1, std::min(blocks_for(1024, outer), blocks_for(middle, 4 * step)));
    const std::int64_t length = blocks_for(blocks_for(middle, chunks), step) * step;
    chunks = blocks_for(middle, length);
    const auto states = states_of(chunks);
    auto* kernel = vectors ? reduce_kernel_block_per_chunk<T, kVector, State>
                           : reduce_kernel_block_per_chunk<T, 1, State>;
    launch(exec, name, {.grid = {outer * chunks}, .block = {kThreads}}, kernel, from, middle,
           length, chunks, states.data());
    finish(exec, name, states.data(), outputs, chunks, inner, out);
  } else if (middle <= 64 || outputs >= (1 << 16)) {
    const auto states = states_of(1);
    launch(exec, name, {.grid = {blocks_for(outputs, kThreads)}, .block = {kThreads}},
           reduce_kernel_thread_per_output<T, State>, from, outer, middle, inner, states.data());
    finish(exec, name, states.data(), outputs, 1, inner, out);
  } else {
    const bool vectors = can_use_vectors<T>({from}, {}, inner);
    const RowTiles tiles =
        row_tiles(middle, inner, vectors ? kVector : 1, {.max_blocks = blocks_for(1024, outer)});
    const auto states = states_of(tiles.num_chunks);
    auto* kernel =
        vectors ? reduce_kernel_tiled<T, kVector, State> : reduce_kernel_tiled<T, 1, State>;
    launch(exec, name,
           {.grid = {outer * tiles.channel_blocks * tiles.num_chunks}, .block = {kRowThreads}},
           kernel, from, tiles, states.data());
    finish(exec, name, states.data(), outputs, tiles.num_chunks, inner, out);
  }
}

// ---- gradients: grad_x [O, M, I] from [O, I] ----

template <typename T>
struct SumGrad {
  Compute<T> factor;
  const T* grad_y;
  __device__ __forceinline__ T operator()(std::int64_t output, std::int64_t) const {
    return from_float<T>(factor * to_float(grad_y[output]));
  }
};

template <typename T>
struct MaxGrad {
  const T* grad_y;
  const std::int64_t* index;
  __device__ __forceinline__ T operator()(std::int64_t output, std::int64_t m) const {
    return index[output] == m ? grad_y[output] : from_float<T>(Compute<T>(0));
  }
};

// V elements per thread whatever I is: only the first needs divisions, the others are counted on.
template <typename T, int V, typename Value>
__global__ void __launch_bounds__(kThreads)
    reduce_input_grad_kernel(Value value, std::int64_t count, std::int64_t middle,
                             std::int64_t inner, T* grad_x) {
  const std::int64_t first = global_thread() * V;
  if (first >= count) return;
  const std::int64_t row = divide(first, inner);
  std::int64_t i = first - row * inner;
  std::int64_t o = divide(row, middle);
  std::int64_t m = row - o * middle;
  Vector<T, V> values;
  const int num = count - first < V ? static_cast<int>(count - first) : V;
#pragma unroll
  for (int k = 0; k < V; ++k) {
    if (k < num) values[k] = value(o * inner + i, m);
    if (++i == inner) {
      i = 0;
      if (++m == middle) {
        m = 0;
        ++o;
      }
    }
  }
  if (num == V) {
    store_vector(grad_x + first, values);
  } else {
#pragma unroll
    for (int k = 0; k < V; ++k) {
      if (k < num) grad_x[first + k] = values[k];
    }
  }
}

template <typename T, typename Value>
void spread(const Exec& exec, const char* name, const Value& value, View grad_x) {
  const auto run = [&]<int V>() {
    launch(exec, name,
           {.grid = {blocks_for(blocks_for(grad_x.numel(), V), kThreads)}, .block = {kThreads}},
           reduce_input_grad_kernel<T, V, Value>, value, grad_x.numel(), grad_x.dim(1),
           grad_x.dim(2), grad_x.data<T>());
  };
  if (is_aligned(grad_x.pointer)) return run.template operator()<kVectorSize<T>>();
  run.template operator()<1>();
}

}  // namespace

void sum_forward(const Exec& exec, ConstView x, double factor, View y) {
  if (y.numel() == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    reduce<T, SumState>(exec, "sum_forward", x, SumOutput<T>{factor, y.data<T>()});
  });
}

void sum_input_grad(const Exec& exec, ConstView grad_y, double factor, View grad_x) {
  if (grad_x.numel() == 0) return;
  visit_any_floating(grad_x.dtype, [&]<typename T>() {
    spread<T>(exec, "sum_input_grad", SumGrad<T>{static_cast<Compute<T>>(factor), grad_y.data<T>()},
              grad_x);
  });
}

void max_forward(const Exec& exec, ConstView x, View y, View index) {
  if (y.numel() == 0) return;
  visit_any_floating(x.dtype, [&]<typename T>() {
    reduce<T, MaxState>(exec, "max_forward", x,
                        MaxOutput<T>{y.data<T>(), index.data<std::int64_t>()});
  });
}

void max_input_grad(const Exec& exec, ConstView grad_y, ConstView index, View grad_x) {
  if (grad_x.numel() == 0) return;
  visit_any_floating(grad_x.dtype, [&]<typename T>() {
    spread<T>(exec, "max_input_grad", MaxGrad<T>{grad_y.data<T>(), index.data<std::int64_t>()},
              grad_x);
  });
}

}  // namespace akimbo::kernels::cuda
