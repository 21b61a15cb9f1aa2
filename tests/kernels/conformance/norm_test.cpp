// Batch normalisation of every provider against the formulas of its contract, in double.
#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/oracle.h"

namespace akimbo {
namespace {

using namespace conformance;

class Norm : public ProviderTest {};
AKIMBO_INSTANTIATE_WITH_VENDORS(Norm);

// f32 beside 16-bit rows.
DType vector_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// Rows and channels: fewer than a block's, tails of both, one past a chunk of rows, several chunks,
// several ranges of channels, 16-byte vectors and single elements.
struct Size {
  std::int64_t rows, channels;
};
const std::vector<Size> kSizes = {{2, 1},    {5, 3},    {37, 17},  {33, 64},
                                  {300, 64}, {250, 33}, {4100, 1}, {9, 264}};

Values channel_means(const Values& x, std::int64_t channels) {
  Values mean = filled({channels}, 0);
  const std::int64_t rows = x.numel() / channels;
  for (std::int64_t i = 0; i < x.numel(); ++i) mean[i % channels] += x[i];
  return map(mean, [&](double sum) { return sum / static_cast<double>(rows); });
}

Values channel_variances(const Values& x, const Values& mean) {
  const std::int64_t channels = mean.numel(), rows = x.numel() / channels;
  Values var = filled({channels}, 0);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double d = x[i] - mean[i % channels];
    var[i % channels] += d * d;
  }
  return map(var, [&](double sum) { return sum / static_cast<double>(rows); });
}

// Our threads sum up to 64 rows, in f32; the rest is a tree and double. How a vendor's add up is
// not known.
constexpr double kRun = 64;
double run_length(Provider provider, const Size& size) {
  return provider == Provider::cudnn ? std::max(kRun, static_cast<double>(size.rows)) : kRun;
}
constexpr kernels::BatchNormStatisticsParams kParams{.eps = 1e-3, .momentum = 0.25};

struct Statistics {
  Values mean, invstd, running_mean, running_var;
};

// What the statistics of `x` must be within, and are expected to be; `spread` bounds |x - mean|.
void expect_statistics(const Statistics& actual, const Values& x, DType dtype, double spread,
                       const Values& old_mean, const Values& old_var, const std::string& what,
                       double run = kRun) {
  const Values mean = channel_means(x, old_mean.numel());
  const Values var = channel_variances(x, mean);
  const double rows = static_cast<double>(x.numel() / mean.numel());
  const DType vectors = vector_dtype(dtype);
  const auto mean_error = [&](std::int64_t c) {
    return tolerance(vectors, run, spread) + tolerance(vectors, 2, std::abs(mean[c]));
  };
  const auto var_error = [&](std::int64_t c) {
    return tolerance(vectors, run, spread * spread) + 2 * std::pow(mean_error(c), 2) +
           tolerance(vectors, 4, var[c]);
  };
  expect_close(actual.mean, mean, mean_error, what + " mean");
  const Values invstd = map(var, [](double v) { return 1 / std::sqrt(v + kParams.eps); });
  expect_close(
      actual.invstd, invstd,
      [&](std::int64_t c) {
        return std::pow(invstd[c], 3) * var_error(c) + tolerance(vectors, 2, invstd[c]);
      },
      what + " invstd");
  expect_close(
      actual.running_mean,
      map(old_mean, mean, [](double old, double batch) { return 0.75 * old + 0.25 * batch; }),
      [&](std::int64_t c) { return mean_error(c) + tolerance(vectors, 4, std::abs(old_mean[c])); },
      what + " running_mean");
  expect_close(
      actual.running_var,
      map(old_var, var,
          [&](double old, double batch) { return 0.75 * old + 0.25 * batch * rows / (rows - 1); }),
      [&](std::int64_t c) { return var_error(c) * 2 + tolerance(vectors, 4, old_var[c]); },
      what + " running_var");
}

TEST_P(Norm, Statistics) {
  for (const DType dtype : dtypes()) {
    for (const Size& size : kSizes) {
      const Shape shape{size.rows, size.channels}, vector{size.channels};
      const DType vectors = vector_dtype(dtype);
      const Values x = random_values(shape, 1, dtype, -1, 3);
      const Values old_mean = random_values(vector, 2, vectors);
      const Values old_var = random_values(vector, 3, vectors, 0.5, 2);
      const DeviceTensor dx(provider(), x, dtype);
      const DeviceTensor running_mean(provider(), old_mean, vectors);
      const DeviceTensor running_var(provider(), old_var, vectors);
      const auto mean = poisoned(provider(), vector, vectors);
      const auto invstd = poisoned(provider(), vector, vectors);
      AKIMBO_PROVIDED(batch_norm_statistics)
      (exec(), dx.view(), kParams, mean.view(), invstd.view(), running_mean.view(),
       running_var.view());
      expect_statistics({mean.read(), invstd.read(), running_mean.read(), running_var.read()}, x,
                        dtype, 4, old_mean, old_var,
                        shape.str() + " " + std::string(dtype_name(dtype)));
    }
  }
}

// A mean 1000 times the deviation: squares of x itself would leave nothing of the variance in f32.
TEST_P(Norm, StatisticsFarFromZero) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Values x = map(random_values({700, 6}, 1, DType::f32, -1, 1),
                         [&](double v) { return rounded(v + 1000, dtype); });
    const DeviceTensor dx(provider(), x, dtype);
    const auto mean = poisoned(provider(), {6}, dtype);
    const auto invstd = poisoned(provider(), {6}, dtype);
    AKIMBO_PROVIDED(batch_norm_statistics)
    (exec(), dx.view(), kParams, mean.view(), invstd.view(), {}, {});
    const Values expected_mean = channel_means(x, 6);
    expect_close(mean.read(), expected_mean, tolerance(dtype, 2, 1000), "mean");
    const Values expected = map(channel_variances(x, expected_mean),
                                [](double v) { return 1 / std::sqrt(v + kParams.eps); });
    // The chunks' means are stored in the dtype: 1000 rounded, against a deviation of 0.58.
    const double var_error = tolerance(dtype, kRun, 4) + 2 * unit_roundoff(dtype) * 1000;
    expect_close(
        invstd.read(), expected,
        [&](std::int64_t c) {
          return std::pow(expected[c], 3) * var_error + tolerance(dtype, 2, expected[c]);
        },
        "invstd");
  }
}

