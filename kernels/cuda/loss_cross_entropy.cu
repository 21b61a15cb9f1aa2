// Cross-entropy over rows of logits: a warp per row, a running maximum and sum per lane.
#include "kernels/cuda/arithmetic.cuh"
#include "kernels/loss.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kRowsPerWarp = 4;
constexpr int kRowsPerBlock = kWarps * kRowsPerWarp;

// The largest logit of a row and the sum of exp(logit - largest), in all lanes.
template <typename A>
struct LogSum {
  A largest, sum;
};

template <typename T>
__device__ __forceinline__ LogSum<Compute<T>> log_sum_of_row(const T* row, std::int64_t classes) {
  using A = Compute<T>;
  A largest = minus_infinity<A>(), sum = 0;
  for (std::int64_t c = lane_index(); c < classes; c += kWarpSize) {
    const A value = to_float(row[c]);
    if (value > largest) {
      sum *= sum == A(0) ? A(0) : exp_of_difference(largest - value);
      largest = value;
    }
    sum += value == minus_infinity<A>() ? A(0) : exp_of_difference(value - largest);
  }
  A all = largest;
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) all = max_of(all, shuffle_xor(all, mask));
  sum *= sum == A(0) ? A(0) : exp_of_difference(largest - all);
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
  return {all, sum};
}

// The index of this warp's i-th row.
__device__ __forceinline__ std::int64_t row_of_warp(int i) {
  return static_cast<std::int64_t>(blockIdx.x) * kRowsPerBlock + i * kWarps + warp_index();
}

// Of one value per warp, on thread 0; `parts` has kWarps places.
__device__ __forceinline__ double sum_of_warps(double value, double* parts) {
  if (lane_index() == 0) parts[warp_index()] = value;
  sync_block();
  double sum = 0;
  for (int i = 0; i < kWarps; ++i) sum += parts[i];
  sync_block();
  return sum;
}

// partial and counted [blocks]: the sum over the block's rows, and how many rows have a class.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_forward_kernel(const T* __restrict__ logits,
                                 const std::int64_t* __restrict__ index, std::int64_t rows,
                                 std::int64_t classes, std::int64_t ignore_index,
                                 double* __restrict__ partial, double* __restrict__ counted) {
  using A = Compute<T>;
  AKIMBO_SHARED_ARRAY(double, parts, kWarps);
  double sum = 0, count = 0;
  for (int i = 0; i < kRowsPerWarp; ++i) {
    const std::int64_t row = row_of_warp(i);
    if (row >= rows || index[row] == ignore_index) continue;
    const LogSum<A> s = log_sum_of_row(logits + row * classes, classes);
    const std::int64_t c = index[row];
    // A class that is none is not read: it makes the loss NaN.
    const A value = c >= 0 && c < classes ? to_float(logits[row * classes + c])
                                          : std::numeric_limits<A>::quiet_NaN();
    sum += log(static_cast<double>(s.sum)) + static_cast<double>(s.largest - value);
    count += 1;
  }
  sum = sum_of_warps(sum, parts);
  count = sum_of_warps(count, parts);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
    counted[blockIdx.x] = count;
  }
}

// One block: loss = sum of partial / max(1, sum of counted).
template <typename A>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_finish_kernel(const double* __restrict__ partial,
                                const double* __restrict__ counted, std::int64_t blocks,
                                A* __restrict__ loss) {
  AKIMBO_SHARED_ARRAY(double, parts, kWarps);
  double sum = 0, count = 0;
  for (std::int64_t i = threadIdx.x; i < blocks; i += kThreads) {
    sum += partial[i];
    count += counted[i];
  }
  for (int delta = kWarpSize / 2; delta > 0; delta /= 2) {
    sum += shuffle_down(sum, delta);
    count += shuffle_down(count, delta);
  }
  sum = sum_of_warps(sum, parts);
  count = sum_of_warps(count, parts);
  if (threadIdx.x == 0) *loss = static_cast<A>(sum / (count > 1 ? count : 1));
}

