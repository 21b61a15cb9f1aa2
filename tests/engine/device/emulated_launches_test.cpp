// What the engine asks of a GPU, counted on the emulator: passes that are fused or spared do not
// run, and a kernel that fails is named.
#include <gtest/gtest.h>

#include <functional>

#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "engine/nn/conv_bn.h"
#include "engine/nn/init.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "engine/optim/optimizer.h"
#include "kernels/cuda/emulator/launches.h"
#include "kernels/cuda/emulator/stream.h"
#include "tests/engine/device/device.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using testing_support::Environment;
using testing_support::kGpu;
namespace emulator = kernels::cuda::emulator;

int runs_in(const std::string& kernel, const std::function<void()>& work) {
  const int before = emulator::num_runs(kernel);
  work();
  return emulator::num_runs(kernel) - before;
}

// Convolution, batch norm and ReLU, of f32 parameters, that can be trained.
class Block final : public nn::Module {
 public:
  Block() : conv({.in_channels = 8, .out_channels = 16, .kernel = 3}, {.padding = 1}), bn(16) {
    register_module("conv", conv);
    register_module("bn", bn);
    nn::init_default(*this, 3);
    to(kGpu);
    for (auto& [name, parameter] : named_parameters()) parameter.set_requires_grad();
  }
  void backward(const Tensor& x) {
    ops::mean(ops::cast(ops::square(nn::conv_bn(x, conv, bn)), DType::f32), {0, 1, 2, 3})
        .backward();
  }
  nn::Conv2d conv;
  nn::BatchNorm2d bn;
};

Tensor some_maps(DType dtype) {
  Tensor x = Tensor::empty({2, 6, 5, 8});
  nn::init_normal(x, 0, 1, {5, "x"});
  return x.to(dtype).to(kGpu);
}

TEST(Launches, TrainingTakesStatisticsFromTheConvolution) {
  Block block;
  const Tensor x = some_maps(DType::bf16);
  const auto pass = [&] { block.backward(x); };
  EXPECT_EQ(runs_in("batch_norm_statistics", pass), 0);
  EXPECT_EQ(runs_in("batch_norm_statistics_from_sums", pass), 1);
}

TEST(Launches, TheUpdateWritesTheCopiesOfWeights) {
  Block block;
  optim::Adam adam(block.named_parameters());
  const Tensor x = some_maps(DType::bf16);
  const auto step = [&] {
    adam.zero_grad();
    block.backward(x);
    adam.step();
  };
  step();
  const int without_weights = runs_in("cast_forward", step);
  const auto expect_equal_copy = [&] {
    const Tensor& weight = block.conv.weight;
    const Tensor copy = weight.rounded().to(kCpu), wanted = weight.to(kCpu).to(DType::bf16);
    ASSERT_TRUE(weight.is_rounded());
    for (std::int64_t i = 0; i < copy.numel(); ++i) {
      ASSERT_EQ(copy.values<BFloat16>()[i].bits, wanted.values<BFloat16>()[i].bits);
    }
  };
  expect_equal_copy();
  block.conv.weight.fill(0.3);  // by somebody else: the next pass writes the copy
  EXPECT_FALSE(block.conv.weight.is_rounded());
  EXPECT_EQ(runs_in("cast_forward", step), without_weights + 1);
  expect_equal_copy();
}

TEST(Launches, AReplayedUpdateKeepsTheCopies) {
  Block block;
  optim::Sgd sgd(block.named_parameters(), {.learning_rate = 0.5});
  const Tensor x = some_maps(DType::bf16);
  const auto record = [&] {
    block.backward(x);
    sgd.apply_step();
  };
  sgd.begin_step();
  record();
  sgd.zero_grad();
  Graph graph(kGpu);
  graph.capture(record);
  for (int i = 0; i < 2; ++i) {
    sgd.begin_step();
    graph.replay();
    ASSERT_TRUE(block.conv.weight.is_rounded());
    const Tensor copy = block.conv.weight.rounded().to(DType::f32).to(kCpu);
    const Tensor wanted = block.conv.weight.to(DType::bf16).to(DType::f32).to(kCpu);
    for (std::int64_t k = 0; k < copy.numel(); ++k) {
      ASSERT_EQ(copy.values<float>()[k], wanted.values<float>()[k]);
    }
  }
}

// Streams that work later, as a GPU does: the fault shows where somebody waits, or, with
// AKIMBO_SYNC=1, in the op itself.
TEST(Launches, SyncNamesTheKernelThatFailed) {
  const Tensor x = some_maps(DType::f32);
  emulator::set_lazy_streams(true);
  emulator::fail_kernel("relu_forward");
  const auto clear = [] {
    emulator::fail_kernel("");
    emulator::set_lazy_streams(false);
  };
  try {
    Tensor y = ops::relu(x);
    EXPECT_THROWS_WITH((void)y.to(kCpu), std::exception, "relu_forward");
    const Environment sync("AKIMBO_SYNC", "1");
    EXPECT_THROWS_WITH((void)ops::relu(x), std::exception, "relu_forward");
    EXPECT_NO_THROW((void)ops::exp(x));
  } catch (...) {
    clear();
    throw;
  }
  clear();
}

}  // namespace
}  // namespace akimbo
