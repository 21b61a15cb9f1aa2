#include <gtest/gtest.h>

#include <cmath>

#include "tests/models/estimators/network_golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {

using test_support::RefLayout;

Gradients gradients_of(const Json& golden, bool training, DType dtype) {
  auto network = golden_net(golden.at("net").get<std::string>(), 17, dtype);
  network->train(training);
  Tensor x = test_support::golden_input(golden.at("input").at(0).get<std::string>(),
                                        shape_of(golden.at("input").at(1)),
                                        RefLayout::channels_second, dtype);
  x.set_requires_grad();
  const Tensor y = network->forward(x);
  const Shape reference = test_support::reference_shape(y.shape(), RefLayout::channels_second);
  const Tensor r =
      test_support::golden_input("grad_output", reference, RefLayout::channels_second, dtype);
  y.backward(r);
  Gradients out;
  const Tensor yd = y.detach().to(DType::f64), rd = r.to(DType::f64);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    out.loss += yd.values<double>()[i] * rd.values<double>()[i];
  }
  out.input = x.grad();
  for (const auto& [name, tensor] : network->named_parameters()) {
    out.parameters.emplace_back(name, tensor.grad());
  }
  return out;
}

double distance(const Tensor& a, const Tensor& b) {
  const Tensor ad = a.detach().to(DType::f64), bd = b.detach().to(DType::f64);
  double sum = 0;
  for (std::int64_t i = 0; i < ad.numel(); ++i) {
    const double d = ad.values<double>()[i] - bd.values<double>()[i];
    sum += d * d;
  }
  return std::sqrt(sum);
}

namespace {

// Values are stored with seven digits: half a unit of the last is 5e-7 of the value at most.
constexpr double kStored = 5e-7;

void expect_double_gradients(const Json& golden, bool training) {
  const Json& mode = golden.at(training ? "train" : "eval");
  const std::string what = golden.at("net").get<std::string>() + (training ? " train" : " eval");
  const Gradients gradients = gradients_of(golden, training, DType::f64);
  EXPECT_NEAR(gradients.loss, mode.at("loss").get<double>(),
              2 * kStored * std::abs(mode.at("loss").get<double>()))
      << what;
  test_support::expect_golden(mode.at("input_gradient"), gradients.input,
                              RefLayout::channels_second, 1e-6, what + " input");
  const Json& params = mode.at("params");
  ASSERT_EQ(gradients.parameters.size(), params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    const auto& [name, grad] = gradients.parameters[i];
    ASSERT_EQ(name, params[i][0].get<std::string>());
    ASSERT_TRUE(grad.defined()) << name;
    const double l2 = params[i][1];
    EXPECT_NEAR(test_support::l2_norm(grad), l2, (1e-6 + kStored) * l2) << what << " " << name;
    const double typical = l2 / std::sqrt(static_cast<double>(grad.numel()));
    const auto samples = test_support::spread_samples(grad, layout_of(name, grad), 8);
    for (std::size_t k = 0; k < samples.size(); ++k) {
      const double expected = params[i][2][k];
      EXPECT_NEAR(samples[k], expected, 1e-6 * typical + 2 * kStored * std::abs(expected))
          << what << " " << name << " sample " << k;
    }
  }
}

// Distances of our f32 gradients from double, beside those of PyTorch's f32 (stored with one
// digit). Both are around 1e-6 until a rounding error flips a ReLU, and a flip costs 1e-5 to 1e-2
// of every gradient below it. Over inputs both codes flip about as often, but not at the same
// places, so `factor` is small only where the reference's run had no flip.
void expect_float_gradients(const Json& golden, bool training, double factor) {
  const Json& mode = golden.at(training ? "train" : "eval");
  const std::string what = golden.at("net").get<std::string>() + (training ? " train" : " eval");
  const Gradients exact = gradients_of(golden, training, DType::f64);
  const Gradients ours = gradients_of(golden, training, DType::f32);
  const Json& params = mode.at("params");
  for (std::size_t i = 0; i < params.size(); ++i) {
    const auto& [name, grad] = ours.parameters[i];
    const double relative = distance(grad, exact.parameters[i].second) /
                            test_support::l2_norm(exact.parameters[i].second);
    const double stored = std::max(params[i][3].get<double>(), 1e-7);
    EXPECT_LE(relative, factor * stored) << what << " " << name;
  }
}

}  // namespace

void check_gradients(const std::string& net, bool training, double float_factor) {
  const auto path = test_support::shared_path("data/golden/topdown/gradients_" + net + ".json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  if (float_factor > 0) {
    expect_float_gradients(io::read_json(*path), training, float_factor);
  } else {
    expect_double_gradients(io::read_json(*path), training);
  }
}

}  // namespace akimbo::models
