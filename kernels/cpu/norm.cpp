// Batch normalisation on the CPU. Rows are cut into blocks whose bounds depend on the shape only;
// partial sums of blocks are combined in order, in double.
#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

struct RowBlocks {
  std::int64_t rows, channels, rows_per_block, count;
};

RowBlocks row_blocks(const Shape& shape) {
  constexpr std::int64_t kBlockNumel = 1 << 15;  // 128 kB of f32: a thread's start costs less
  constexpr std::int64_t kMaxBlocks = 64;        // bounds the scratch memory
  RowBlocks b{};
  b.channels = shape[-1];
  b.rows = b.channels > 0 ? shape.numel() / b.channels : 0;
  b.rows_per_block = std::max<std::int64_t>({1, kBlockNumel / std::max<std::int64_t>(1, b.channels),
                                             (b.rows + kMaxBlocks - 1) / kMaxBlocks});
  b.count = (b.rows + b.rows_per_block - 1) / b.rows_per_block;
  return b;
}

// Runs sum_rows(begin, end, sums) for each block, where sums is [terms * C] zeros, and returns the
// total over blocks in `totals`.
template <typename F>
void sum_over_blocks(const Exec& exec, const RowBlocks& blocks, std::int64_t terms, double* totals,
                     const F& sum_rows) {
  const std::int64_t width = terms * blocks.channels;
  Scratch<double> partial(
      exec, static_cast<std::size_t>(std::max<std::int64_t>(1, blocks.count * width)));
  parallel_for(blocks.rows, blocks.rows_per_block, [&](std::int64_t begin, std::int64_t end) {
    double* sums = partial.data() + begin / blocks.rows_per_block * width;
    std::fill_n(sums, width, 0.0);
    sum_rows(begin, end, sums);
  });
  std::fill_n(totals, width, 0.0);
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    const double* sums = partial.data() + block * width;
    for (std::int64_t i = 0; i < width; ++i) totals[i] += sums[i];
  }
}

// Two passes, so that nothing cancels when the mean is large against the deviation.
template <typename T>
void mean_and_var(const Exec& exec, const T* x, const RowBlocks& blocks, double* mean,
                  double* var) {
  const std::int64_t channels = blocks.channels;
  const double rows = static_cast<double>(blocks.rows);
  sum_over_blocks(exec, blocks, 1, mean, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t m = begin; m < end; ++m) {
      const T* row = x + m * channels;
      for (std::int64_t c = 0; c < channels; ++c) sums[c] += static_cast<double>(row[c]);
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= rows;
  sum_over_blocks(exec, blocks, 1, var, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t m = begin; m < end; ++m) {
      const T* row = x + m * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        const double d = static_cast<double>(row[c]) - mean[c];
        sums[c] += d * d;
      }
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) var[c] /= rows;
}

template <typename T>
void update_running(View running, const double* batch, double factor, double momentum,
                    std::int64_t channels) {
  if (!running) return;
  T* values = running.data<T>();
  for (std::int64_t c = 0; c < channels; ++c) {
    values[c] = static_cast<T>((1 - momentum) * static_cast<double>(values[c]) +
                               momentum * (batch[c] * factor));
  }
}

template <typename T>
void statistics(const Exec& exec, ConstView x, const BatchNormStatisticsParams& params, View mean,
                View invstd, View running_mean, View running_var) {
  const RowBlocks blocks = row_blocks(x.shape);
  const std::int64_t channels = blocks.channels;
  Scratch<double> moments(exec, static_cast<std::size_t>(2 * channels + 1));
  double* batch_mean = moments.data();
  double* batch_var = moments.data() + channels;
  mean_and_var(exec, x.data<T>(), blocks, batch_mean, batch_var);
  for (std::int64_t c = 0; c < channels; ++c) {
    mean.data<T>()[c] = static_cast<T>(batch_mean[c]);
    invstd.data<T>()[c] = static_cast<T>(1 / std::sqrt(batch_var[c] + params.eps));
  }
  const double rows = static_cast<double>(blocks.rows);
  update_running<T>(running_mean, batch_mean, 1, params.momentum, channels);
  update_running<T>(running_var, batch_var, rows / (rows - 1), params.momentum, channels);
}

template <typename T>
void forward_rows(const BatchNormForwardArgs& a, View y, std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = y.shape[-1];
  const T* mean = a.mean.data<T>();
  const T* invstd = a.invstd.data<T>();
  const T* gamma = a.gamma.data<T>();
  const T* beta = a.beta.data<T>();
  for (std::int64_t m = begin; m < end; ++m) {
    const T* x = a.x.data<T>() + m * channels;
    const T* residual = a.residual ? a.residual.data<T>() + m * channels : nullptr;
    T* out = y.data<T>() + m * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      T value = (x[c] - mean[c]) * (invstd[c] * gamma[c]) + beta[c];
      if (residual) value += residual[c];
      out[c] = a.relu && value < T(0) ? T(0) : value;
    }
  }
}

// sums[0..C) += g, sums[C..2C) += g (x - mean); writes grad_residual on the way.
template <typename T>
void grad_sums(const BatchNormGradArgs& a, std::int64_t begin, std::int64_t end, double* sums) {
  const std::int64_t channels = a.x.shape[-1];
  const T* mean = a.mean.data<T>();
  for (std::int64_t m = begin; m < end; ++m) {
    const std::int64_t row = m * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const bool open = !a.y || a.y.data<T>()[row + c] > T(0);
      const T g = open ? a.grad_y.data<T>()[row + c] : T(0);
      sums[c] += static_cast<double>(g);
      sums[channels + c] +=
          static_cast<double>(g) * static_cast<double>(a.x.data<T>()[row + c] - mean[c]);
      if (a.grad_residual) a.grad_residual.data<T>()[row + c] = g;
    }
  }
}

// grad_x = scale (g - shift - (x - mean) slope), all per channel.
template <typename T>
void grad_rows(const BatchNormGradArgs& a, const T* scale, const T* shift, const T* slope,
               std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = a.x.shape[-1];
  const T* mean = a.mean.data<T>();
  for (std::int64_t m = begin; m < end; ++m) {
    const std::int64_t row = m * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const bool open = !a.y || a.y.data<T>()[row + c] > T(0);
      const T g = open ? a.grad_y.data<T>()[row + c] : T(0);
      a.grad_x.data<T>()[row + c] =
          scale[c] * (g - shift[c] - (a.x.data<T>()[row + c] - mean[c]) * slope[c]);
    }
  }
}

template <typename T>
void gradients(const Exec& exec, const BatchNormGradArgs& a) {
  const RowBlocks blocks = row_blocks(a.x.shape);
  const std::int64_t channels = blocks.channels;
  Scratch<double> sums(exec, static_cast<std::size_t>(2 * channels + 1));
  sum_over_blocks(exec, blocks, 2, sums.data(),
                  [&](std::int64_t begin, std::int64_t end, double* block_sums) {
                    grad_sums<T>(a, begin, end, block_sums);
                  });
  Scratch<T> factors(exec, static_cast<std::size_t>(3 * channels + 1));
  T* scale = factors.data();
  T* shift = scale + channels;
  T* slope = shift + channels;
  const double rows = static_cast<double>(std::max<std::int64_t>(1, blocks.rows));
  for (std::int64_t c = 0; c < channels; ++c) {
    const double invstd = static_cast<double>(a.invstd.data<T>()[c]);
    const double sum_g = sums[static_cast<std::size_t>(c)];
    const double sum_gx = sums[static_cast<std::size_t>(channels + c)];
    if (a.grad_beta) a.grad_beta.data<T>()[c] = static_cast<T>(sum_g);
    if (a.grad_gamma) a.grad_gamma.data<T>()[c] = static_cast<T>(sum_gx * invstd);
    scale[c] = static_cast<T>(static_cast<double>(a.gamma.data<T>()[c]) * invstd);
    shift[c] = a.training ? static_cast<T>(sum_g / rows) : T(0);
    slope[c] = a.training ? static_cast<T>(sum_gx * invstd * invstd / rows) : T(0);
  }
  if (!a.grad_x) return;
  parallel_for(blocks.rows, blocks.rows_per_block, [&](std::int64_t begin, std::int64_t end) {
    grad_rows<T>(a, scale, shift, slope, begin, end);
  });
}

}  // namespace

void batch_norm_statistics(const Exec& exec, ConstView x, const BatchNormStatisticsParams& params,
                           View mean, View invstd, View running_mean, View running_var) {
  visit_floating(x.dtype, [&]<typename T>() {
    statistics<T>(exec, x, params, mean, invstd, running_mean, running_var);
  });
}

void batch_norm_invstd(const Exec&, ConstView var, double eps, View invstd) {
  visit_floating(var.dtype, [&]<typename T>() {
    for (std::int64_t c = 0; c < var.numel(); ++c) {
      invstd.data<T>()[c] =
          static_cast<T>(1 / std::sqrt(static_cast<double>(var.data<T>()[c]) + eps));
    }
  });
}

void batch_norm_forward(const Exec&, const BatchNormForwardArgs& args, View y) {
  const RowBlocks blocks = row_blocks(y.shape);
  visit_floating(y.dtype, [&]<typename T>() {
    parallel_for(blocks.rows, blocks.rows_per_block, [&](std::int64_t begin, std::int64_t end) {
      forward_rows<T>(args, y, begin, end);
    });
  });
}

void batch_norm_grad(const Exec& exec, const BatchNormGradArgs& args) {
  visit_floating(args.x.dtype, [&]<typename T>() { gradients<T>(exec, args); });
}

}  // namespace akimbo::kernels::cpu
