// Softmax over the last axis on the CPU: one row is one thread's.
#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

template <typename F>
void for_each_row(ConstView shape_of, const F& f) {
  const std::int64_t columns = shape_of.dim(1);
  if (columns == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, (1 << 13) / columns);
  parallel_for(shape_of.dim(0), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) f(m * columns, columns);
  });
}

}  // namespace

void softmax_forward(const Exec&, ConstView x, View y) {
  visit_floating(x.dtype, [&]<typename T>() {
    for_each_row(x, [&](std::int64_t at, std::int64_t columns) {
      const T* in = x.data<T>() + at;
      T* out = y.data<T>() + at;
      const T largest = *std::max_element(in, in + columns);
      double sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = std::exp(in[c] - largest);
        sum += static_cast<double>(out[c]);
      }
      const T factor = static_cast<T>(1 / sum);
      for (std::int64_t c = 0; c < columns; ++c) out[c] *= factor;
    });
  });
}

void softmax_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  visit_floating(y.dtype, [&]<typename T>() {
    for_each_row(y, [&](std::int64_t at, std::int64_t columns) {
      const T* p = y.data<T>() + at;
      const T* g = grad_y.data<T>() + at;
      double dot = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        dot += static_cast<double>(p[c]) * static_cast<double>(g[c]);
      }
      T* out = grad_x.data<T>() + at;
      for (std::int64_t c = 0; c < columns; ++c) out[c] = p[c] * (g[c] - static_cast<T>(dot));
    });
  });
}

void log_softmax_forward(const Exec&, ConstView x, View y) {
  visit_floating(x.dtype, [&]<typename T>() {
    for_each_row(x, [&](std::int64_t at, std::int64_t columns) {
      const T* in = x.data<T>() + at;
      T* out = y.data<T>() + at;
      const T largest = *std::max_element(in, in + columns);
      double sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        sum += static_cast<double>(std::exp(in[c] - largest));
      }
      const T log_sum = static_cast<T>(std::log(sum));
      for (std::int64_t c = 0; c < columns; ++c) out[c] = in[c] - largest - log_sum;
    });
  });
}

void log_softmax_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  visit_floating(y.dtype, [&]<typename T>() {
    for_each_row(y, [&](std::int64_t at, std::int64_t columns) {
      const T* log_p = y.data<T>() + at;
      const T* g = grad_y.data<T>() + at;
      double sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) sum += static_cast<double>(g[c]);
      T* out = grad_x.data<T>() + at;
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = g[c] - std::exp(log_p[c]) * static_cast<T>(sum);
      }
    });
  });
}

}  // namespace akimbo::kernels::cpu
