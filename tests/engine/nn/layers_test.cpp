#include "engine/nn/layers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/node.h"
#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/nn/conv_bn.h"
#include "engine/nn/init.h"

namespace akimbo::nn {
namespace {

Tensor random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  init_normal(t, 0, 1, {seed, "x"});
  return t;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape().str(), b.shape().str());
  double worst = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    worst = std::max<double>(worst, std::abs(a.values<float>()[i] - b.values<float>()[i]));
  }
  return worst;
}

void randomise(BatchNorm2d& bn, std::uint64_t seed) {
  init_normal(bn.weight, 1, 0.3, {seed, "weight"});
  init_normal(bn.bias, 0, 1, {seed, "bias"});
  init_normal(bn.running_mean, 0, 1, {seed, "mean"});
  init_uniform(bn.running_var, 0.5, 2, {seed, "var"});
}

TEST(Layers, BatchNormNamesAreInPytorchsOrder) {
  const BatchNorm2d bn(3);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : bn.state()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"weight", "bias", "running_mean", "running_var",
                                             "num_batches_tracked"}));
  EXPECT_EQ(bn.num_batches_tracked.dtype(), DType::i64);
  EXPECT_EQ(bn.num_parameters(), 6);
}

TEST(Layers, BatchNormCountsBatchesInTrainingOnly) {
  BatchNorm2d bn(2);
  const Tensor x = random_tensor({2, 3, 3, 2}, 1);
  (void)bn.forward(x);
  bn.eval();
  (void)bn.forward(x);
  EXPECT_EQ(bn.num_batches_tracked.item(), 1);
  EXPECT_NE(bn.running_mean.values<float>()[0], 0);
}

// With gradients: convolution, then batch norm; without: one folded call. Values differ by
// rounding of sums of 9 * 5 products of magnitude around 1.
template <typename Conv, typename Options>
void expect_fused_is_the_same(const Options& options, bool bias) {
  Conv conv({.in_channels = 5, .out_channels = 7, .kernel = 3, .bias = bias}, options);
  BatchNorm2d bn(7);
  init_default(conv, 3);
  randomise(bn, 4);
  conv.eval();
  bn.eval();
  const Tensor x = random_tensor({2, 6, 5, 5}, 5);
  const Tensor plain_shape = conv.forward(x);
  const Tensor residual = random_tensor(plain_shape.shape(), 6);
  for (const bool relu : {false, true}) {
    for (const Tensor& added : {Tensor(), residual}) {
      const Tensor slow = conv_bn(x, conv, bn, {.relu = relu, .residual = added});
      EXPECT_NE(slow.grad_node(), nullptr);
      const autograd::NoGrad no_grad;
      const Tensor fast = conv_bn(x, conv, bn, {.relu = relu, .residual = added});
      EXPECT_EQ(fast.grad_node(), nullptr);
      EXPECT_LT(largest_difference(slow, fast), 1e-5);
    }
  }
}

TEST(Layers, StateThatIsMovedInIsNotCopied) {
  Conv2d conv({.in_channels = 2, .out_channels = 3});
  std::vector<std::pair<std::string, Tensor>> state = {{"weight", Tensor::full({3, 1, 1, 2}, 4)}};
  const void* memory = state.front().second.raw();
  conv.load_state(state, true, "a test");
  EXPECT_NE(conv.weight.raw(), memory);
  const auto parameters = conv.named_parameters();
  conv.load_state(std::move(state), true, "a test");
  EXPECT_EQ(conv.weight.raw(), memory);
  EXPECT_EQ(parameters.front().second.raw(), memory) << "handles given out before";
  EXPECT_TRUE(conv.weight.requires_grad());
}

// Validation between two epochs packs weights for inference; the next training pass needs the room.
TEST(Layers, TrainingDropsWeightsPackedForInference) {
  Conv2d conv({.in_channels = 64, .out_channels = 64, .kernel = 3}, {.padding = 1});
  ConvTranspose2d deconv({.in_channels = 64, .out_channels = 64, .kernel = 4},
                         {.stride = 2, .padding = 1});
  const Tensor x = Tensor::full({1, 6, 4, 64}, 1);
  const auto in_use = [] { return memory_report(kCpu).in_use_bytes; };
  const std::size_t before = in_use();
  {
    const autograd::NoGrad no_grad;
    (void)deconv.forward(conv.forward(x));
  }
  const std::size_t weights = conv.weight.num_bytes() + deconv.weight.num_bytes();
  EXPECT_GE(in_use(), before + weights);  // packed, they are at least as large
  (void)deconv.forward(conv.forward(x));
  EXPECT_LT(in_use(), before + weights / 8);
}

TEST(ConvBn, FusedConvolutionIsTheSame) {
  expect_fused_is_the_same<Conv2d>(ops::Conv2dOptions{.stride = 2, .padding = 1}, false);
  expect_fused_is_the_same<Conv2d>(ops::Conv2dOptions{.padding = 1}, true);
}

TEST(ConvBn, FusedTransposedConvolutionIsTheSame) {
  const ops::ConvTranspose2dOptions options{.stride = 2, .padding = 1, .output_padding = 1};
  expect_fused_is_the_same<ConvTranspose2d>(options, false);
  expect_fused_is_the_same<ConvTranspose2d>(options, true);
}

TEST(ConvBn, ChangedTensorsAreSeen) {
  Conv2d conv({.in_channels = 2, .out_channels = 3, .kernel = 1});
  BatchNorm2d bn(3);
  init_default(conv, 1);
  bn.eval();
  conv.eval();
  const Tensor x = random_tensor({1, 2, 2, 2}, 2);
  const autograd::NoGrad no_grad;
  const Tensor before = conv_bn(x, conv, bn, {.relu = false});
  bn.bias.fill(1);
  const Tensor shifted = conv_bn(x, conv, bn, {.relu = false});
  EXPECT_NEAR(shifted.values<float>()[0], before.values<float>()[0] + 1, 1e-6);
  conv.weight.fill(0);
  EXPECT_EQ(conv_bn(x, conv, bn, {.relu = false}).values<float>()[0], 1);
  bn.running_mean.fill(-2);  // (0 + 2) / sqrt(1 + 1e-5) + 1
  EXPECT_NEAR(conv_bn(x, conv, bn, {.relu = false}).values<float>()[0], 3, 1e-4);
}

TEST(ConvBn, BatchStatisticsAreUsedInTrainingWithoutGradients) {
  Conv2d conv({.in_channels = 2, .out_channels = 3, .kernel = 1});
  BatchNorm2d bn(3);
  init_default(conv, 1);
  const autograd::NoGrad no_grad;
  (void)conv_bn(random_tensor({1, 4, 4, 2}, 2), conv, bn);
  EXPECT_EQ(bn.num_batches_tracked.item(), 1);
}

TEST(Layers, WrongSizesAreExplained) {
  EXPECT_THROW(Conv2d({.in_channels = 0, .out_channels = 3}), ArgumentError);
  EXPECT_THROW(Conv2d({.in_channels = 3, .out_channels = 4}, {.groups = 2}), ArgumentError);
  EXPECT_THROW(Linear(0, 3), ArgumentError);
}

TEST(Layers, LinearMapsTheLastAxis) {
  Linear linear(2, 1);
  linear.weight.copy_from(Tensor::from_values<float>({1, 2}, {2, 3}));
  linear.bias.fill(1);
  const Tensor y = linear.forward(Tensor::from_values<float>({2, 2}, {1, 1, 0, -1}));
  EXPECT_EQ(y.values<float>()[0], 6);
  EXPECT_EQ(y.values<float>()[1], -2);
}

TEST(MacCounter, AddsUpLayersAndNests) {
  Conv2d conv({.in_channels = 4, .out_channels = 6, .kernel = 3}, {.padding = 1, .groups = 2});
  ConvTranspose2d deconv({.in_channels = 6, .out_channels = 2, .kernel = 2}, {.stride = 2});
  const Tensor x = Tensor::zeros({2, 5, 3, 4});
  const MacCounter outer;
  const Tensor y = conv.forward(x);
  {
    const MacCounter inner;
    (void)deconv.forward(y);
    EXPECT_EQ(inner.macs(), 2 * 5 * 3 * 6 * 2 * 2 * 2);
  }
  EXPECT_EQ(outer.macs(), 2 * 5 * 3 * (6 * 3 * 3 * 2) + 2 * 5 * 3 * 6 * 2 * 2 * 2);
}

}  // namespace
}  // namespace akimbo::nn
