#include "engine/nn/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/nn/layers.h"

namespace akimbo::nn {
namespace {

class Pair final : public Module {
 public:
  Pair() {
    register_module("conv", conv);
    register_module("deconv", deconv);
    register_module("bn", bn);
  }
  Conv2d conv{{.in_channels = 8, .out_channels = 64, .kernel = 3, .bias = true}};
  ConvTranspose2d deconv{{.in_channels = 64, .out_channels = 8, .kernel = 4}, {.stride = 2}};
  BatchNorm2d bn{8};
};

std::pair<double, double> mean_and_deviation(const Tensor& t) {
  double sum = 0, squares = 0;
  for (const float v : t.values<float>()) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const double n = static_cast<double>(t.numel()), mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean)};
}

double largest(const Tensor& t) {
  double worst = 0;
  for (const float v : t.values<float>()) worst = std::max<double>(worst, std::abs(v));
  return worst;
}

TEST(Init, DefaultsAreTheFrameworksBounds) {
  Pair pair;
  init_default(pair, 1);
  const double bound = 1 / std::sqrt(8.0 * 9), deconv_bound = 1 / std::sqrt(8.0 * 16);
  EXPECT_LE(largest(pair.conv.weight), bound);
  EXPECT_GT(largest(pair.conv.weight), 0.99 * bound);
  EXPECT_LE(largest(pair.conv.bias), bound);
  EXPECT_GT(largest(pair.conv.bias), 0.8 * bound);
  EXPECT_LE(largest(pair.deconv.weight), deconv_bound);
  EXPECT_GT(largest(pair.deconv.weight), 0.99 * deconv_bound);
  EXPECT_EQ(pair.bn.weight.values<float>()[7], 1);
  EXPECT_EQ(pair.bn.running_var.values<float>()[7], 1);
}

TEST(Init, SmallNormalHasItsDeviation) {
  Pair pair;
  init_default(pair, 1);
  init_small_normal(pair, 0.001, 1);
  const auto [mean, deviation] = mean_and_deviation(pair.deconv.weight);  // 8192 values
  EXPECT_NEAR(mean, 0, 4 * 0.001 / std::sqrt(8192.0));
  EXPECT_NEAR(deviation, 0.001, 4 * 0.001 / std::sqrt(2 * 8192.0));
  EXPECT_EQ(largest(pair.conv.bias), 0);
}

TEST(Init, KaimingKeepsTheScale) {
  Tensor weight = Tensor::empty({64, 3, 3, 16});
  init_kaiming_normal(weight, 144, {3, "w"});
  EXPECT_NEAR(mean_and_deviation(weight).second, std::sqrt(2.0 / 144), 0.005);
}

TEST(Init, DependsOnSeedAndNameOnly) {
  Pair a, b, c;
  init_default(a, 1);
  init_default(b, 1);
  init_default(c, 2);
  EXPECT_EQ(a.conv.weight.values<float>()[5], b.conv.weight.values<float>()[5]);
  EXPECT_NE(a.conv.weight.values<float>()[5], c.conv.weight.values<float>()[5]);
  // Of a part, with the prefix of its place, the same numbers come out.
  Conv2d alone({.in_channels = 8, .out_channels = 64, .kernel = 3, .bias = true});
  init_default(alone, 1, "conv.");
  EXPECT_EQ(a.conv.weight.values<float>()[5], alone.weight.values<float>()[5]);
}

TEST(Init, DoubleAndFloatStartAlike) {
  Tensor f = Tensor::empty({100}), d = Tensor::empty({100}, DType::f64);
  init_normal(f, 0, 1, {9, "w"});
  init_normal(d, 0, 1, {9, "w"});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(f.values<float>()[i], static_cast<float>(d.values<double>()[i]));
  }
}

}  // namespace
}  // namespace akimbo::nn
