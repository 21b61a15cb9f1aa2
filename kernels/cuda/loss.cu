// Training losses. A loss is two launches: blocks over fixed pieces of the operands, whose size
// depends on nothing but the dtype, then one block that adds the pieces up in order and in double.
// So every loss is deterministic.
#include "kernels/loss.h"

#include "kernels/cuda/arithmetic.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;
constexpr int kSteps = 4;  // accesses per thread and operand, all in flight at once

// Scalars (a loss, its gradient) and weights stand beside maps of 16 bits in f32.
template <typename T>
using Wide = Compute<T>;

// Of a block of kThreads, in a fixed order, on thread 0.
__device__ __forceinline__ double sum_of_block(double value) {
  AKIMBO_SHARED_ARRAY(double, parts, kThreads / kWarpSize);
  for (int delta = kWarpSize / 2; delta > 0; delta /= 2) value += shuffle_down(value, delta);
  if (lane_index() == 0) parts[warp_index()] = value;
  sync_block();
  double sum = 0;
  for (int i = 0; i < kThreads / kWarpSize; ++i) sum += parts[i];
  return sum;
}

// loss = factor sum_i partial[i].
template <typename A>
__global__ void __launch_bounds__(kThreads)
    loss_finish_kernel(const double* __restrict__ partial, std::int64_t count, double factor,
                       A* __restrict__ loss) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) *loss = static_cast<A>(sum * factor);
}

// ---- joints_mse: pred, target [B, P K], weight [B, K] ----

struct JointsGrid {
  std::int64_t image_numel;  // P K
  int keypoints;
  std::int64_t chunks;  // blocks per image
};

// Walks the elements of this block V at a time: use(offset in the tensors, image, keypoint of the
// first), with the keypoint followed without a division.
template <int V, typename F>
__device__ __forceinline__ void for_each_joint_vector(const JointsGrid& g, const F& use) {
  const auto block = static_cast<std::int64_t>(blockIdx.x);
  const std::int64_t image = block / g.chunks;
  std::int64_t at = ((block - image * g.chunks) * kSteps * kThreads + threadIdx.x) * V;
  int k = static_cast<int>(at % g.keypoints);
  const int step = kThreads * V % g.keypoints;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    if (at < g.image_numel) use(image * g.image_numel + at, image, k);
    at += kThreads * V;
    k += step;
    if (k >= g.keypoints) k -= g.keypoints;
  }
}

// The weights of V elements that start at keypoint k; they lie in the L1 cache.
template <typename A>
struct JointWeights {
  const A* weight;  // [B, K] or null
  int keypoints;
  template <int V>
  __device__ __forceinline__ void load(std::int64_t image, int k, A (&out)[V]) const {
    for (int v = 0; v < V; ++v) {
      out[v] = weight != nullptr ? weight[image * keypoints + k] : A(1);
      if (++k == keypoints) k = 0;
    }
  }
};

template <typename T, typename G, int V>
__global__ void __launch_bounds__(kThreads)
    joints_mse_forward_kernel(const T* __restrict__ pred, const G* __restrict__ target,
                              const Wide<T>* __restrict__ weight, JointsGrid grid,
                              double* __restrict__ partial) {
  using A = Wide<T>;
  const JointWeights<A> weights{weight, grid.keypoints};
  A sum = 0;
  for_each_joint_vector<V>(grid, [&](std::int64_t at, std::int64_t image, int k) {
    const Vector<T, V> o = load_vector<V>(pred + at);
    const Vector<G, V> g = load_vector<V>(target + at);
    A w[V];
    weights.load(image, k, w);
    for (int v = 0; v < V; ++v) {
      const A d = (to_float(o[v]) - static_cast<A>(to_float(g[v]))) * w[v];
      sum += d * d;
    }
  });
  const double total = sum_of_block(static_cast<double>(sum));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

template <typename T, typename G, int V>
__global__ void __launch_bounds__(kThreads)
    joints_mse_input_grad_kernel(const T* __restrict__ pred, const G* __restrict__ target,
                                 const Wide<T>* __restrict__ weight, JointsGrid grid, double factor,
                                 const Wide<T>* __restrict__ grad_y, T* __restrict__ grad_pred) {
  using A = Wide<T>;
  const JointWeights<A> weights{weight, grid.keypoints};
  const A scale = static_cast<A>(static_cast<double>(*grad_y) * factor);
  for_each_joint_vector<V>(grid, [&](std::int64_t at, std::int64_t image, int k) {
    const Vector<T, V> o = load_vector<V>(pred + at);
    const Vector<G, V> g = load_vector<V>(target + at);
    A w[V];
    weights.load(image, k, w);
    Vector<T, V> out;
    for (int v = 0; v < V; ++v) {
      const A d = to_float(o[v]) - static_cast<A>(to_float(g[v]));
      out[v] = from_float<T>(d * (w[v] * w[v] * scale));
    }
    store_vector(grad_pred + at, out);
  });
}

// Calls run.operator()<T, G, V>() for the dtypes of pred and target. Vectors of 16 bytes of the
// wider of the two, where all pointers and every image's first element are aligned to them.
template <typename F>
void visit_loss(ConstView pred, ConstView target, bool others_aligned, std::int64_t row_numel,
                const F& run) {
  visit_any_floating(pred.dtype, [&]<typename T>() {
    const auto with_target = [&]<typename G>() {
      constexpr int kV = static_cast<int>(16 / std::max(sizeof(T), sizeof(G)));
      const bool aligned = row_numel % kV == 0 && is_aligned(pred.pointer) &&
                           is_aligned(target.pointer) && others_aligned;
      aligned ? run.template operator()<T, G, kV>() : run.template operator()<T, G, 1>();
    };
    if (target.dtype == pred.dtype) return with_target.template operator()<T>();
    if constexpr (sizeof(T) == 2) {
      if (target.dtype == DType::f32) return with_target.template operator()<float>();
    }
    unsupported_dtype(target.dtype);
  });
}

JointsGrid joints_grid(ConstView pred, int vector) {
  const std::int64_t numel = pred.dim(1) * pred.dim(2);
  return {numel, static_cast<int>(pred.dim(2)), blocks_for(numel, kThreads * kSteps * vector)};
}

// ---- the hardest keypoints ----

// A thread per element, which counts what stands before it: rows are as short as a skeleton.
template <typename A>
__global__ void __launch_bounds__(kThreads)
    keep_largest_kernel(const A* __restrict__ values, const A* __restrict__ weight,
                        std::int64_t numel, int columns, std::int64_t count, A* __restrict__ kept) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= numel) return;
  const int column = static_cast<int>(i % columns);
  const A* row = values + (i - column);
  const A value = row[column];
  std::int64_t rank = 0;
  for (int j = 0; j < columns; ++j) rank += row[j] > value || (row[j] == value && j < column);
  kept[i] = rank >= count ? A(0) : weight != nullptr ? weight[i] : A(1);
}

// ---- elementwise distances ----

template <typename A>
struct Distance {
  DistanceKind kind;
  A beta;

  __device__ __forceinline__ A value(A d) const {
    const A size = d < A(0) ? -d : d;
    if (kind == DistanceKind::absolute) return size;
    if (kind == DistanceKind::square) return d * d;
    return size < beta ? d * d / (A(2) * beta) : size - beta / A(2);
  }
  __device__ __forceinline__ A slope(A d) const {
    const A sign = d > A(0) ? A(1) : d < A(0) ? A(-1) : d;  // keeps NaN
    if (kind == DistanceKind::absolute) return sign;
    if (kind == DistanceKind::square) return A(2) * d;
    return (d < A(0) ? -d : d) < beta ? d / beta : sign;
  }
};

// Calls use(offset) for this block's elements, V at a time.
template <int V, typename F>
__device__ __forceinline__ void for_each_vector(std::int64_t count, const F& use) {
  std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * kSteps * kThreads + threadIdx.x) * V;
#pragma unroll
  for (int s = 0; s < kSteps; ++s, at += kThreads * V) {
    if (at < count) use(at);
  }
}

// Weights have the dtype of the target.
template <typename G, int V, typename A>
__device__ __forceinline__ void load_weights(const G* weight, std::int64_t at, A (&w)[V]) {
  if (weight == nullptr) {
    for (int v = 0; v < V; ++v) w[v] = A(1);
    return;
  }
  const Vector<G, V> loaded = load_vector<V>(weight + at);
  for (int v = 0; v < V; ++v) w[v] = static_cast<A>(to_float(loaded[v]));
}

template <typename T, typename G, int V>
__global__ void __launch_bounds__(kThreads)
    distance_loss_forward_kernel(const T* __restrict__ pred, const G* __restrict__ target,
                                 const G* __restrict__ weight, std::int64_t count,
                                 Distance<Wide<T>> distance, double* __restrict__ partial) {
  using A = Wide<T>;
  A sum = 0;
  for_each_vector<V>(count, [&](std::int64_t at) {
    const Vector<T, V> o = load_vector<V>(pred + at);
    const Vector<G, V> g = load_vector<V>(target + at);
    A w[V];
    load_weights(weight, at, w);
    for (int v = 0; v < V; ++v) {
      sum += w[v] * distance.value(to_float(o[v]) - static_cast<A>(to_float(g[v])));
    }
  });
  const double total = sum_of_block(static_cast<double>(sum));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

template <typename T, typename G, int V>
__global__ void __launch_bounds__(kThreads)
    distance_loss_input_grad_kernel(const T* __restrict__ pred, const G* __restrict__ target,
                                    const G* __restrict__ weight, std::int64_t count,
                                    Distance<Wide<T>> distance, double factor,
                                    const Wide<T>* __restrict__ grad_y, T* __restrict__ grad_pred) {
  using A = Wide<T>;
  const A scale = static_cast<A>(static_cast<double>(*grad_y) * factor);
  for_each_vector<V>(count, [&](std::int64_t at) {
    const Vector<T, V> o = load_vector<V>(pred + at);
    const Vector<G, V> g = load_vector<V>(target + at);
    A w[V];
    load_weights(weight, at, w);
    Vector<T, V> out;
    for (int v = 0; v < V; ++v) {
      const A slope = distance.slope(to_float(o[v]) - static_cast<A>(to_float(g[v])));
      out[v] = from_float<T>(slope * (w[v] * scale));
    }
    store_vector(grad_pred + at, out);
  });
}

}  // namespace

