// Shapes of a convolution, and what its tests share: references in double, tolerances of sums.
#pragma once

#include <cmath>
#include <functional>
#include <string>

#include "kernels/common/exec.h"
#include "kernels/conv.h"
#include "tests/kernels/conformance/conformance.h"

namespace akimbo::conformance {

// A convolution reads big and writes small with w; a transposed one the other way, with
// w_transposed.
struct ConvCase {
  Shape big, small, w, w_transposed;
  kernels::Conv2dParams params;

  [[nodiscard]] std::string str() const {
    return big.str() + " <-> " + small.str() + ", w " + w.str() + " stride " +
           std::to_string(params.stride) + " padding " + std::to_string(params.padding) +
           " dilation " + std::to_string(params.dilation) + " groups " +
           std::to_string(params.groups);
  }
};

[[nodiscard]] inline ConvCase conv_case(std::int64_t n, std::int64_t rows, std::int64_t cols,
                                        std::int64_t inputs, std::int64_t outputs, std::int64_t kh,
                                        std::int64_t kw, kernels::Conv2dParams p) {
  const auto extent = [&](std::int64_t x, std::int64_t k) {
    return (x + 2 * p.padding - p.dilation * (k - 1) - 1) / p.stride + 1;
  };
  return {{n, rows, cols, inputs},
          {n, extent(rows, kh), extent(cols, kw), outputs},
          {outputs, kh, kw, inputs / p.groups},
          {inputs, kh, kw, outputs / p.groups},
          p};
}

// The plain loops need no scratch memory.
[[nodiscard]] inline const kernels::Exec& plain_exec() {
  static const kernels::Exec exec;
  return exec;
}
[[nodiscard]] inline kernels::View plain_view(Values& v) {
  return {v.at.data(), DType::f64, v.shape};
}
[[nodiscard]] inline kernels::ConstView plain_view(const Values& v) {
  return {v.at.data(), DType::f64, v.shape};
}

[[nodiscard]] inline Values absolute(const Values& x) {
  return map(x, [](double v) { return std::abs(v); });
}

// Of sums of products whose absolute values add up to magnitude[i]: each factor is rounded to tf32
// (2^-11) when that is on; some hundred additions in f32 (f64), in any order, with the usual
// growth of a blocked sum; one rounding to the result's type.
[[nodiscard]] inline std::function<double(std::int64_t)> sum_tolerance(const Values& expected,
                                                                       const Values& magnitude,
                                                                       DType result, DType operand,
                                                                       bool tf32) {
  const double store = unit_roundoff(result);
  const double add = unit_roundoff(operand == DType::f64 ? DType::f64 : DType::f32) * 64;
  const double factors = tf32 ? 2 * 0x1p-11 : 0;
  return [=, &expected, &magnitude](std::int64_t i) {
    return store * std::abs(expected[i]) * 1.01 + (add + factors) * (1 + store) * magnitude[i] +
           1e-30;
  };
}

}  // namespace akimbo::conformance