TEST_P(Norm, StatisticsFromSums) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t parts : {1, 2, 7, 33, 70}) {
      const std::int64_t channels = 11, rows_of_part = 3;
      const Values x = random_values({parts * rows_of_part, channels}, 5, dtype, -1, 3);
      Values sums = filled({parts, 2, channels}, 0);
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        const std::int64_t part = i / channels / rows_of_part, c = i % channels;
        sums[(part * 2) * channels + c] += x[i];
        sums[(part * 2 + 1) * channels + c] += x[i] * x[i];
      }
      const Values old_mean = random_values({channels}, 2, dtype);
      const Values old_var = random_values({channels}, 3, dtype, 0.5, 2);
      const DeviceTensor dsums(provider(), sums, dtype);
      const DeviceTensor running_mean(provider(), old_mean, dtype);
      const DeviceTensor running_var(provider(), old_var, dtype);
      const auto mean = poisoned(provider(), {channels}, dtype);
      const auto invstd = poisoned(provider(), {channels}, dtype);
      AKIMBO_PROVIDED(batch_norm_statistics_from_sums)
      (exec(), dsums.view(), parts * rows_of_part, kParams, mean.view(), invstd.view(),
       running_mean.view(), running_var.view());
      expect_statistics({mean.read(), invstd.read(), running_mean.read(), running_var.read()}, x,
                        dtype, 4, old_mean, old_var, std::to_string(parts) + " parts");
    }
  }
}

TEST_P(Norm, Invstd) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t channels : {0, 1, 300}) {
      const Values var = random_values({channels}, 1, dtype, 0, 4);
      const DeviceTensor dvar(provider(), var, dtype);
      const auto invstd = poisoned(provider(), {channels}, dtype);
      AKIMBO_PROVIDED(batch_norm_invstd)(exec(), dvar.view(), 1e-3, invstd.view());
      const Values expected = map(var, [](double v) { return 1 / std::sqrt(v + 1e-3); });
      expect_close(invstd.read(), expected,
                   [&](std::int64_t c) { return tolerance(dtype, 2, expected[c]); });
    }
  }
}

