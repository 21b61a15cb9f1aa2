// Training losses on the CPU.
#include "kernels/loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kBlockNumel = 1 << 14;

// Sum over [0, count) of part(begin, end) for fixed blocks, added up in order.
template <typename F>
double block_sum(const Exec& exec, std::int64_t count, std::int64_t block, const F& part) {
  const std::int64_t num_blocks = (count + block - 1) / block;
  Scratch<double> partial(exec, static_cast<std::size_t>(num_blocks + 1));
  parallel_for(count, block, [&](std::int64_t begin, std::int64_t end) {
    partial[static_cast<std::size_t>(begin / block)] = part(begin, end);
  });
  double sum = 0;
  for (std::int64_t i = 0; i < num_blocks; ++i) sum += partial[static_cast<std::size_t>(i)];
  return sum;
}

std::int64_t rows_of(std::int64_t row_numel) {
  return std::max<std::int64_t>(1, kBlockNumel / std::max<std::int64_t>(1, row_numel));
}

template <typename T>
double joints_mse_rows(const T* pred, const T* target, const T* weight, std::int64_t pixels,
                       std::int64_t keypoints, std::int64_t begin, std::int64_t end) {
  double sum = 0;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* o = pred + row * keypoints;
    const T* g = target + row * keypoints;
    const T* t = weight ? weight + row / pixels * keypoints : nullptr;
    for (std::int64_t k = 0; k < keypoints; ++k) {
      const double d = static_cast<double>((o[k] - g[k]) * (t ? t[k] : T(1)));
      sum += d * d;
    }
  }
  return sum;
}

template <typename T>
T distance(T d, const DistanceParams& p) {
  switch (p.kind) {
    case DistanceKind::absolute: return std::abs(d);
    case DistanceKind::square: return d * d;
    case DistanceKind::smooth: {
      const T beta = static_cast<T>(p.beta);
      return std::abs(d) < beta ? d * d / (2 * beta) : std::abs(d) - beta / 2;
    }
  }
  return d;
}

template <typename T>
T distance_slope(T d, const DistanceParams& p) {
  const T sign = d > T(0) ? T(1) : d < T(0) ? T(-1) : d;  // keeps NaN
  switch (p.kind) {
    case DistanceKind::absolute: return sign;
    case DistanceKind::square: return 2 * d;
    case DistanceKind::smooth:
      return std::abs(d) < static_cast<T>(p.beta) ? d / static_cast<T>(p.beta) : sign;
  }
  return d;
}

// The largest logit and the sum of exp(logit - largest).
struct LogSum {
  double largest, sum;
};

template <typename T>
LogSum log_sum(const T* row, std::int64_t count) {
  const double largest = static_cast<double>(*std::max_element(row, row + count));
  double sum = 0;
  for (std::int64_t c = 0; c < count; ++c) sum += std::exp(static_cast<double>(row[c]) - largest);
  return {largest, sum};
}

std::int64_t rows_counted(ConstView index, std::int64_t ignore_index) {
  const std::int64_t* indices = index.data<std::int64_t>();
  return index.numel() - std::count(indices, indices + index.numel(), ignore_index);
}

}  // namespace

void joints_mse_forward(const Exec& exec, ConstView pred, ConstView target, ConstView weight,
                        View loss) {
  const std::int64_t pixels = pred.dim(1), keypoints = pred.dim(2);
  visit_floating(pred.dtype, [&]<typename T>() {
    const double sum = block_sum(
        exec, pred.dim(0) * pixels, rows_of(keypoints), [&](std::int64_t begin, std::int64_t end) {
          return joints_mse_rows(pred.data<T>(), target.data<T>(), weight.data<T>(), pixels,
                                 keypoints, begin, end);
        });
    *loss.data<T>() = static_cast<T>(sum / (2 * static_cast<double>(pred.numel())));
  });
}

void joints_mse_input_grad(const Exec&, ConstView pred, ConstView target, ConstView weight,
                           ConstView grad_y, View grad_pred) {
  const std::int64_t pixels = pred.dim(1), keypoints = pred.dim(2);
  visit_floating(pred.dtype, [&]<typename T>() {
    const T scale =
        static_cast<T>(static_cast<double>(*grad_y.data<T>()) / static_cast<double>(pred.numel()));
    parallel_for(pred.dim(0) * pixels, rows_of(keypoints),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const T* o = pred.data<T>() + row * keypoints;
                     const T* g = target.data<T>() + row * keypoints;
                     const T* t = weight ? weight.data<T>() + row / pixels * keypoints : nullptr;
                     T* out = grad_pred.data<T>() + row * keypoints;
                     for (std::int64_t k = 0; k < keypoints; ++k) {
                       const T w = t ? t[k] : T(1);
                       out[k] = (o[k] - g[k]) * (w * w * scale);
                     }
                   }
                 });
  });
}

void keep_largest(const Exec&, ConstView values, ConstView weight, std::int64_t count, View kept) {
  const std::int64_t columns = values.dim(1);
  visit_floating(values.dtype, [&]<typename T>() {
    parallel_for(values.dim(0), rows_of(columns * columns),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const T* v = values.data<T>() + row * columns;
                     const T* w = weight ? weight.data<T>() + row * columns : nullptr;
                     T* out = kept.data<T>() + row * columns;
                     for (std::int64_t c = 0; c < columns; ++c) {
                       std::int64_t rank = 0;
                       for (std::int64_t j = 0; j < columns; ++j) {
                         rank += v[j] > v[c] || (v[j] == v[c] && j < c);
                       }
                       out[c] = rank < count ? (w ? w[c] : T(1)) : T(0);
                     }
                   }
                 });
  });
}

void distance_loss_forward(const Exec& exec, ConstView pred, ConstView target, ConstView weight,
                           const DistanceParams& params, View loss) {
  visit_floating(pred.dtype, [&]<typename T>() {
    const double sum =
        block_sum(exec, pred.numel(), kBlockNumel, [&](std::int64_t begin, std::int64_t end) {
          const T* w = weight.data<T>();
          double part = 0;
          for (std::int64_t i = begin; i < end; ++i) {
            const T d = distance<T>(pred.data<T>()[i] - target.data<T>()[i], params);
            part += static_cast<double>(w ? w[i] * d : d);
          }
          return part;
        });
    *loss.data<T>() = static_cast<T>(sum * params.scale);
  });
}

void distance_loss_input_grad(const Exec&, ConstView pred, ConstView target, ConstView weight,
                              const DistanceParams& params, ConstView grad_y, View grad_pred) {
  visit_floating(pred.dtype, [&]<typename T>() {
    const T scale = static_cast<T>(static_cast<double>(*grad_y.data<T>()) * params.scale);
    parallel_for(pred.numel(), kBlockNumel, [&](std::int64_t begin, std::int64_t end) {
      const T* w = weight.data<T>();
      for (std::int64_t i = begin; i < end; ++i) {
        const T slope = distance_slope<T>(pred.data<T>()[i] - target.data<T>()[i], params);
        grad_pred.data<T>()[i] = slope * (w ? w[i] * scale : scale);
      }
    });
  });
}

void cross_entropy_forward(const Exec& exec, ConstView logits, ConstView index,
                           std::int64_t ignore_index, View loss) {
  const std::int64_t classes = logits.dim(1);
  const std::int64_t* indices = index.data<std::int64_t>();
  visit_floating(logits.dtype, [&]<typename T>() {
    const double sum =
        block_sum(exec, logits.dim(0), rows_of(classes), [&](std::int64_t begin, std::int64_t end) {
          double part = 0;
          for (std::int64_t row = begin; row < end; ++row) {
            if (indices[row] == ignore_index) continue;
            const T* values = logits.data<T>() + row * classes;
            const LogSum s = log_sum(values, classes);
            part += std::log(s.sum) + (s.largest - static_cast<double>(values[indices[row]]));
          }
          return part;
        });
    const std::int64_t count = rows_counted(index, ignore_index);
    *loss.data<T>() = static_cast<T>(sum / static_cast<double>(std::max<std::int64_t>(1, count)));
  });
}

void cross_entropy_input_grad(const Exec&, ConstView logits, ConstView index,
                              std::int64_t ignore_index, ConstView grad_y, View grad_logits) {
  const std::int64_t classes = logits.dim(1);
  const std::int64_t* indices = index.data<std::int64_t>();
  const std::int64_t count = std::max<std::int64_t>(1, rows_counted(index, ignore_index));
  visit_floating(logits.dtype, [&]<typename T>() {
    const double scale = static_cast<double>(*grad_y.data<T>()) / static_cast<double>(count);
    parallel_for(logits.dim(0), rows_of(classes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T* values = logits.data<T>() + row * classes;
        T* out = grad_logits.data<T>() + row * classes;
        if (indices[row] == ignore_index) {
          std::fill_n(out, classes, T(0));
          continue;
        }
        const LogSum s = log_sum(values, classes);
        for (std::int64_t c = 0; c < classes; ++c) {
          const double p = std::exp(static_cast<double>(values[c]) - s.largest) / s.sum;
          out[c] = static_cast<T>(scale * (p - (c == indices[row] ? 1.0 : 0.0)));
        }
      }
    });
  });
}

}  // namespace akimbo::kernels::cpu
