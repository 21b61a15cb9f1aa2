// The loops of batch normalisation over rows of f32, for the best instruction set of the machine.
// Rows are [rows, channels]; vectors are [channels].
#pragma once

#include <cstdint>

namespace akimbo::kernels::cpu {

// sums[c] += sum_m x[m,c], sums[channels + c] += sum_m x[m,c]^2. The product of two f32 is exact in
// double, so one pass keeps the variance to about 1e-16 of the mean's square.
void norm_sums(const float* x, std::int64_t rows, std::int64_t channels, double* sums);

struct NormApply {
  const float* x;
  const float* mean;
  const float* scale;  // gamma invstd
  const float* beta;
  const float* residual;  // rows like x, or null
  bool relu;
  float* y;
};
// y = (x - mean) scale + beta (+ residual) (ReLU).
void norm_apply(const NormApply& a, std::int64_t rows, std::int64_t channels);

// What a ReLU let through: where y > 0, or, from x, where (x - mean) scale + beta > 0, computed as
// norm_apply does. Everything if both are null.
struct NormMask {
  const float* y = nullptr;     // rows like x
  const float* beta = nullptr;  // [channels]
  const float* scale = nullptr;
};

struct NormGradSums {
  const float* x;
  const float* mean;
  NormMask open;
  const float* grad_y;
  float* masked;  // receives g, or null
};
// sums[c] += sum_m g, sums[channels + c] += sum_m g (x - mean), g being the masked grad_y.
void norm_grad_sums(const NormGradSums& a, std::int64_t rows, std::int64_t channels, double* sums);

struct NormGradApply {
  const float* x;
  const float* mean;
  NormMask open;
  const float* grad_y;
  const float* scale;  // grad_x = scale g + slope (x - mean) + shift
  const float* slope;
  const float* shift;
  float* grad_x;
};
void norm_grad_apply(const NormGradApply& a, std::int64_t rows, std::int64_t channels);

}  // namespace akimbo::kernels::cpu
