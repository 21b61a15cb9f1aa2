#include "tests/support/numeric_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/autograd/node.h"

namespace akimbo::test_support {
namespace {

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    sum += a.values<double>()[static_cast<std::size_t>(i)] *
           b.values<double>()[static_cast<std::size_t>(i)];
  }
  return sum;
}

}  // namespace

Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype) {
  Tensor t = Tensor::empty(shape, DType::f64);
  double* out = t.data<double>();
  std::uint64_t state = seed;
  for (std::int64_t i = 0; i < t.numel(); ++i) {  // splitmix64
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    out[i] = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0;
  }
  return t.to(dtype);
}

void expect_numeric_gradient(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                             const std::vector<Tensor>& inputs, const GradientCheck& check) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.defined() ? input.clone() : Tensor());
    if (input.defined() && input.dtype() == DType::f64) leaves.back().set_requires_grad();
  }
  const Tensor y = function(leaves);
  ASSERT_EQ(y.dtype(), DType::f64);
  const Tensor factors = random_tensor(y.shape(), 0x5eed);
  y.backward(factors);

  const autograd::NoGrad no_grad;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    if (!leaves[k].defined() || leaves[k].dtype() != DType::f64) continue;
    ASSERT_TRUE(leaves[k].grad().defined()) << "input " << k << " got no gradient";
    std::vector<Tensor> moved = inputs;
    moved[k] = inputs[k].clone();
    double largest = 0, largest_difference = 0;
    std::int64_t worst = 0;
    for (std::int64_t i = 0; i < leaves[k].numel(); ++i) {
      const double at = moved[k].data<double>()[i];
      moved[k].data<double>()[i] = at + check.step;
      const double above = dot(function(moved), factors);
      moved[k].data<double>()[i] = at - check.step;
      const double below = dot(function(moved), factors);
      moved[k].data<double>()[i] = at;
      const double numeric = (above - below) / (2 * check.step);
      const double given = leaves[k].grad().values<double>()[static_cast<std::size_t>(i)];
      largest = std::max(largest, std::abs(numeric));
      const double difference = std::abs(numeric - given);
      if (!(difference <= largest_difference)) {
        largest_difference = difference;
        worst = i;
      }
    }
    EXPECT_TRUE(largest_difference <= check.tolerance * std::max(largest, 1e-3))
        << "input " << k << " " << leaves[k].shape().str() << ": gradient of element " << worst
        << " is off by " << largest_difference << ", the largest gradient is " << largest;
  }
}

}  // namespace akimbo::test_support