void joints_mse_forward(const Exec& exec, ConstView pred, ConstView target, ConstView weight,
                        View loss) {
  if (pred.numel() == 0) throw std::logic_error("[joints_mse_forward] a loss of no elements");
  visit_loss(pred, target, true, pred.dim(1) * pred.dim(2), [&]<typename T, typename G, int V>() {
    const JointsGrid grid = joints_grid(pred, V);
    const std::int64_t blocks = pred.dim(0) * grid.chunks;
    const Scratch<double> partial(exec, static_cast<std::size_t>(blocks));
    launch(exec, "joints_mse_forward", {.grid = {blocks}, .block = {kThreads}},
           joints_mse_forward_kernel<T, G, V>, pred.data<T>(), target.data<G>(),
           weight.data<Wide<T>>(), grid, partial.data());
    launch(exec, "joints_mse_finish", {.block = {kThreads}}, loss_finish_kernel<Wide<T>>,
           partial.data(), blocks, 1 / (2 * static_cast<double>(pred.numel())),
           loss.data<Wide<T>>());
  });
}

void joints_mse_input_grad(const Exec& exec, ConstView pred, ConstView target, ConstView weight,
                           ConstView grad_y, View grad_pred) {
  if (pred.numel() == 0) return;
  visit_loss(pred, target, is_aligned(grad_pred.pointer), pred.dim(1) * pred.dim(2),
             [&]<typename T, typename G, int V>() {
               const JointsGrid grid = joints_grid(pred, V);
               launch(exec, "joints_mse_input_grad",
                      {.grid = {pred.dim(0) * grid.chunks}, .block = {kThreads}},
                      joints_mse_input_grad_kernel<T, G, V>, pred.data<T>(), target.data<G>(),
                      weight.data<Wide<T>>(), grid, 1 / static_cast<double>(pred.numel()),
                      grad_y.data<Wide<T>>(), grad_pred.data<T>());
             });
}

void keep_largest(const Exec& exec, ConstView values, ConstView weight, std::int64_t count,
                  View kept) {
  const std::int64_t numel = values.numel();
  if (numel == 0) return;
  visit_floating(values.dtype, [&]<typename A>() {
    launch(exec, "keep_largest", {.grid = {blocks_for(numel, kThreads)}, .block = {kThreads}},
           keep_largest_kernel<A>, values.data<A>(), weight.data<A>(), numel,
           static_cast<int>(values.dim(1)), count, kept.data<A>());
  });
}

void distance_loss_forward(const Exec& exec, ConstView pred, ConstView target, ConstView weight,
                           const DistanceParams& params, View loss) {
  const std::int64_t count = pred.numel();
  visit_loss(pred, target, is_aligned(weight.pointer), count, [&]<typename T, typename G, int V>() {
    const std::int64_t blocks = blocks_for(count, kThreads * kSteps * V);
    const Scratch<double> partial(exec, static_cast<std::size_t>(blocks + 1));
    launch(exec, "distance_loss_forward", {.grid = {blocks}, .block = {kThreads}},
           distance_loss_forward_kernel<T, G, V>, pred.data<T>(), target.data<G>(),
           weight.data<G>(), count,
           Distance<Wide<T>>{params.kind, static_cast<Wide<T>>(params.beta)}, partial.data());
    launch(exec, "distance_loss_finish", {.block = {kThreads}}, loss_finish_kernel<Wide<T>>,
           partial.data(), blocks, params.scale, loss.data<Wide<T>>());
  });
}

void distance_loss_input_grad(const Exec& exec, ConstView pred, ConstView target, ConstView weight,
                              const DistanceParams& params, ConstView grad_y, View grad_pred) {
  const std::int64_t count = pred.numel();
  if (count == 0) return;
  const bool aligned = is_aligned(weight.pointer) && is_aligned(grad_pred.pointer);
  visit_loss(pred, target, aligned, count, [&]<typename T, typename G, int V>() {
    launch(exec, "distance_loss_input_grad",
           {.grid = {blocks_for(count, kThreads * kSteps * V)}, .block = {kThreads}},
           distance_loss_input_grad_kernel<T, G, V>, pred.data<T>(), target.data<G>(),
           weight.data<G>(), count,
           Distance<Wide<T>>{params.kind, static_cast<Wide<T>>(params.beta)}, params.scale,
           grad_y.data<Wide<T>>(), grad_pred.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda
