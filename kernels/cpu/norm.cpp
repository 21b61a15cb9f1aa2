// Batch normalisation on the CPU: f64 as the formulas stand, f32 through norm_simd.h. Rows are cut
// into blocks whose bounds depend on the shape only; partial sums of blocks are combined in order,
// in double.
#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/cpu/norm_simd.h"

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
  b.rows_per_block = std::max({std::int64_t{1}, kBlockNumel / std::max<std::int64_t>(1, b.channels),
                               (b.rows + kMaxBlocks - 1) / kMaxBlocks});
  b.count = (b.rows + b.rows_per_block - 1) / b.rows_per_block;
  return b;
}

template <typename F>
void for_each_block(const RowBlocks& blocks, const F& f) {
  parallel_for(blocks.rows, blocks.rows_per_block, f);
}

// Runs sum_rows(begin, end, sums) for each block, where sums is [terms * C] zeros, and gives the
// total over blocks in `totals`.
template <typename F>
void sum_over_blocks(const Exec& exec, const RowBlocks& blocks, std::int64_t terms, double* totals,
                     const F& sum_rows) {
  const std::int64_t width = terms * blocks.channels;
  Scratch<double> partial(exec, static_cast<std::size_t>(blocks.count * width + 1));
  for_each_block(blocks, [&](std::int64_t begin, std::int64_t end) {
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

// moments[0..C) = mean, moments[C..2C) = biased variance. In f64 by two passes, so that nothing
// cancels when the mean is large against the deviation; in f32 the squares are exact in double.
void moments_of(const Exec& exec, const double* x, const RowBlocks& blocks, double* moments) {
  const std::int64_t channels = blocks.channels;
  const double rows = static_cast<double>(blocks.rows);
  double* mean = moments;
  double* var = moments + channels;
  sum_over_blocks(exec, blocks, 1, mean, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t c = 0; c < channels; ++c) sums[c] += x[m * channels + c];
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= rows;
  sum_over_blocks(exec, blocks, 1, var, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const double d = x[m * channels + c] - mean[c];
        sums[c] += d * d;
      }
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) var[c] /= rows;
}

void moments_of(const Exec& exec, const float* x, const RowBlocks& blocks, double* moments) {
  const std::int64_t channels = blocks.channels;
  sum_over_blocks(exec, blocks, 2, moments,
                  [=](std::int64_t begin, std::int64_t end, double* sums) {
                    norm_sums(x + begin * channels, end - begin, channels, sums);
                  });
  const double rows = static_cast<double>(blocks.rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double mean = moments[c] / rows;
    const double var = moments[channels + c] / rows - mean * mean;
    moments[c] = mean;
    moments[channels + c] = var < 0 ? 0 : var;  // rounding only; NaN stays
  }
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

struct StatisticsOutputs {
  View mean, invstd, running_mean, running_var;
};

// From moments = {means, biased variances}.
template <typename T>
void write_statistics(const double* moments, double rows, const BatchNormStatisticsParams& params,
                      const StatisticsOutputs& out) {
  const std::int64_t channels = out.mean.numel();
  const double* batch_mean = moments;
  const double* batch_var = moments + channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    out.mean.data<T>()[c] = static_cast<T>(batch_mean[c]);
    out.invstd.data<T>()[c] = static_cast<T>(1 / std::sqrt(batch_var[c] + params.eps));
  }
  update_running<T>(out.running_mean, batch_mean, 1, params.momentum, channels);
  update_running<T>(out.running_var, batch_var, rows / (rows - 1), params.momentum, channels);
}

template <typename T>
void statistics(const Exec& exec, ConstView x, const BatchNormStatisticsParams& params,
                const StatisticsOutputs& out) {
  const RowBlocks blocks = row_blocks(x.shape);
  Scratch<double> moments(exec, static_cast<std::size_t>(2 * blocks.channels + 1));
  moments_of(exec, x.data<T>(), blocks, moments.data());
  write_statistics<T>(moments.data(), static_cast<double>(blocks.rows), params, out);
}

template <typename T>
void statistics_from_sums(const Exec& exec, ConstView sums, double rows,
                          const BatchNormStatisticsParams& params, const StatisticsOutputs& out) {
  const std::int64_t parts = sums.dim(0), channels = sums.dim(2);
  Scratch<double> moments(exec, static_cast<std::size_t>(2 * channels + 1));
  std::fill_n(moments.data(), 2 * channels, 0.0);
  for (std::int64_t p = 0; p < parts; ++p) {
    const T* part = sums.data<T>() + p * 2 * channels;
    for (std::int64_t i = 0; i < 2 * channels; ++i) moments.data()[i] += part[i];
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    double& mean = moments.data()[c];
    double& var = moments.data()[channels + c];
    mean /= rows;
    var = var / rows - mean * mean;
    if (var < 0) var = 0;  // rounding only; NaN stays
  }
  write_statistics<T>(moments.data(), rows, params, out);
}

// The four row loops in f64, with the signatures of norm_simd.h.
void forward_rows(const BatchNormForwardArgs& a, const double* scale, double* y, std::int64_t begin,
                  std::int64_t end) {
  const std::int64_t channels = a.x.shape[-1];
  for (std::int64_t m = begin; m < end; ++m) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t i = m * channels + c;
      double value =
          (a.x.data<double>()[i] - a.mean.data<double>()[c]) * scale[c] + a.beta.data<double>()[c];
      if (a.residual) value += a.residual.data<double>()[i];
      y[i] = a.relu && value < 0 ? 0 : value;
    }
  }
}

