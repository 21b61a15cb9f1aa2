// Parameter updates on the CPU: the tensors are cut into chunks of one size, threads take chunks,
// and each chunk is a vector loop chosen for the CPU at run time. These loops move memory (Adam
// reads four streams and writes three), so one pass over all of them is what counts. The tail of a
// chunk runs through the same vector code, padded: an element's value does not depend on its place.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optim.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/optim.h"

HWY_BEFORE_NAMESPACE();
namespace akimbo::kernels::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Copies `rest` elements back; nothing for an operand that is only read.
template <typename T>
void copy_back(const T*, const T*, std::int64_t) {}
template <typename T>
void copy_back(const T* buffer, T* out, std::int64_t rest) {
  std::copy_n(buffer, rest, out);
}

// Calls body(pointers...) once for each vector of [0, count). The last, partial one is worked on in
// buffers padded with zeros. D is ScalableTag<T>.
template <typename D, typename F, typename... P, typename T = hn::TFromD<D>>
void for_each_vector(D d, std::int64_t count, const F& body, P*... pointers) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body((pointers + i)...);
  const std::int64_t rest = count - i;
  if (rest == 0) return;
  T buffers[sizeof...(P)][hn::MaxLanes(D())] = {};
  std::size_t k = 0;
  (std::copy_n(pointers + i, rest, buffers[k++]), ...);
  const auto run = [&]<std::size_t... I>(std::index_sequence<I...>) {
    body(buffers[I]...);
    (copy_back(buffers[I], pointers + i, rest), ...);
  };
  run(std::index_sequence_for<P...>());
}

template <typename T>
void adam_chunk(T* p, const T* grad, T* mean, T* square, std::int64_t count, double bias1,
                double bias2, const AdamParams& params) {
  const hn::ScalableTag<T> d;
  const auto decay = hn::Set(d, static_cast<T>(params.decoupled ? 0.0 : params.weight_decay));
  const auto keep = hn::Set(
      d, static_cast<T>(params.decoupled ? 1 - params.learning_rate * params.weight_decay : 1.0));
  const auto mean_share = hn::Set(d, static_cast<T>(1 - params.beta1));
  const auto beta2 = hn::Set(d, static_cast<T>(params.beta2));
  const auto square_share = hn::Set(d, static_cast<T>(1 - params.beta2));
  const auto root_bias2 = hn::Set(d, static_cast<T>(std::sqrt(bias2)));
  const auto eps = hn::Set(d, static_cast<T>(params.eps));
  const auto step = hn::Set(d, static_cast<T>(-(params.learning_rate / bias1)));
  const bool coupled = !params.decoupled && params.weight_decay != 0;
  const bool decoupled = params.decoupled && params.weight_decay != 0;
  const auto scale = hn::Set(d, static_cast<T>(params.grad_scale));
  const auto update = [&](T* p, const T* grad, T* mean, T* square) {
    auto w = hn::LoadU(d, p);
    auto g = hn::Mul(hn::LoadU(d, grad), scale);
    if (coupled) g = hn::MulAdd(w, decay, g);
    if (decoupled) w = hn::Mul(w, keep);
    const auto m = hn::LoadU(d, mean);
    const auto new_m = hn::MulAdd(mean_share, hn::Sub(g, m), m);
    const auto v = hn::Mul(hn::LoadU(d, square), beta2);
    const auto new_v = hn::Add(v, hn::Mul(hn::Mul(square_share, g), g));
    const auto denominator = hn::Add(hn::Div(hn::Sqrt(new_v), root_bias2), eps);
    hn::StoreU(new_m, d, mean);
    hn::StoreU(new_v, d, square);
    hn::StoreU(hn::Add(w, hn::Div(hn::Mul(step, new_m), denominator)), d, p);
  };
  for_each_vector(d, count, update, p, grad, mean, square);
}

