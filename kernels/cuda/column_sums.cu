// Column sums: one block per run of rows and some columns; no atomics, so the order is fixed.
#include "kernels/cuda/column_sums.h"

#include <algorithm>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::cuda {
namespace {

using device::Compute;

constexpr int kThreads = 256;
// Runs that the first step of a total makes: a few blocks per multiprocessor, and few enough for
// the second step. Fixed, so that results do not depend on the device.
constexpr std::int64_t kMaxParts = 512;
constexpr std::int64_t kMinRunRows = 64;

// A block's threads are `lanes` x `pieces`: pieces of kCount columns beside each other, lanes down
// the run's rows. Thread t's piece is t % pieces; threads beyond lanes * pieces only meet barriers.
template <typename In, typename Out, int kCount, bool kSquares>
__global__ __launch_bounds__(kThreads) void column_sums_kernel(const In* x, std::int64_t rows,
                                                               std::int64_t columns, int pieces,
                                                               std::int64_t run_rows, Out* sums) {
  using Sum = Compute<In>;
  constexpr int kKinds = kSquares ? 2 : 1;
  AKIMBO_SHARED_ARRAY(Sum, shared, kThreads * kCount * kKinds);
  const int thread = device::thread_in_block();
  const int lanes = kThreads / pieces, lane = thread / pieces;
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * pieces + thread % pieces) * kCount;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * run_rows;
  const std::int64_t end = std::min(rows, begin + run_rows);
  Sum sum[kKinds][kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
#pragma unroll
    for (int kind = 0; kind < kKinds; ++kind) sum[kind][i] = 0;
  }
  if (lane < lanes && column < columns) {
    for (std::int64_t row = begin + lane; row < end; row += lanes) {
      const auto values = device::load_vector<kCount>(x + row * columns + column);
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const Sum value = device::to_float(values[i]);
        sum[0][i] += value;
        if constexpr (kSquares) sum[1][i] += value * value;
      }
    }
  }
#pragma unroll
  for (int kind = 0; kind < kKinds; ++kind) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) shared[(thread * kKinds + kind) * kCount + i] = sum[kind][i];
  }
  device::sync_block();
  const int per_lane = pieces * kKinds * kCount;
  for (int i = thread; i < per_lane; i += kThreads) {
    const int piece = i / (kKinds * kCount), kind = i / kCount % kKinds, c = i % kCount;
    const std::int64_t at = (static_cast<std::int64_t>(blockIdx.y) * pieces + piece) * kCount + c;
    if (at >= columns) continue;
    Sum total = 0;
    for (int l = 0; l < lanes; ++l) total += shared[l * per_lane + i];
    sums[(static_cast<std::int64_t>(blockIdx.x) * kKinds + kind) * columns + at] =
        device::from_float<Out>(static_cast<Compute<Out>>(total));
  }
}

template <typename In, typename Out, int kCount, bool kSquares>
void launch_sums(const Exec& exec, ConstView x, View sums) {
  const std::int64_t columns = x.dim(1), rows = x.dim(0), parts = sums.dim(0);
  const int pieces = static_cast<int>(std::min<std::int64_t>(columns / kCount, 32));
  const std::int64_t run_rows = device::blocks_for(rows, parts);
  device::launch(
      exec, "column_sums_kernel",
      {.grid = {parts, device::blocks_for(columns / kCount, pieces)}, .block = {kThreads}},
      column_sums_kernel<In, Out, kCount, kSquares>, x.data<In>(), rows, columns, pieces, run_rows,
      sums.data<Out>());
}

// Squares go to f32 or f64 only.
template <typename In, typename Out, bool kSquares>
void choose_width(const Exec& exec, ConstView x, View sums) {
  constexpr int kCount = device::kVectorSize<In>;
  if (device::is_aligned(x.pointer, x.dim(1) * static_cast<std::int64_t>(sizeof(In)))) {
    launch_sums<In, Out, kCount, kSquares>(exec, x, sums);
  } else {
    launch_sums<In, Out, 1, kSquares>(exec, x, sums);
  }
}

}  // namespace

void column_sums(const Exec& exec, ConstView x, View sums) {
  if (sums.numel() == 0) return;
  visit_any_floating(x.dtype, [&]<typename In>() {
    if (sums.dtype == x.dtype) {
      choose_width<In, In, false>(exec, x, sums);
    } else if (sums.dtype == DType::f32) {
      choose_width<In, float, false>(exec, x, sums);
    } else if (sums.dtype == DType::bf16) {
      choose_width<In, BFloat16, false>(exec, x, sums);
    } else {
      choose_width<In, Float16, false>(exec, x, sums);
    }
  });
}

void column_sums_and_squares(const Exec& exec, ConstView x, View sums) {
  if (sums.numel() == 0) return;
  visit_any_floating(x.dtype,
                     [&]<typename T>() { choose_width<T, Compute<T>, true>(exec, x, sums); });
}

void total_column_sums(const Exec& exec, ConstView x, View sums) {
  const std::int64_t columns = x.dim(1);
  const std::int64_t parts = std::clamp<std::int64_t>(x.dim(0) / kMinRunRows, 1, kMaxParts);
  const View total{sums.pointer, sums.dtype, {1, columns}};
  if (parts == 1) return column_sums(exec, x, total);
  visit_any_floating(x.dtype, [&]<typename T>() {
    using Sum = Compute<T>;
    const Scratch<Sum> scratch(exec, static_cast<std::size_t>(parts * columns));
    const View partial{scratch.data(), DTypeOf<Sum>::value, {parts, columns}};
    choose_width<T, Sum, false>(exec, x, partial);
    column_sums(exec, partial, total);
  });
}

}  // namespace akimbo::kernels::cuda