// Everything that the forward pass and the gradients read.
struct Problem {
  Shape shape, vector;
  Values x, mean, invstd, gamma, beta, residual, grad_y;
  [[nodiscard]] std::int64_t channels() const { return vector[0]; }
  [[nodiscard]] double centred(std::int64_t i) const { return x[i] - mean[i % channels()]; }
  [[nodiscard]] double scale(std::int64_t i) const {
    return invstd[i % channels()] * gamma[i % channels()];
  }
  [[nodiscard]] double normalised(std::int64_t i) const {
    return centred(i) * scale(i) + beta[i % channels()];
  }
};

Problem problem(const Size& size, DType dtype) {
  const DType vectors = vector_dtype(dtype);
  Problem p;
  p.shape = {size.rows, size.channels};
  p.vector = {size.channels};
  p.x = random_values(p.shape, 1, dtype, -2, 2);
  p.mean = random_values(p.vector, 2, vectors, -0.5, 0.5);
  p.invstd = random_values(p.vector, 3, vectors, 0.5, 1.5);
  p.gamma = random_values(p.vector, 4, vectors, -1.5, 1.5);
  p.beta = random_values(p.vector, 5, vectors, -0.5, 0.5);
  p.residual = random_values(p.shape, 6, dtype);
  p.grad_y = random_values(p.shape, 7, dtype);
  // A value so near zero that rounding may decide its sign would make the mask a matter of luck.
  for (std::int64_t i = 0; i < p.x.numel(); ++i) {
    while (std::abs(p.normalised(i)) < 1e-4) p.x[i] = rounded(p.x[i] + 0.25, dtype);
  }
  return p;
}

TEST_P(Norm, Forward) {
  for (const DType dtype : dtypes()) {
    for (const Size& size : kSizes) {
      const Problem p = problem(size, dtype);
      const DType vectors = vector_dtype(dtype);
      const DeviceTensor mean(provider(), p.mean, vectors), invstd(provider(), p.invstd, vectors),
          gamma(provider(), p.gamma, vectors), beta(provider(), p.beta, vectors),
          residual(provider(), p.residual, dtype);
      for (const bool with_residual : {false, true}) {
        for (const bool relu : {false, true}) {
          const DeviceTensor x(provider(), p.x, dtype);
          // Every second time in place.
          const auto own = poisoned(provider(), p.shape, dtype);
          const DeviceTensor& y = relu ? x : own;
          AKIMBO_PROVIDED(batch_norm_forward)
          (exec(),
           {.x = x.view(),
            .mean = mean.view(),
            .invstd = invstd.view(),
            .gamma = gamma.view(),
            .beta = beta.view(),
            .residual = with_residual ? residual.view() : kernels::View{},
            .relu = relu},
           y.view());
          Values expected = p.x;
          for (std::int64_t i = 0; i < expected.numel(); ++i) {
            const double v = p.normalised(i) + (with_residual ? p.residual[i] : 0);
            expected[i] = relu ? std::max(v, 0.0) : v;
          }
          expect_close(
              y.read(), expected,
              [&](std::int64_t i) {
                return tolerance(dtype, 6, std::abs(p.centred(i) * p.scale(i)) + 0.5 + 1);
              },
              p.shape.str() + " " + std::string(dtype_name(dtype)));
        }
      }
    }
  }
}

