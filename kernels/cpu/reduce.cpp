// Reductions on the CPU. A long middle axis is cut into blocks whose bounds depend on its length
// only, so that one output can be summed by several threads and still be the same for any number.
#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kGrainNumel = 1 << 15;

// sums[i] += sum of x[m,i] over the given rows.
template <typename T>
void add_rows(const T* x, std::int64_t rows, std::int64_t inner, double* sums) {
  if (inner == 1) {
    double sum = 0;
    for (std::int64_t m = 0; m < rows; ++m) sum += static_cast<double>(x[m]);
    sums[0] += sum;
    return;
  }
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t i = 0; i < inner; ++i) sums[i] += static_cast<double>(x[m * inner + i]);
  }
}

template <typename T>
void sum_axis(const Exec& exec, ConstView x, double factor, View y) {
  const std::int64_t outer = x.dim(0), middle = x.dim(1), inner = x.dim(2);
  const std::int64_t rows = std::max<std::int64_t>(1, kGrainNumel / inner);  // of one block
  const std::int64_t blocks = std::max<std::int64_t>(1, (middle + rows - 1) / rows);
  Scratch<double> partial(exec, static_cast<std::size_t>(outer * blocks * inner));
  const std::int64_t grain = std::max<std::int64_t>(1, rows / std::max<std::int64_t>(1, middle));
  parallel_for(outer * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task % blocks * rows;
      double* sums = partial.data() + task * inner;
      std::fill_n(sums, inner, 0.0);
      add_rows(x.data<T>() + (task / blocks * middle + first) * inner,
               std::min(rows, middle - first), inner, sums);
    }
  });
  for (std::int64_t o = 0; o < outer; ++o) {
    double* total = partial.data() + o * blocks * inner;
    for (std::int64_t b = 1; b < blocks; ++b) {
      for (std::int64_t i = 0; i < inner; ++i) total[i] += total[b * inner + i];
    }
    for (std::int64_t i = 0; i < inner; ++i) {
      y.data<T>()[o * inner + i] = static_cast<T>(factor * total[i]);
    }
  }
}

template <typename T>
void max_slice(const T* x, std::int64_t middle, std::int64_t inner, T* y, std::int64_t* index) {
  std::copy_n(x, inner, y);
  if (index) std::fill_n(index, inner, 0);
  for (std::int64_t m = 1; m < middle; ++m) {
    for (std::int64_t i = 0; i < inner; ++i) {
      const T value = x[m * inner + i];
      if (value > y[i] || (std::isnan(value) && !std::isnan(y[i]))) {
        y[i] = value;
        if (index) index[i] = m;
      }
    }
  }
}

}  // namespace

void sum_forward(const Exec& exec, ConstView x, double factor, View y) {
  if (y.numel() == 0) return;
  visit_floating(x.dtype, [&]<typename T>() { sum_axis<T>(exec, x, factor, y); });
}

void sum_input_grad(const Exec&, ConstView grad_y, double factor, View grad_x) {
  if (grad_x.numel() == 0) return;
  const std::int64_t middle = grad_x.dim(1), inner = grad_x.dim(2);
  visit_floating(grad_x.dtype, [&]<typename T>() {
    const T f = static_cast<T>(factor);
    parallel_for(grad_x.dim(0) * middle, std::max<std::int64_t>(1, kGrainNumel / inner),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const T* from = grad_y.data<T>() + row / middle * inner;
                     T* to = grad_x.data<T>() + row * inner;
                     for (std::int64_t i = 0; i < inner; ++i) to[i] = f * from[i];
                   }
                 });
  });
}

void max_forward(const Exec&, ConstView x, View y, View index) {
  if (y.numel() == 0) return;
  const std::int64_t middle = x.dim(1), inner = x.dim(2);
  visit_floating(x.dtype, [&]<typename T>() {
    parallel_for(x.dim(0), std::max<std::int64_t>(1, kGrainNumel / (middle * inner)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t o = begin; o < end; ++o) {
                     max_slice(x.data<T>() + o * middle * inner, middle, inner,
                               y.data<T>() + o * inner,
                               index ? index.data<std::int64_t>() + o * inner : nullptr);
                   }
                 });
  });
}

void max_input_grad(const Exec&, ConstView grad_y, ConstView index, View grad_x) {
  if (grad_x.numel() == 0) return;
  const std::int64_t middle = grad_x.dim(1), inner = grad_x.dim(2);
  const std::int64_t* indices = index.data<std::int64_t>();
  visit_floating(grad_x.dtype, [&]<typename T>() {
    std::fill_n(grad_x.data<T>(), grad_x.numel(), T(0));
    for (std::int64_t o = 0; o < grad_x.dim(0); ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        grad_x.data<T>()[(o * middle + indices[o * inner + i]) * inner + i] =
            grad_y.data<T>()[o * inner + i];
      }
    }
  });
}

}  // namespace akimbo::kernels::cpu
