// Gradients of batch normalisation on CUDA: one pass over the rows sums g and g (x - mean) per
// channel and chunk of rows, a small kernel adds the chunks in double and works out three factors
// per channel, a second pass over the rows makes grad_x from them:
//   grad_x = scale g + slope (x - mean) + shift.
#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/norm_own.h"
#include "kernels/cuda/norm_parts.cuh"
#include "kernels/cuda/row_tiles.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// Where the ReLU's mask comes from.
enum class Mask { none, output, recomputed };

template <typename T>
struct GradOperands {
  const T *x, *y, *grad_y;                        // y with Mask::output
  const Compute<T>*mean, *invstd, *gamma, *beta;  // the last three with Mask::recomputed
  T* masked;                                      // first pass: receives g, or null
};

// What the mask needs of V channels, kept in registers.
template <typename T, int V, Mask kMask>
struct Masking {
  Compute<T> scale[V], beta[V];

  __device__ __forceinline__ void load(const GradOperands<T>& a, std::int64_t channel) {
    if constexpr (kMask == Mask::recomputed) {
      load_channels<V>(a.invstd + channel, scale);
      load_channels<V>(a.gamma + channel, beta);
#pragma unroll
      for (int i = 0; i < V; ++i) scale[i] *= beta[i];
      load_channels<V>(a.beta + channel, beta);
    }
  }
  // The gradient that passes the ReLU; `centred` is x - mean. As in the forward pass: NaN passes
  // nothing, like an output that is not above zero.
  __device__ __forceinline__ Compute<T> pass(Compute<T> g, Compute<T> y, Compute<T> centred,
                                             int i) const {
    using C = Compute<T>;
    if constexpr (kMask == Mask::output) return y > C(0) ? g : C(0);
    if constexpr (kMask == Mask::recomputed) return centred * scale[i] + beta[i] > C(0) ? g : C(0);
    return g;
  }
};

// parts [chunks, 2, C]: sum of g, sum of g (x - mean).
template <typename T, int V, Mask kMask>
__global__ void __launch_bounds__(kRowThreads)
    batch_norm_grad_sums_kernel(GradOperands<T> a, RowTiles tiles, Compute<T>* parts) {
  using C = Compute<T>;
  AKIMBO_SHARED_ARRAY(C, shared, 2 * V * kRowThreads);
  const RowPlace at = row_place(tiles, V);
  C sums[2 * V] = {};
  C mean[V] = {};
  Masking<T, V, kMask> masking;
  if (at.active) {
    load_channels<V>(a.mean + at.channel, mean);
    masking.load(a, at.channel);
  }
#pragma unroll 2
  for (std::int64_t row = at.row; row < at.row_end; row += tiles.height) {
    const std::int64_t offset = row * tiles.channels + at.channel;
    const auto x = load_vector<V>(a.x + offset);
    const auto grad_y = load_vector<V>(a.grad_y + offset);
    Vector<T, V> y{};
    if constexpr (kMask == Mask::output) y = load_vector<V>(a.y + offset);
    Vector<T, V> masked;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const C centred = to_float(x[i]) - mean[i];
      const C g = masking.pass(to_float(grad_y[i]), to_float(y[i]), centred, i);
      sums[i] += g;
      sums[V + i] += g * centred;
      masked[i] = from_float<T>(g);
    }
    if (a.masked != nullptr) store_vector(a.masked + offset, masked);
  }
  add_over_rows(tiles, at, sums, shared);
  if (!at.active || at.y != 0) return;
  C* part = parts + at.chunk * 2 * tiles.channels + at.channel;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    part[i] = sums[i];
    part[tiles.channels + i] = sums[V + i];
  }
}

// factors [3, C]: scale, slope, shift. grad_gamma and grad_beta may be null.
template <typename C>
__global__ void __launch_bounds__(kPartChannels* kPartLanes)
    batch_norm_grad_finish_kernel(const C* parts, std::int64_t num_parts, std::int64_t rows,
                                  std::int64_t channels, const C* invstd, const C* gamma,
                                  bool training, C* grad_gamma, C* grad_beta, C* factors) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kPartChannels + threadIdx.x;
  const auto load = [&](std::int64_t part, std::int64_t c) {
    const C* from = parts + part * 2 * channels + c;
    return PartTotals{static_cast<double>(from[0]), static_cast<double>(from[channels])};
  };
  const PartTotals total = add_parts(num_parts, channel, channels, load);
  if (threadIdx.y != 0 || channel >= channels) return;
  const auto inverse = static_cast<double>(invstd[channel]);
  const double scale = static_cast<double>(gamma[channel]) * inverse;
  if (grad_beta != nullptr) grad_beta[channel] = static_cast<C>(total.first);
  if (grad_gamma != nullptr) grad_gamma[channel] = static_cast<C>(total.second * inverse);
  const double share = training ? scale / static_cast<double>(rows) : 0;
  factors[channel] = static_cast<C>(scale);
  factors[channels + channel] = static_cast<C>(-share * total.second * inverse * inverse);
  factors[2 * channels + channel] = static_cast<C>(-share * total.first);
}