// Statistics and forward pass in one call. No mask to be decided by rounding: the error that the
// statistics bring to y is bounded instead.
void check_training(Provider provider, kernels::BatchNormTraining* function,
                    const kernels::Exec& exec, const Size& size, DType dtype, bool with_residual,
                    bool relu) {
  const DType vectors = vector_dtype(dtype);
  const std::string what = Shape{size.rows, size.channels}.str() + " " +
                           std::string(dtype_name(dtype)) + (with_residual ? " residual" : "") +
                           (relu ? " relu" : "");
  const Problem p = problem(size, dtype);
  const Values old_var = random_values(p.vector, 9, vectors, 0.5, 2);
  const DeviceTensor x(provider, p.x, dtype), gamma(provider, p.gamma, vectors),
      beta(provider, p.beta, vectors), residual(provider, p.residual, dtype);
  const DeviceTensor running_mean(provider, p.mean, vectors);
  const DeviceTensor running_var(provider, old_var, vectors);
  const auto mean = poisoned(provider, p.vector, vectors);
  const auto invstd = poisoned(provider, p.vector, vectors);
  const auto y = poisoned(provider, p.shape, dtype);
  function(exec,
           {.x = x.view(),
            .gamma = gamma.view(),
            .beta = beta.view(),
            .residual = with_residual ? residual.view() : kernels::View{},
            .relu = relu,
            .params = kParams},
           {mean.view(), invstd.view(), running_mean.view(), running_var.view(), y.view()});
  const double run = run_length(provider, size), spread = 4;
  expect_statistics({mean.read(), invstd.read(), running_mean.read(), running_var.read()}, p.x,
                    dtype, spread, p.mean, old_var, what, run);
  Problem exact = p;
  exact.mean = channel_means(p.x, size.channels);
  const Values var = channel_variances(p.x, exact.mean);
  exact.invstd = map(var, [](double v) { return 1 / std::sqrt(v + kParams.eps); });
  Values expected = p.x;
  for (std::int64_t i = 0; i < expected.numel(); ++i) {
    const double v = exact.normalised(i) + (with_residual ? p.residual[i] : 0);
    expected[i] = relu ? std::max(v, 0.0) : v;
  }
  expect_close(
      y.read(), expected,
      [&](std::int64_t i) {
        const double invstd_c = exact.invstd[i % size.channels];
        const double mean_error = tolerance(vectors, run, spread);
        const double var_error = tolerance(vectors, run, spread * spread) + 2 * mean_error;
        return std::abs(exact.scale(i)) * mean_error +
               0.5 * std::abs(exact.centred(i) * exact.scale(i)) * invstd_c * invstd_c * var_error +
               tolerance(dtype, 6, std::abs(exact.centred(i) * exact.scale(i)) + 1.5);
      },
      what + " y");
}

TEST_P(Norm, Training) {
  for (const DType dtype : dtypes()) {
    for (const Size& size : kSizes) {
      for (const bool residual : {false, true}) {
        for (const bool relu : {false, true}) {
          check_training(provider(), AKIMBO_PROVIDED(batch_norm_training), exec(), size, dtype,
                         residual, relu);
        }
      }
    }
  }
}

enum class Mask { none, output, recomputed };

struct Case {
  Mask mask;
  bool residual, training;
  bool only_grad_x;  // without residual: no parameter's gradient either
};

// Gradients in double, and beside each the sum of the magnitudes that it was added up from.
struct Gradients {
  Values grad_x, grad_residual, grad_gamma, grad_beta;
  Values x_size, gamma_size, beta_size;
};

Gradients gradients_of(const Problem& p, const Values& mask, const Case& c) {
  const std::int64_t channels = p.channels();
  const double rows = static_cast<double>(p.shape[0]);
  Gradients g{p.grad_y,
              map(p.grad_y, mask, [](double v, double m) { return v * m; }),
              filled(p.vector, 0),
              filled(p.vector, 0),
              p.grad_y,
              filled(p.vector, 0),
              filled(p.vector, 0)};
  const Values& masked = g.grad_residual;
  for (std::int64_t i = 0; i < p.x.numel(); ++i) {
    const std::int64_t ch = i % channels;
    const double xhat = p.centred(i) * p.invstd[ch];
    g.grad_beta[ch] += masked[i];
    g.grad_gamma[ch] += masked[i] * xhat;
    g.beta_size[ch] += std::abs(masked[i]);
    g.gamma_size[ch] += std::abs(masked[i] * xhat);
  }
  for (std::int64_t i = 0; i < p.x.numel(); ++i) {
    const std::int64_t ch = i % channels;
    const double xhat = p.centred(i) * p.invstd[ch];
    const double share = c.training ? 1 / rows : 0;
    g.grad_x[i] =
        p.scale(i) * (masked[i] - share * g.grad_beta[ch] - share * xhat * g.grad_gamma[ch]);
    g.x_size[i] = std::abs(p.scale(i)) * (std::abs(masked[i]) + share * g.beta_size[ch] +
                                          share * std::abs(xhat) * g.gamma_size[ch]);
  }
  return g;
}