// One block: count = max(1, rows with a class).
__global__ void __launch_bounds__(kThreads)
    cross_entropy_count_kernel(const std::int64_t* __restrict__ index, std::int64_t rows,
                               std::int64_t ignore_index, double* __restrict__ count) {
  AKIMBO_SHARED_ARRAY(double, parts, kWarps);
  double mine = 0;
  for (std::int64_t i = threadIdx.x; i < rows; i += kThreads) mine += index[i] != ignore_index;
  for (int delta = kWarpSize / 2; delta > 0; delta /= 2) mine += shuffle_down(mine, delta);
  mine = sum_of_warps(mine, parts);
  if (threadIdx.x == 0) *count = mine > 1 ? mine : 1;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_input_grad_kernel(const T* __restrict__ logits,
                                    const std::int64_t* __restrict__ index, std::int64_t rows,
                                    std::int64_t classes, std::int64_t ignore_index,
                                    const double* __restrict__ count,
                                    const Compute<T>* __restrict__ grad_y,
                                    T* __restrict__ grad_logits) {
  using A = Compute<T>;
  const A scale = static_cast<A>(static_cast<double>(*grad_y) / *count);
  for (int i = 0; i < kRowsPerWarp; ++i) {
    const std::int64_t row = row_of_warp(i);
    if (row >= rows) continue;
    const T* values = logits + row * classes;
    T* out = grad_logits + row * classes;
    const bool ignored = index[row] == ignore_index;
    const LogSum<A> s = ignored ? LogSum<A>{A(0), A(1)} : log_sum_of_row(values, classes);
    const A factor = A(1) / s.sum;
    for (std::int64_t c = lane_index(); c < classes; c += kWarpSize) {
      const A p = ignored ? A(0) : exp_of_difference(to_float(values[c]) - s.largest) * factor;
      out[c] = from_float<T>(ignored ? A(0) : scale * (p - (c == index[row] ? A(1) : A(0))));
    }
  }
}

}  // namespace

void cross_entropy_forward(const Exec& exec, ConstView logits, ConstView index,
                           std::int64_t ignore_index, View loss) {
  const std::int64_t rows = logits.dim(0), blocks = blocks_for(rows, kRowsPerBlock);
  visit_any_floating(logits.dtype, [&]<typename T>() {
    const Scratch<double> partial(exec, static_cast<std::size_t>(2 * blocks + 1));
    double* const counted = partial.data() + blocks;
    launch(exec, "cross_entropy_forward", {.grid = {blocks}, .block = {kThreads}},
           cross_entropy_forward_kernel<T>, logits.data<T>(), index.data<std::int64_t>(), rows,
           logits.dim(1), ignore_index, partial.data(), counted);
    launch(exec, "cross_entropy_finish", {.block = {kThreads}},
           cross_entropy_finish_kernel<Compute<T>>, partial.data(), counted, blocks,
           loss.data<Compute<T>>());
  });
}

void cross_entropy_input_grad(const Exec& exec, ConstView logits, ConstView index,
                              std::int64_t ignore_index, ConstView grad_y, View grad_logits) {
  const std::int64_t rows = logits.dim(0);
  if (logits.numel() == 0) return;
  visit_any_floating(logits.dtype, [&]<typename T>() {
    const Scratch<double> count(exec, 1);
    launch(exec, "cross_entropy_count", {.block = {kThreads}}, cross_entropy_count_kernel,
           index.data<std::int64_t>(), rows, ignore_index, count.data());
    launch(exec, "cross_entropy_input_grad",
           {.grid = {blocks_for(rows, kRowsPerBlock)}, .block = {kThreads}},
           cross_entropy_input_grad_kernel<T>, logits.data<T>(), index.data<std::int64_t>(), rows,
           logits.dim(1), ignore_index, count.data(), grad_y.data<Compute<T>>(),
           grad_logits.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda
