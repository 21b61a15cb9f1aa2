// Updates of all parameters in one launch, and the few numbers around them. The arithmetic of an
// element is that of the CPU; memory is what counts: every operand is read and written once, 16
// bytes per access.
#include "kernels/optim.h"

#include <cmath>
#include <cstddef>
#include <limits>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/tensor_table.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// What every element of an item is multiplied with; worked out in double by one thread of a block,
// where the values may come from device memory.
template <typename T, int kCount>
struct SharedNumbers {
  T values[kCount];
  bool skip;
};

__device__ __forceinline__ double value_or(const double* pointer, double otherwise) {
  return pointer != nullptr ? *pointer : otherwise;
}

// ---- Adam ----

struct Bias {
  double bias1, bias2;
};
using AdamTable = TensorTable<5, Bias>;  // parameter, grad, mean, square, copy

// AdamParams without views, which device code cannot take apart.
struct AdamNumbers {
  double learning_rate, beta1, beta2, eps, weight_decay, grad_scale;
  bool decoupled;
  const double *step_values, *grad_factor;  // on the device, or null
};

enum AdamNumber { kScale, kStep, kRootBias2, kDecay, kKeep, kAdamNumbers };

template <typename T>
__device__ __forceinline__ void prepare_adam(const AdamNumbers& n, const Bias& bias, int index,
                                             SharedNumbers<T, kAdamNumbers>& shared) {
  const double* given = n.step_values;
  const double rate = given != nullptr ? given[0] : n.learning_rate;
  const double scale = (given != nullptr ? given[1] : n.grad_scale) * value_or(n.grad_factor, 1);
  const double bias1 = given != nullptr ? given[2 + 2 * index] : bias.bias1;
  const double bias2 = given != nullptr ? given[3 + 2 * index] : bias.bias2;
  shared.skip = !std::isfinite(scale);
  shared.values[kScale] = static_cast<T>(scale);
  shared.values[kStep] = static_cast<T>(-(rate / bias1));
  shared.values[kRootBias2] = static_cast<T>(std::sqrt(bias2));
  shared.values[kDecay] = static_cast<T>(n.decoupled ? 0 : n.weight_decay);
  shared.values[kKeep] = static_cast<T>(n.decoupled ? 1 - rate * n.weight_decay : 1);
}

template <typename T>
__global__ void __launch_bounds__(kTableThreads)
    adam_update_kernel(const AdamTable table, AdamNumbers n) {
  using Numbers = SharedNumbers<T, kAdamNumbers>;
  AKIMBO_SHARED_ARRAY(Numbers, shared, 1);
  const ChunkPlace at = chunk_place(table);
  const TableItem<5>& item = table.items[at.item];
  if (threadIdx.x == 0) {
    prepare_adam(n, table.extra[at.item], item.index, shared[0]);
  }
  sync_block();
  if (shared->skip) return;
  const Numbers numbers = shared[0];
  const T mean_share = static_cast<T>(1 - n.beta1);
  const T beta2 = static_cast<T>(n.beta2), square_share = static_cast<T>(1 - n.beta2);
  const T eps = static_cast<T>(n.eps);
  for_each_group<kVectorSize<T>>(at, item.aligned, [&]<int V>(std::int64_t i) {
    T g[V];
    load_as<V>(item.pointers[1], item.dtypes[1], i, g);
    auto p = load_vector<V>(static_cast<T*>(item.pointers[0]) + i);
    auto m = load_vector<V>(static_cast<T*>(item.pointers[2]) + i);
    auto v = load_vector<V>(static_cast<T*>(item.pointers[3]) + i);
    T rounded[V];
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const T grad = g[k] * numbers.values[kScale] + p[k] * numbers.values[kDecay];
      m[k] += mean_share * (grad - m[k]);
      v[k] = v[k] * beta2 + square_share * grad * grad;
      const T denominator = std::sqrt(v[k]) / numbers.values[kRootBias2] + eps;
      p[k] = p[k] * numbers.values[kKeep] + numbers.values[kStep] * m[k] / denominator;
      rounded[k] = p[k];
    }
    store_vector(static_cast<T*>(item.pointers[0]) + i, p);
    store_vector(static_cast<T*>(item.pointers[2]) + i, m);
    store_vector(static_cast<T*>(item.pointers[3]) + i, v);
    if (item.pointers[4] != nullptr) store_as<V>(item.pointers[4], item.dtypes[4], i, rounded);
  });
}

// ---- stochastic gradient descent ----

using SgdTable = TensorTable<4, NoExtra>;  // parameter, grad, velocity, copy

struct SgdNumbers {
  double learning_rate, momentum, weight_decay, grad_scale;
  bool nesterov;
  const double *step_values, *grad_factor;
};

template <typename T>
__global__ void __launch_bounds__(kTableThreads)
    sgd_update_kernel(const SgdTable table, SgdNumbers n) {
  const ChunkPlace at = chunk_place(table);
  const TableItem<4>& item = table.items[at.item];
  const double* given = n.step_values;
  const double scale = (given != nullptr ? given[1] : n.grad_scale) * value_or(n.grad_factor, 1);
  if (!std::isfinite(scale)) return;
  const T factor = static_cast<T>(scale);
  const T step = static_cast<T>(-(given != nullptr ? given[0] : n.learning_rate));
  const T momentum = static_cast<T>(n.momentum), decay = static_cast<T>(n.weight_decay);
  for_each_group<kVectorSize<T>>(at, item.aligned, [&]<int V>(std::int64_t i) {
    T direction[V], rounded[V];
    load_as<V>(item.pointers[1], item.dtypes[1], i, direction);
    auto p = load_vector<V>(static_cast<T*>(item.pointers[0]) + i);
#pragma unroll
    for (int k = 0; k < V; ++k) direction[k] = direction[k] * factor + p[k] * decay;
    if (item.pointers[2] != nullptr) {
      auto b = load_vector<V>(static_cast<T*>(item.pointers[2]) + i);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        b[k] = b[k] * momentum + direction[k];
        direction[k] = n.nesterov ? b[k] * momentum + direction[k] : b[k];
      }
      store_vector(static_cast<T*>(item.pointers[2]) + i, b);
    }
#pragma unroll
    for (int k = 0; k < V; ++k) rounded[k] = p[k] += direction[k] * step;
    store_vector(static_cast<T*>(item.pointers[0]) + i, p);
    if (item.pointers[3] != nullptr) store_as<V>(item.pointers[3], item.dtypes[3], i, rounded);
  });
}

// ---- averages, norms, scaling ----

using PairTable = TensorTable<2, NoExtra>;
using SingleTable = TensorTable<1, NoExtra>;

template <typename T>
__global__ void __launch_bounds__(kTableThreads)
    average_update_kernel(const PairTable table, double decay, const double* step_values) {
  const ChunkPlace at = chunk_place(table);
  const TableItem<2>& item = table.items[at.item];
  const T share = static_cast<T>(1 - value_or(step_values, decay));
  for_each_group<kVectorSize<T>>(at, item.aligned, [&]<int V>(std::int64_t i) {
    T value[V];
    load_as<V>(item.pointers[1], item.dtypes[1], i, value);
    auto average = load_vector<V>(static_cast<T*>(item.pointers[0]) + i);
#pragma unroll
    for (int k = 0; k < V; ++k) average[k] += share * (value[k] - average[k]);
    store_vector(static_cast<T*>(item.pointers[0]) + i, average);
  });
}

// parts [blocks]: the sum of squares of each chunk, in double: squares of f32 neither round nor
// overflow there.
template <typename T>
__global__ void __launch_bounds__(kTableThreads)
    sum_of_squares_kernel(const SingleTable table, double* parts) {
  AKIMBO_SHARED_ARRAY(double, shared, kWarpSize);
  const ChunkPlace at = chunk_place(table);
  const TableItem<1>& item = table.items[at.item];
  double sum = 0;
  for_each_group<kVectorSize<T>>(at, item.aligned, [&]<int V>(std::int64_t i) {
    const auto values = load_vector<V>(static_cast<const T*>(item.pointers[0]) + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const auto value = static_cast<double>(to_float(values[k]));
      sum += value * value;
    }
  });
  const double total = block_sum(sum, shared);
  if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

__global__ void __launch_bounds__(kTableThreads)
    sum_of_squares_finish_kernel(const double* parts, std::int64_t count, double* total) {
  AKIMBO_SHARED_ARRAY(double, shared, kWarpSize);
  double sum = 0;
#pragma unroll 8
  for (std::int64_t i = threadIdx.x; i < count; i += kTableThreads) sum += parts[i];
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *total = sum;
}

template <typename T>
__global__ void __launch_bounds__(kTableThreads)
    scale_in_place_kernel(const SingleTable table, double factor) {
  using C = Compute<T>;
  const ChunkPlace at = chunk_place(table);
  const TableItem<1>& item = table.items[at.item];
  const C f = static_cast<C>(factor);
  for_each_group<kVectorSize<T>>(at, item.aligned, [&]<int V>(std::int64_t i) {
    auto values = load_vector<V>(static_cast<T*>(item.pointers[0]) + i);
#pragma unroll
    for (int k = 0; k < V; ++k) values[k] = from_float<T>(to_float(values[k]) * f);
    store_vector(static_cast<T*>(item.pointers[0]) + i, values);
  });
}

// ---- single numbers ----

__global__ void grad_factor_kernel(const double* sum, double max_norm, const double* loss_scale,
                                   double* factor, double* norm) {
  const double scale = value_or(loss_scale, 1);
  const double length = std::sqrt(*sum) / scale;
  const double ratio = max_norm / (length + 1e-6);
  const double clip = max_norm > 0 && ratio < 1 ? ratio : 1;
  *factor = std::isfinite(length) ? clip / scale : std::numeric_limits<double>::quiet_NaN();
  if (norm != nullptr) *norm = length;
}

__global__ void loss_scale_update_kernel(const double* grad_factor, LossScaleParams p,
                                         double* state) {
  if (!std::isfinite(*grad_factor)) {
    const double smaller = state[0] * p.shrink;
    state[0] = smaller > p.smallest ? smaller : p.smallest;
    state[1] = 0;
    return;
  }
  state[1] += 1;
  if (state[1] < static_cast<double>(p.interval)) return;
  const double larger = state[0] * p.growth;
  state[0] = larger < p.largest ? larger : p.largest;
  state[1] = 0;
}

// ---- lists to tables ----

// run<T>(table, blocks) for tables of the items of each dtype; operands_of and extra_of give an
// item's operands (the first decides the dtype) and extra values.
template <int kOperands, typename Extra, typename... Types, typename Items, typename Operands,
          typename ExtraOf, typename Run>
void for_each_table(const Items& items, const Operands& operands_of, const ExtraOf& extra_of,
                    const Run& run) {
  for (const auto& item : items) {
    const DType dtype = operands_of(item).views[0].dtype;
    if (((dtype != DTypeOf<Types>::value) && ...)) unsupported_dtype(dtype);
  }
  const auto with_dtype = [&]<typename T>() {
    TableFiller<kOperands, Extra> filler;
    const auto launch_table = [&](const auto& table, std::int64_t blocks) {
      run.template operator()<T>(table, blocks);
    };
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto operands = operands_of(items[i]);
      if (operands.views[0].dtype != DTypeOf<T>::value) continue;
      filler.add(operands.views, extra_of(items[i]), static_cast<int>(i), launch_table);
    }
    filler.flush(launch_table);
  };
  (with_dtype.template operator()<Types>(), ...);
}

template <int kCount>
struct Operands {
  ConstView views[kCount];
};

constexpr auto kNothing = [](const auto&) { return NoExtra{}; };

LaunchShape table_shape(std::int64_t blocks) {
  return {.grid = {blocks}, .block = {kTableThreads}};
}

}  // namespace

