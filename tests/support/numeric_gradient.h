// Checks gradients against central differences in double. For the tests of every op and module.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::test_support {

// Uniform values in [low, high), or [-1, 1), the same for the same seed.
[[nodiscard]] Tensor random_tensor(const Shape& shape, std::uint64_t seed, double low, double high,
                                   DType dtype = DType::f64);
[[nodiscard]] Tensor random_tensor(const Shape& shape, std::uint64_t seed,
                                   DType dtype = DType::f64);

// Like random_tensor, but no two values closer than about (high - low) / numel: for functions with
// kinks where inputs tie (max pooling, sorting).
[[nodiscard]] Tensor distinct_tensor(const Shape& shape, std::uint64_t seed, double low = -1,
                                     double high = 1, DType dtype = DType::f64);

// The tensor itself, marked as a leaf that wants a gradient.
[[nodiscard]] Tensor leaf(Tensor tensor);

struct GradientCheck {
  double step = 1e-4;       // in units of the input; keep inputs two steps away from kinks
  double tolerance = 1e-6;  // largest difference, as a share of the largest gradient of an input
  std::int64_t max_elements = 400;  // elements checked per input, spread evenly
  std::uint64_t seed = 7;           // of the projection
};

// y = function(inputs) is projected on random numbers; the gradient of that sum with respect to
// each input that requires one, as backward() gives it, is compared with the five-point central
// difference. Inputs are f64 leaves; the function must give the same result each time it is called
// and must not keep state between calls.
[[nodiscard]] ::testing::AssertionResult gradients_match(
    const std::function<Tensor(const std::vector<Tensor>&)>& function, std::vector<Tensor> inputs,
    const GradientCheck& options = {});

// The same with copies of the inputs: every defined f64 input is a leaf. Failures are reported by
// GoogleTest.
void expect_numeric_gradient(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                             const std::vector<Tensor>& inputs, const GradientCheck& check = {});

// Largest absolute difference of two tensors of one shape (any floating dtypes), as double; NaN
// where either is NaN and the other is not.
[[nodiscard]] double max_difference(const Tensor& a, const Tensor& b);

}  // namespace akimbo::test_support