void check_gradients(Provider provider, kernels::BatchNormGrad* function, const kernels::Exec& exec,
                     const Problem& p, DType dtype, const Case& c) {
  const DType vectors = vector_dtype(dtype);
  const double run = run_length(provider, {p.shape[0], p.channels()});
  const std::string what = p.shape.str() + " " + std::string(dtype_name(dtype)) + " mask " +
                           std::to_string(static_cast<int>(c.mask)) +
                           (c.residual ? " residual" : "") + (c.training ? " training" : "");
  Values mask = filled(p.shape, 1), y = filled(p.shape, 0);
  for (std::int64_t i = 0; i < p.x.numel(); ++i) {
    y[i] = std::max(0.0, p.normalised(i) + (c.residual ? p.residual[i] : 0));
    // Rounded as the forward pass stores it; but a positive value stays so.
    y[i] = y[i] > 0 ? std::max(rounded(y[i], dtype), 0x1p-12) : 0;
    if (c.mask != Mask::none) mask[i] = y[i] > 0 ? 1 : 0;
  }
  const DeviceTensor x(provider, p.x, dtype), dy(provider, y, dtype),
      grad_y(provider, p.grad_y, dtype), mean(provider, p.mean, vectors),
      invstd(provider, p.invstd, vectors), gamma(provider, p.gamma, vectors),
      beta(provider, p.beta, vectors);
  const auto grad_x = poisoned(provider, p.shape, dtype);
  const auto grad_residual = poisoned(provider, p.shape, dtype);
  const auto grad_gamma = poisoned(provider, p.vector, vectors);
  const auto grad_beta = poisoned(provider, p.vector, vectors);
  const kernels::View none;
  function(exec, {.x = x.view(),
                  .mean = mean.view(),
                  .invstd = invstd.view(),
                  .gamma = gamma.view(),
                  .y = c.mask == Mask::output ? dy.view() : none,
                  .beta = c.mask == Mask::recomputed ? beta.view() : none,
                  .grad_y = grad_y.view(),
                  .training = c.training,
                  .grad_x = grad_x.view(),
                  .grad_gamma = c.only_grad_x ? none : grad_gamma.view(),
                  .grad_beta = c.only_grad_x ? none : grad_beta.view(),
                  .grad_residual = c.residual ? grad_residual.view() : none});
  const Gradients g = gradients_of(p, mask, c);
  expect_close(
      grad_x.read(), g.grad_x, [&](std::int64_t i) { return tolerance(dtype, run, g.x_size[i]); },
      what + " grad_x");
  if (c.residual) expect_equal(grad_residual.read(), g.grad_residual, what + " grad_residual");
  if (c.only_grad_x) return;
  expect_close(
      grad_gamma.read(), g.grad_gamma,
      [&](std::int64_t i) { return tolerance(vectors, run, g.gamma_size[i]); },
      what + " grad_gamma");
  expect_close(
      grad_beta.read(), g.grad_beta,
      [&](std::int64_t i) { return tolerance(vectors, run, g.beta_size[i]); }, what + " grad_beta");
}

TEST_P(Norm, Gradients) {
  const std::vector<Case> cases = {
      {Mask::none, false, true, false},      {Mask::output, false, true, false},
      {Mask::output, true, true, false},     {Mask::recomputed, false, true, false},
      {Mask::none, true, false, true},       {Mask::output, false, false, true},
      {Mask::recomputed, false, false, true}};
  for (const DType dtype : dtypes()) {
    for (const Size& size : kSizes) {
      const Problem p = problem(size, dtype);
      for (const Case& c : cases) {
        check_gradients(provider(), AKIMBO_PROVIDED(batch_norm_grad), exec(), p, dtype, c);
      }
    }
  }
}

}  // namespace
}  // namespace akimbo