template <typename T>
void sgd_chunk(T* p, const T* grad, T* velocity, std::int64_t count, const SgdParams& params) {
  const hn::ScalableTag<T> d;
  const auto decay = hn::Set(d, static_cast<T>(params.weight_decay));
  const auto momentum = hn::Set(d, static_cast<T>(params.momentum));
  const auto step = hn::Set(d, static_cast<T>(-params.learning_rate));
  const auto scale = hn::Set(d, static_cast<T>(params.grad_scale));
  const auto decayed = [&](const T* p, const T* grad) {
    const auto g = hn::Mul(hn::LoadU(d, grad), scale);
    return params.weight_decay != 0 ? hn::MulAdd(hn::LoadU(d, p), decay, g) : g;
  };
  const auto plain = [&](T* p, const T* grad) {
    hn::StoreU(hn::MulAdd(decayed(p, grad), step, hn::LoadU(d, p)), d, p);
  };
  const auto with_momentum = [&](T* p, const T* grad, T* velocity) {
    const auto g = decayed(p, grad);
    const auto b = hn::Add(hn::Mul(hn::LoadU(d, velocity), momentum), g);
    hn::StoreU(b, d, velocity);
    const auto direction = params.nesterov ? hn::MulAdd(b, momentum, g) : b;
    hn::StoreU(hn::MulAdd(direction, step, hn::LoadU(d, p)), d, p);
  };
  if (velocity != nullptr) {
    for_each_vector(d, count, with_momentum, p, grad, velocity);
  } else {
    for_each_vector(d, count, plain, p, grad);
  }
}

template <typename T>
void average_chunk(T* average, const T* value, std::int64_t count, double decay) {
  const hn::ScalableTag<T> d;
  const auto share = hn::Set(d, static_cast<T>(1 - decay));
  const auto update = [&](T* average, const T* value) {
    const auto a = hn::LoadU(d, average);
    hn::StoreU(hn::MulAdd(share, hn::Sub(hn::LoadU(d, value), a), a), d, average);
  };
  for_each_vector(d, count, update, average, value);
}

template <typename T>
void scale_chunk(T* x, std::int64_t count, double factor) {
  const hn::ScalableTag<T> d;
  const auto f = hn::Set(d, static_cast<T>(factor));
  for_each_vector(
      d, count, [&](T* x) { hn::StoreU(hn::Mul(hn::LoadU(d, x), f), d, x); }, x);
}

void adam_chunk_f32(float* p, const float* g, float* m, float* v, std::int64_t n, double b1,
                    double b2, const AdamParams& params) {
  adam_chunk<float>(p, g, m, v, n, b1, b2, params);
}
void adam_chunk_f64(double* p, const double* g, double* m, double* v, std::int64_t n, double b1,
                    double b2, const AdamParams& params) {
  adam_chunk<double>(p, g, m, v, n, b1, b2, params);
}
void sgd_chunk_f32(float* p, const float* g, float* b, std::int64_t n, const SgdParams& params) {
  sgd_chunk<float>(p, g, b, n, params);
}
void sgd_chunk_f64(double* p, const double* g, double* b, std::int64_t n, const SgdParams& params) {
  sgd_chunk<double>(p, g, b, n, params);
}
void average_chunk_f32(float* a, const float* x, std::int64_t n, double decay) {
  average_chunk<float>(a, x, n, decay);
}
void average_chunk_f64(double* a, const double* x, std::int64_t n, double decay) {
  average_chunk<double>(a, x, n, decay);
}
void scale_chunk_f32(float* x, std::int64_t n, double factor) { scale_chunk<float>(x, n, factor); }
void scale_chunk_f64(double* x, std::int64_t n, double factor) {
  scale_chunk<double>(x, n, factor);
}

}  // namespace HWY_NAMESPACE
}  // namespace akimbo::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace akimbo::kernels::cpu {

HWY_EXPORT(adam_chunk_f32);
HWY_EXPORT(adam_chunk_f64);
HWY_EXPORT(sgd_chunk_f32);
HWY_EXPORT(sgd_chunk_f64);
HWY_EXPORT(average_chunk_f32);
HWY_EXPORT(average_chunk_f64);
HWY_EXPORT(scale_chunk_f32);
HWY_EXPORT(scale_chunk_f64);