void adam_update(const Exec& exec, std::span<const AdamItem> items, const AdamParams& params) {
  const AdamNumbers numbers{params.learning_rate,
                            params.beta1,
                            params.beta2,
                            params.eps,
                            params.weight_decay,
                            params.grad_scale,
                            params.decoupled,
                            params.step_values.data<double>(),
                            params.grad_factor.data<double>()};
  for_each_table<5, Bias, float, double>(
      items,
      [](const AdamItem& i) {
        return Operands<5>{{i.parameter, i.grad, i.mean, i.square, i.copy}};
      },
      [](const AdamItem& i) {
        return Bias{i.bias1, i.bias2};
      },
      [&]<typename T>(const AdamTable& table, std::int64_t blocks) {
        launch(exec, "adam_update", table_shape(blocks), adam_update_kernel<T>, table, numbers);
      });
}

void sgd_update(const Exec& exec, std::span<const SgdItem> items, const SgdParams& params) {
  const SgdNumbers numbers{params.learning_rate,
                           params.momentum,
                           params.weight_decay,
                           params.grad_scale,
                           params.nesterov,
                           params.step_values.data<double>(),
                           params.grad_factor.data<double>()};
  for_each_table<4, NoExtra, float, double>(
      items,
      [](const SgdItem& i) {
        return Operands<4>{{i.parameter, i.grad, i.velocity, i.copy}};
      },
      kNothing,
      [&]<typename T>(const SgdTable& table, std::int64_t blocks) {
        launch(exec, "sgd_update", table_shape(blocks), sgd_update_kernel<T>, table, numbers);
      });
}

void average_update(const Exec& exec, std::span<const AverageItem> items,
                    const AverageParams& params) {
  for_each_table<2, NoExtra, float, double>(
      items,
      [](const AverageItem& i) {
        return Operands<2>{{i.average, i.value}};
      },
      kNothing,
      [&]<typename T>(const PairTable& table, std::int64_t blocks) {
        launch(exec, "average_update", table_shape(blocks), average_update_kernel<T>, table,
               params.decay, params.step_values.data<double>());
      });
}

void sum_of_squares(const Exec& exec, std::span<const ConstView> items, View sum) {
  std::int64_t num_parts = 0;
  for (const ConstView& item : items) num_parts += blocks_for(item.numel(), kChunk);
  const Scratch<double> parts(exec, static_cast<std::size_t>(num_parts + 1));
  std::int64_t done = 0;
  for_each_table<1, NoExtra, float, double, BFloat16, Float16>(
      items, [](const ConstView& x) { return Operands<1>{{x}}; }, kNothing,
      [&]<typename T>(const SingleTable& table, std::int64_t blocks) {
        launch(exec, "sum_of_squares", table_shape(blocks), sum_of_squares_kernel<T>, table,
               parts.data() + done);
        done += blocks;
      });
  launch(exec, "sum_of_squares_finish", table_shape(1), sum_of_squares_finish_kernel, parts.data(),
         num_parts, sum.data<double>());
}

void scale_in_place(const Exec& exec, std::span<const View> items, double factor) {
  for_each_table<1, NoExtra, float, double, BFloat16, Float16>(
      items, [](const View& x) { return Operands<1>{{x}}; }, kNothing,
      [&]<typename T>(const SingleTable& table, std::int64_t blocks) {
        launch(exec, "scale_in_place", table_shape(blocks), scale_in_place_kernel<T>, table,
               factor);
      });
}

void grad_factor(const Exec& exec, ConstView sum_of_squares, const GradFactorParams& params,
                 View factor, View norm) {
  launch(exec, "grad_factor", {.grid = {1}, .block = {1}}, grad_factor_kernel,
         sum_of_squares.data<double>(), params.max_norm, params.loss_scale.data<double>(),
         factor.data<double>(), norm.data<double>());
}

void loss_scale_update(const Exec& exec, ConstView grad_factor, const LossScaleParams& params,
                       View state) {
  launch(exec, "loss_scale_update", {.grid = {1}, .block = {1}}, loss_scale_update_kernel,
         grad_factor.data<double>(), params, state.data<double>());
}

}  // namespace akimbo::kernels::cuda
