// Contract of batch normalisation. x, y and their gradients are [..., C] seen as M rows of C
// channels, of one dtype: f32, f64, and on CUDA bf16 or f16; vectors are [C], f32 beside 16-bit
// rows, else of the rows' dtype. Contiguous; no output may alias an input unless said so. Sums are
// taken over fixed blocks of rows: in double on the CPU; on CUDA in f32 over short runs (f64 for
// f64) and in double over runs. The order depends on the shape only.
#pragma once

#include <cstdint>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

struct BatchNormStatisticsParams {
  double eps = 1e-5;
  double momentum = 0.1;  // weight of the batch in the running values
};

// mean[c] = sum_m x[m,c] / M,  var[c] = sum_m (x[m,c] - mean[c])^2 / M,
// invstd[c] = 1 / sqrt(var[c] + eps). Unless empty, the running values are updated in place:
// running_mean = (1 - momentum) running_mean + momentum mean, running_var likewise with the
// unbiased variance, var M / (M - 1). M >= 2.
using BatchNormStatistics = void(const Exec&, ConstView x, const BatchNormStatisticsParams&,
                                 View mean, View invstd, View running_mean, View running_var);

// The same from sums that a convolution's epilogue took while it wrote x: sums [P,2,C], f32 (f64
// for f64 vectors), sums[p,0,c] = sum of x[m,c] and sums[p,1,c] = sum of x[m,c]^2 over the rows of
// part p. `rows` is M, the rows of all parts. The parts are added in double, in an order that
// depends on the shape only. The variance is a difference of squares: exact enough while
// |mean| stays below some hundred deviations, as behind a convolution.
using BatchNormStatisticsFromSums = void(const Exec&, ConstView sums, std::int64_t rows,
                                         const BatchNormStatisticsParams&, View mean, View invstd,
                                         View running_mean, View running_var);

// invstd[c] = 1 / sqrt(var[c] + eps).
using BatchNormInvstd = void(const Exec&, ConstView var, double eps, View invstd);

struct BatchNormForwardArgs {
  ConstView x, mean, invstd, gamma, beta;
  ConstView residual;  // shape of x, or empty
  bool relu = false;
};

// y = (x - mean) (invstd gamma) + beta (+ residual), then max(., 0) with `relu` (NaN stays NaN).
// y may alias x or residual.
using BatchNormForward = void(const Exec&, const BatchNormForwardArgs&, View y);

struct BatchNormTrainingArgs {
  ConstView x, gamma, beta;
  ConstView residual;  // shape of x, or empty
  bool relu = false;
  BatchNormStatisticsParams params;
};
struct BatchNormTrainingOutputs {
  View mean, invstd;
  View running_mean, running_var;  // updated in place, or both empty
  View y;
};

// Both in one call: batch_norm_statistics of x, and batch_norm_forward with what it finds. Nothing
// may alias.
using BatchNormTraining = void(const Exec&, const BatchNormTrainingArgs&,
                               const BatchNormTrainingOutputs&);

struct BatchNormGradArgs {
  ConstView x, mean, invstd, gamma;
  ConstView y;  // with ReLU: the output, whose sign is the mask; else empty
  // With ReLU and no residual, instead of y: the mask is worked out again from x, which spares
  // reading y in both passes.
  ConstView beta;
  ConstView grad_y;
  bool training = false;  // mean and invstd are the batch's own and depend on x
  // Outputs; each may be empty.
  View grad_x, grad_gamma, grad_beta;
  View grad_residual;  // the masked grad_y
};

// With g = grad_y (masked), xhat = (x - mean) invstd:
//   grad_beta = sum_m g,  grad_gamma = sum_m g xhat,  grad_residual = g,
//   grad_x = gamma invstd (g - grad_beta / M - xhat grad_gamma / M)   in training,
//   grad_x = gamma invstd g                                           otherwise.
using BatchNormGrad = void(const Exec&, const BatchNormGradArgs&);

namespace cpu {
BatchNormStatistics batch_norm_statistics;
BatchNormStatisticsFromSums batch_norm_statistics_from_sums;
BatchNormInvstd batch_norm_invstd;
BatchNormForward batch_norm_forward;
BatchNormTraining batch_norm_training;
BatchNormGrad batch_norm_grad;
}  // namespace cpu

namespace cuda {
BatchNormStatistics batch_norm_statistics;
BatchNormStatisticsFromSums batch_norm_statistics_from_sums;
BatchNormInvstd batch_norm_invstd;
BatchNormForward batch_norm_forward;
BatchNormTraining batch_norm_training;
BatchNormGrad batch_norm_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
