// Central differences against the gradients of an op, in double.
#pragma once

#include <functional>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::test_support {

struct GradientCheck {
  double step = 1e-5;
  double tolerance = 1e-6;  // largest difference, as a share of the largest gradient of an input
};

// Deterministic values in [-1, 1), different for each seed.
[[nodiscard]] Tensor random_tensor(const Shape& shape, std::uint64_t seed,
                                   DType dtype = DType::f64);

// Checks d(sum of r * function(inputs)) / d(inputs[i]) for every floating input that is defined, r
// being fixed random factors. `function` must be a pure function of the inputs, which are f64
// (index inputs of other types are left alone). Failures are reported by GoogleTest.
void expect_numeric_gradient(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                             const std::vector<Tensor>& inputs, const GradientCheck& check = {});

}  // namespace akimbo::test_support