void forward_rows(const BatchNormForwardArgs& a, const float* scale, float* y, std::int64_t begin,
                  std::int64_t end) {
  const std::int64_t channels = a.x.shape[-1];
  const std::int64_t at = begin * channels;
  norm_apply({.x = a.x.data<float>() + at,
              .mean = a.mean.data<float>(),
              .scale = scale,
              .beta = a.beta.data<float>(),
              .residual = a.residual ? a.residual.data<float>() + at : nullptr,
              .relu = a.relu,
              .y = y + at},
             end - begin, channels);
}

// gamma invstd, as the forward pass rounds it.
template <typename T>
void forward_scale(ConstView invstd, ConstView gamma, T* scale) {
  for (std::int64_t c = 0; c < gamma.numel(); ++c) {
    scale[c] = invstd.data<T>()[c] * gamma.data<T>()[c];
  }
}

// The operands, and the forward pass's scale for a mask that comes from x.
template <typename T>
struct GradProblem {
  const BatchNormGradArgs& a;
  const T* scale;
};

double masked_grad(const GradProblem<double>& p, std::int64_t i, std::int64_t c) {
  const BatchNormGradArgs& a = p.a;
  const double g = a.grad_y.data<double>()[i];
  if (a.y) return a.y.data<double>()[i] > 0 ? g : 0;
  if (!a.beta) return g;
  const double centred = a.x.data<double>()[i] - a.mean.data<double>()[c];
  return centred * p.scale[c] + a.beta.data<double>()[c] > 0 ? g : 0;
}

// Of the rows from element `at` on.
NormMask mask_of(const GradProblem<float>& p, std::int64_t at) {
  const BatchNormGradArgs& a = p.a;
  if (a.y) return {.y = a.y.data<float>() + at};
  if (!a.beta) return {};
  return {.beta = a.beta.data<float>(), .scale = p.scale};
}

template <typename T>
void grad_sums(const GradProblem<T>& p, std::int64_t begin, std::int64_t end, double* sums) {
  const BatchNormGradArgs& a = p.a;
  const std::int64_t channels = a.x.shape[-1];
  if constexpr (std::is_same_v<T, float>) {
    const std::int64_t at = begin * channels;
    norm_grad_sums({.x = a.x.data<float>() + at,
                    .mean = a.mean.data<float>(),
                    .open = mask_of(p, at),
                    .grad_y = a.grad_y.data<float>() + at,
                    .masked = a.grad_residual ? a.grad_residual.data<float>() + at : nullptr},
                   end - begin, channels, sums);
    return;
  } else {
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t i = m * channels + c;
        const double g = masked_grad(p, i, c);
        sums[c] += g;
        sums[channels + c] += g * (a.x.data<double>()[i] - a.mean.data<double>()[c]);
        if (a.grad_residual) a.grad_residual.data<double>()[i] = g;
      }
    }
  }
}

// grad_x = scale g + slope (x - mean) + shift, all per channel.
template <typename T>
struct GradFactors {
  T *scale, *slope, *shift;
};

void grad_rows(const GradProblem<double>& p, const GradFactors<double>& f, std::int64_t begin,
               std::int64_t end) {
  const BatchNormGradArgs& a = p.a;
  const std::int64_t channels = a.x.shape[-1];
  for (std::int64_t m = begin; m < end; ++m) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t i = m * channels + c;
      const double centred = a.x.data<double>()[i] - a.mean.data<double>()[c];
      a.grad_x.data<double>()[i] =
          f.scale[c] * masked_grad(p, i, c) + (f.slope[c] * centred + f.shift[c]);
    }
  }
}

