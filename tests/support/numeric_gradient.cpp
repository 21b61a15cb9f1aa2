#include "tests/support/numeric_gradient.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/autograd/node.h"

namespace akimbo::test_support {
namespace {

// SplitMix64: small, and the same on every machine.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double next_unit(std::uint64_t& state) {
  return static_cast<double>(next_random(state) >> 11) * 0x1p-53;
}

// Sum of projection * (a - b), element by element, so that what does not change cancels exactly.
double projected_difference(const Tensor& projection, const Tensor& a, const Tensor& b) {
  const auto p = projection.values<double>();
  const auto va = a.values<double>();
  const auto vb = b.values<double>();
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * (va[i] - vb[i]);
  return sum;
}

}  // namespace

Tensor random_tensor(const Shape& shape, std::uint64_t seed, double low, double high, DType dtype) {
  Tensor t = Tensor::empty(shape, DType::f64);
  std::uint64_t state = seed * 0x2545F4914F6CDD1Du + 1;
  double* values = t.data<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) values[i] = low + (high - low) * next_unit(state);
  return t.to(dtype);
}

Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype) {
  return random_tensor(shape, seed, -1, 1, dtype);
}

Tensor distinct_tensor(const Shape& shape, std::uint64_t seed, double low, double high,
                       DType dtype) {
  Tensor t = Tensor::empty(shape, DType::f64);
  std::vector<std::int64_t> order(static_cast<std::size_t>(t.numel()));
  std::iota(order.begin(), order.end(), 0);
  std::uint64_t state = seed * 0x2545F4914F6CDD1Du + 1;
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[next_random(state) % i]);
  }
  double* values = t.data<double>();
  const double step = (high - low) / std::max<double>(1, static_cast<double>(order.size()));
  for (std::size_t i = 0; i < order.size(); ++i) {
    values[i] = low + step * (static_cast<double>(order[i]) + 0.5);
  }
  return t.to(dtype);
}

Tensor leaf(Tensor tensor) {
  tensor.set_requires_grad();
  return tensor;
}

::testing::AssertionResult gradients_match(
    const std::function<Tensor(const std::vector<Tensor>&)>& function, std::vector<Tensor> inputs,
    const GradientCheck& options) {
  for (Tensor& input : inputs) {
    if (input.defined() && input.requires_grad()) input.set_grad(Tensor());
  }
  const Tensor y = function(inputs);
  if (y.dtype() != DType::f64) {
    return ::testing::AssertionFailure() << "the function gave " << dtype_name(y.dtype());
  }
  const Tensor projection = random_tensor(y.shape(), options.seed);
  y.backward(projection);

  const autograd::NoGrad no_grad;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].defined() || !inputs[k].requires_grad()) continue;
    const Tensor grad = inputs[k].grad();
    if (!grad.defined()) {
      return ::testing::AssertionFailure() << "input " << k << " got no gradient";
    }
    if (!(grad.shape() == inputs[k].shape())) {
      return ::testing::AssertionFailure()
             << "input " << k << " got a gradient of shape " << grad.shape().str();
    }
    std::vector<Tensor> moved = inputs;
    moved[k] = inputs[k].clone();
    double* element = moved[k].data<double>();
    const auto evaluate = [&](std::int64_t i, double offset) {
      const double kept = element[i];
      element[i] = kept + offset;
      const Tensor result = function(moved).clone();
      element[i] = kept;
      return result;
    };
    const auto analytic = grad.values<double>();
    double scale = 1e-5;  // below this, rounding of the differences shows
    for (const double g : analytic) scale = std::max(scale, std::abs(g));
    const std::int64_t count = inputs[k].numel();
    const std::int64_t stride = std::max<std::int64_t>(1, count / options.max_elements);
    for (std::int64_t i = 0; i < count; i += stride) {
      const double h = options.step;
      const double near = projected_difference(projection, evaluate(i, h), evaluate(i, -h));
      const double far = projected_difference(projection, evaluate(i, 2 * h), evaluate(i, -2 * h));
      const double numeric = (8 * near - far) / (12 * h);
      const double given = analytic[static_cast<std::size_t>(i)];
      scale = std::max(scale, std::abs(numeric));
      if (!(std::abs(given - numeric) <= options.tolerance * scale)) {
        return ::testing::AssertionFailure()
               << "input " << k << " element " << i << ": backward gives " << given
               << ", central differences " << numeric << " (largest gradient " << scale << ")";
      }
    }
  }
  return ::testing::AssertionSuccess();
}

void expect_numeric_gradient(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                             const std::vector<Tensor>& inputs, const GradientCheck& check) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.defined() ? input.clone() : Tensor());
    if (input.defined() && input.dtype() == DType::f64) leaves.back().set_requires_grad();
  }
  EXPECT_TRUE(gradients_match(function, leaves, check));
}

double max_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  if (!(a.shape() == b.shape())) return std::nan("");
  const Tensor wide_a = a.to(DType::f64);
  const Tensor wide_b = b.to(DType::f64);
  const auto va = wide_a.values<double>();
  const auto vb = wide_b.values<double>();
  double largest = 0;
  for (std::size_t i = 0; i < va.size(); ++i) {
    if (va[i] == vb[i] || (std::isnan(va[i]) && std::isnan(vb[i]))) continue;
    const double difference = std::abs(va[i] - vb[i]);
    if (!(difference <= largest)) largest = difference;
    if (std::isnan(largest)) return largest;
  }
  return largest;
}

}  // namespace akimbo::test_support