template <typename T, int V, Mask kMask>
__global__ void __launch_bounds__(kRowThreads)
    batch_norm_grad_apply_kernel(GradOperands<T> a, const Compute<T>* factors, RowTiles tiles,
                                 T* grad_x) {
  using C = Compute<T>;
  const RowPlace at = row_place(tiles, V);
  if (!at.active) return;
  C mean[V], scale[V], slope[V], shift[V];
  load_channels<V>(a.mean + at.channel, mean);
  load_channels<V>(factors + at.channel, scale);
  load_channels<V>(factors + tiles.channels + at.channel, slope);
  load_channels<V>(factors + 2 * tiles.channels + at.channel, shift);
  Masking<T, V, kMask> masking;
  masking.load(a, at.channel);
#pragma unroll 2
  for (std::int64_t row = at.row; row < at.row_end; row += tiles.height) {
    const std::int64_t offset = row * tiles.channels + at.channel;
    const auto x = load_vector<V>(a.x + offset);
    const auto grad_y = load_vector<V>(a.grad_y + offset);
    Vector<T, V> y{};
    if constexpr (kMask == Mask::output) y = load_vector<V>(a.y + offset);
    Vector<T, V> result;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const C centred = to_float(x[i]) - mean[i];
      const C g = masking.pass(to_float(grad_y[i]), to_float(y[i]), centred, i);
      result[i] = from_float<T>(scale[i] * g + (slope[i] * centred + shift[i]));
    }
    store_vector(grad_x + offset, result);
  }
}

// f.template operator()<mask>() for the mask that the arguments ask for.
template <typename F>
void visit_mask(Mask mask, const F& f) {
  switch (mask) {
    case Mask::none: return f.template operator()<Mask::none>();
    case Mask::output: return f.template operator()<Mask::output>();
    case Mask::recomputed: return f.template operator()<Mask::recomputed>();
  }
}

template <typename T, int V>
void gradients(const Exec& exec, const BatchNormGradArgs& args) {
  using C = Compute<T>;
  const std::int64_t channels = args.mean.numel(), rows = args.x.numel() / channels;
  const RowTiles tiles = row_tiles(rows, channels, V, {.max_blocks = 528});
  const auto count = [&](std::int64_t n) { return static_cast<std::size_t>(n * channels); };
  const Scratch<C> parts(exec, count(2 * tiles.num_chunks));
  const Scratch<C> factors(exec, count(3));
  GradOperands<T> a{args.x.data<T>(),      args.y.data<T>(),
                    args.grad_y.data<T>(), args.mean.data<C>(),
                    args.invstd.data<C>(), args.gamma.data<C>(),
                    args.beta.data<C>(),   args.grad_residual.data<T>()};
  const Mask mask = args.y ? Mask::output : args.beta ? Mask::recomputed : Mask::none;
  // The statistics are constants outside training: no sums, unless a parameter's gradient or the
  // masked gradient is asked for.
  const bool sums = args.training || args.grad_gamma || args.grad_beta || args.grad_residual;
  if (sums) {
    visit_mask(mask, [&]<Mask kMask>() {
      launch(exec, "batch_norm_grad_sums", tiles.shape(), batch_norm_grad_sums_kernel<T, V, kMask>,
             a, tiles, parts.data());
    });
  }
  launch(exec, "batch_norm_grad_finish", parts_shape(channels), batch_norm_grad_finish_kernel<C>,
         parts.data(), sums ? tiles.num_chunks : 0, rows, channels, args.invstd.data<C>(),
         args.gamma.data<C>(), args.training, args.grad_gamma.data<C>(), args.grad_beta.data<C>(),
         factors.data());
  if (!args.grad_x) return;
  const RowTiles apply = row_tiles(rows, channels, V, {.max_blocks = 4096, .rows_per_thread = 8});
  // The masked gradient, where it was kept, spares reading y and grad_y again.
  if (args.grad_residual) a.grad_y = args.grad_residual.data<T>();
  visit_mask(args.grad_residual ? Mask::none : mask, [&]<Mask kMask>() {
    launch(exec, "batch_norm_grad_apply", apply.shape(), batch_norm_grad_apply_kernel<T, V, kMask>,
           a, factors.data(), apply, args.grad_x.data<T>());
  });
}

}  // namespace

void own_batch_norm_grad(const Exec& exec, const BatchNormGradArgs& args) {
  const std::int64_t channels = args.mean.numel();
  if (channels == 0) return;
  visit_any_floating(args.x.dtype, [&]<typename T>() {
    const bool vectors = can_use_vectors<T>(
        {args.x.pointer, args.y.pointer, args.grad_y.pointer, args.grad_x.pointer,
         args.grad_residual.pointer},
        {args.mean.pointer, args.invstd.pointer, args.gamma.pointer, args.beta.pointer}, channels);
    if (vectors) return gradients<T, kVectorSize<T>>(exec, args);
    gradients<T, 1>(exec, args);
  });
}

}  // namespace akimbo::kernels::cuda