void grad_rows(const GradProblem<float>& p, const GradFactors<float>& f, std::int64_t begin,
               std::int64_t end) {
  const BatchNormGradArgs& a = p.a;
  const std::int64_t channels = a.x.shape[-1];
  const std::int64_t at = begin * channels;
  // The masked gradient, where it was kept, spares reading y and grad_y again.
  const bool kept = static_cast<bool>(a.grad_residual);
  norm_grad_apply({.x = a.x.data<float>() + at,
                   .mean = a.mean.data<float>(),
                   .open = kept ? NormMask{} : mask_of(p, at),
                   .grad_y = (kept ? a.grad_residual.data<float>() : a.grad_y.data<float>()) + at,
                   .scale = f.scale,
                   .slope = f.slope,
                   .shift = f.shift,
                   .grad_x = a.grad_x.data<float>() + at},
                  end - begin, channels);
}

// From sums = {sum g, sum g (x - mean)} per channel.
template <typename T>
void parameter_grads(const BatchNormGradArgs& a, const double* sums, std::int64_t rows,
                     const GradFactors<T>& f) {
  const std::int64_t channels = a.x.shape[-1];
  const double count = static_cast<double>(std::max<std::int64_t>(1, rows));
  for (std::int64_t c = 0; c < channels; ++c) {
    const double invstd = static_cast<double>(a.invstd.data<T>()[c]);
    const double scale = static_cast<double>(a.gamma.data<T>()[c]) * invstd;
    if (a.grad_beta) a.grad_beta.data<T>()[c] = static_cast<T>(sums[c]);
    if (a.grad_gamma) a.grad_gamma.data<T>()[c] = static_cast<T>(sums[channels + c] * invstd);
    f.scale[c] = static_cast<T>(scale);
    f.slope[c] =
        a.training ? static_cast<T>(-scale * sums[channels + c] * invstd * invstd / count) : T(0);
    f.shift[c] = a.training ? static_cast<T>(-scale * sums[c] / count) : T(0);
  }
}

template <typename T>
void gradients(const Exec& exec, const BatchNormGradArgs& a) {
  const RowBlocks blocks = row_blocks(a.x.shape);
  const std::int64_t channels = blocks.channels;
  const Scratch<T> scale(exec, static_cast<std::size_t>(channels + 1));
  if (a.beta) forward_scale(a.invstd, a.gamma, scale.data());
  const GradProblem<T> problem{a, scale.data()};
  Scratch<double> sums(exec, static_cast<std::size_t>(2 * channels + 1));
  sum_over_blocks(exec, blocks, 2, sums.data(),
                  [&](std::int64_t begin, std::int64_t end, double* block_sums) {
                    grad_sums<T>(problem, begin, end, block_sums);
                  });
  Scratch<T> vectors(exec, static_cast<std::size_t>(3 * channels + 1));
  const GradFactors<T> factors{vectors.data(), vectors.data() + channels,
                               vectors.data() + 2 * channels};
  parameter_grads(a, sums.data(), blocks.rows, factors);
  if (!a.grad_x) return;
  for_each_block(blocks, [&](std::int64_t begin, std::int64_t end) {
    grad_rows(problem, factors, begin, end);
  });
}

}  // namespace

void batch_norm_statistics(const Exec& exec, ConstView x, const BatchNormStatisticsParams& params,
                           View mean, View invstd, View running_mean, View running_var) {
  visit_floating(x.dtype, [&]<typename T>() {
    statistics<T>(exec, x, params, {mean, invstd, running_mean, running_var});
  });
}

void batch_norm_statistics_from_sums(const Exec& exec, ConstView sums, std::int64_t rows,
                                     const BatchNormStatisticsParams& params, View mean,
                                     View invstd, View running_mean, View running_var) {
  visit_floating(sums.dtype, [&]<typename T>() {
    statistics_from_sums<T>(exec, sums, static_cast<double>(rows), params,
                            {mean, invstd, running_mean, running_var});
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

void batch_norm_forward(const Exec& exec, const BatchNormForwardArgs& args, View y) {
  const RowBlocks blocks = row_blocks(y.shape);
  visit_floating(y.dtype, [&]<typename T>() {
    Scratch<T> scale(exec, static_cast<std::size_t>(blocks.channels + 1));
    forward_scale(args.invstd, args.gamma, scale.data());
    for_each_block(blocks, [&](std::int64_t begin, std::int64_t end) {
      forward_rows(args, scale.data(), y.data<T>(), begin, end);
    });
  });
}

void batch_norm_training(const Exec& exec, const BatchNormTrainingArgs& args,
                         const BatchNormTrainingOutputs& out) {
  batch_norm_statistics(exec, args.x, args.params, out.mean, out.invstd, out.running_mean,
                        out.running_var);
  batch_norm_forward(
      exec, {args.x, out.mean, out.invstd, args.gamma, args.beta, args.residual, args.relu}, out.y);
}

void batch_norm_grad(const Exec& exec, const BatchNormGradArgs& args) {
  visit_floating(args.x.dtype, [&]<typename T>() { gradients<T>(exec, args); });
}

}  // namespace akimbo::kernels::cpu