namespace {

constexpr std::int64_t kChunk = 1 << 14;  // elements; four f32 streams of it fit a 256 KiB cache

struct Chunk {
  std::size_t item;
  std::int64_t begin;
  std::int64_t count;
};

template <typename Items, typename Size>
std::vector<Chunk> chunks_of(const Items& items, const Size& size) {
  std::vector<Chunk> chunks;
  for (std::size_t item = 0; item < items.size(); ++item) {
    const std::int64_t n = size(items[item]);
    for (std::int64_t begin = 0; begin < n; begin += kChunk) {
      chunks.push_back({item, begin, std::min(kChunk, n - begin)});
    }
  }
  return chunks;
}

// Small chunks (biases, batch norms) are taken several at a time.
template <typename F>
void for_each_chunk(const std::vector<Chunk>& chunks, const F& f) {
  parallel_for(static_cast<std::int64_t>(chunks.size()), 4,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) f(chunks[static_cast<std::size_t>(i)]);
               });
}

// The one device value of an optional [>= 1] f64 view.
double value_or(ConstView view, double otherwise) {
  return view ? *view.data<double>() : otherwise;
}

// The dtype that a dtype is worked on in.
DType in_f32_or_f64(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// A chunk of `values` in T: where it lies, or converted in `buffer`.
template <typename T>
const T* chunk_values(ConstView values, const Chunk& c, std::vector<T>& buffer) {
  if (values.dtype == DTypeOf<T>::value) return values.data<T>() + c.begin;
  buffer.resize(static_cast<std::size_t>(c.count));
  visit_any_floating(values.dtype, [&]<typename From>() {
    const From* from = values.data<From>() + c.begin;
    for (std::int64_t i = 0; i < c.count; ++i) {
      buffer[static_cast<std::size_t>(i)] = static_cast<T>(static_cast<float>(from[i]));
    }
  });
  return buffer.data();
}

template <typename T>
void write_copy(View copy, const T* parameter, const Chunk& c) {
  if (!copy) return;
  const auto write = [&]<typename H>() {
    H* to = copy.data<H>() + c.begin;
    for (std::int64_t i = 0; i < c.count; ++i) to[i] = H(static_cast<float>(parameter[i]));
  };
  if (copy.dtype == DType::bf16) return write.template operator()<BFloat16>();
  if (copy.dtype == DType::f16) return write.template operator()<Float16>();
  unsupported_dtype(copy.dtype);
}

}  // namespace

void adam_update(const Exec&, std::span<const AdamItem> items, const AdamParams& given) {
  AdamParams params = given;
  params.grad_scale *= value_or(given.grad_factor, 1);
  if (!std::isfinite(params.grad_scale)) return;
  const auto chunks = chunks_of(items, [](const AdamItem& i) { return i.parameter.numel(); });
  for_each_chunk(chunks, [&](const Chunk& c) {
    const AdamItem& item = items[c.item];
    visit_floating(item.parameter.dtype, [&]<typename T>() {
      std::vector<T> buffer;
      T* p = item.parameter.data<T>() + c.begin;
      const T* g = chunk_values<T>(item.grad, c, buffer);
      T* m = item.mean.data<T>() + c.begin;
      T* v = item.square.data<T>() + c.begin;
      if constexpr (sizeof(T) == 4) {
        HWY_DYNAMIC_DISPATCH(adam_chunk_f32)(p, g, m, v, c.count, item.bias1, item.bias2, params);
      } else {
        HWY_DYNAMIC_DISPATCH(adam_chunk_f64)(p, g, m, v, c.count, item.bias1, item.bias2, params);
      }
      write_copy(item.copy, p, c);
    });
  });
}

void sgd_update(const Exec&, std::span<const SgdItem> items, const SgdParams& given) {
  SgdParams params = given;
  params.grad_scale *= value_or(given.grad_factor, 1);
  if (!std::isfinite(params.grad_scale)) return;
  const auto chunks = chunks_of(items, [](const SgdItem& i) { return i.parameter.numel(); });
  for_each_chunk(chunks, [&](const Chunk& c) {
    const SgdItem& item = items[c.item];
    visit_floating(item.parameter.dtype, [&]<typename T>() {
      T* p = item.parameter.data<T>() + c.begin;
      std::vector<T> buffer;
      const T* g = chunk_values<T>(item.grad, c, buffer);
      T* b = item.velocity ? item.velocity.data<T>() + c.begin : nullptr;
      if constexpr (sizeof(T) == 4) {
        HWY_DYNAMIC_DISPATCH(sgd_chunk_f32)(p, g, b, c.count, params);
      } else {
        HWY_DYNAMIC_DISPATCH(sgd_chunk_f64)(p, g, b, c.count, params);
      }
      write_copy(item.copy, p, c);
    });
  });
}

void average_update(const Exec&, std::span<const AverageItem> items, const AverageParams& params) {
  const double decay = value_or(params.step_values, params.decay);
  const auto chunks = chunks_of(items, [](const AverageItem& i) { return i.average.numel(); });
  for_each_chunk(chunks, [&](const Chunk& c) {
    const AverageItem& item = items[c.item];
    visit_floating(item.average.dtype, [&]<typename T>() {
      T* a = item.average.data<T>() + c.begin;
      std::vector<T> buffer;
      const T* x = chunk_values<T>(item.value, c, buffer);
      if constexpr (sizeof(T) == 4) {
        HWY_DYNAMIC_DISPATCH(average_chunk_f32)(a, x, c.count, decay);
      } else {
        HWY_DYNAMIC_DISPATCH(average_chunk_f64)(a, x, c.count, decay);
      }
    });
  });
}

void sum_of_squares(const Exec& exec, std::span<const ConstView> items, View sum) {
  const auto chunks = chunks_of(items, [](const ConstView& x) { return x.numel(); });
  const Scratch<double> partial(exec, std::max<std::size_t>(1, chunks.size()));
  for_each_chunk(chunks, [&](const Chunk& c) {
    visit_floating(in_f32_or_f64(items[c.item].dtype), [&]<typename T>() {
      std::vector<T> buffer;
      const T* x = chunk_values<T>(items[c.item], c, buffer);
      double lanes[8] = {};  // independent sums, so that the compiler may use vectors
      std::int64_t i = 0;
      for (; i + 8 <= c.count; i += 8) {
        for (int k = 0; k < 8; ++k) lanes[k] += static_cast<double>(x[i + k]) * x[i + k];
      }
      for (; i < c.count; ++i) lanes[i % 8] += static_cast<double>(x[i]) * x[i];
      double total = 0;
      for (const double lane : lanes) total += lane;
      partial[static_cast<std::size_t>(&c - chunks.data())] = total;
    });
  });
  double total = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) total += partial[i];
  *sum.data<double>() = total;
}

void scale_in_place(const Exec&, std::span<const View> items, double factor) {
  const auto chunks = chunks_of(items, [](const View& x) { return x.numel(); });
  for_each_chunk(chunks, [&](const Chunk& c) {
    visit_any_floating(items[c.item].dtype, [&]<typename T>() {
      T* x = items[c.item].data<T>() + c.begin;
      if constexpr (sizeof(T) == 4) {
        HWY_DYNAMIC_DISPATCH(scale_chunk_f32)(x, c.count, factor);
      } else if constexpr (sizeof(T) == 8) {
        HWY_DYNAMIC_DISPATCH(scale_chunk_f64)(x, c.count, factor);
      } else {
        for (std::int64_t i = 0; i < c.count; ++i) {
          x[i] = T(static_cast<float>(x[i]) * static_cast<float>(factor));
        }
      }
    });
  });
}

void grad_factor(const Exec&, ConstView sum_of_squares, const GradFactorParams& params, View factor,
                 View norm) {
  const double scale = value_or(params.loss_scale, 1);
  const double length = std::sqrt(*sum_of_squares.data<double>()) / scale;
  const double clip = params.max_norm > 0 ? std::min(1.0, params.max_norm / (length + 1e-6)) : 1;
  *factor.data<double>() = std::isfinite(length) ? clip / scale : std::nan("");
  if (norm) *norm.data<double>() = length;
}

void loss_scale_update(const Exec&, ConstView grad_factor, const LossScaleParams& params,
                       View state) {
  double& scale = state.data<double>()[0];
  double& good_steps = state.data<double>()[1];
  if (!std::isfinite(*grad_factor.data<double>())) {
    scale = std::max(params.smallest, scale * params.shrink);
    good_steps = 0;
  } else if (++good_steps >= static_cast<double>(params.interval)) {
    scale = std::min(params.largest, scale * params.growth);
    good_steps = 0;
  }
}

}  // namespace akimbo::kernels::cpu
#endif  // HWY_ONCE
