// Training on a GPU: a network of a few channels gives the CPU's losses, replayed steps those of
// steps run one by one, and a resumed run those of one that was never stopped.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "apps/train/train_step.h"
#include "datasets/meta.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/pose/heatmap_decode.h"
#include "inference/network_runner.h"
#include "kernels/device_runtime.h"
#include "tests/apps/device/tiny_training.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

TEST_F(DeviceTraining, StartsFromTheCpusWeights) {
  TinyTraining cpu(tiny_config(), kCpu), gpu(tiny_config(), kGpu);
  expect_same_bits(cpu, gpu);
}

TEST_F(DeviceTraining, GivesTheCpusLosses) {
  Config config = tiny_config(64);
  config.train.clip_norm = 0.05;
  config.train.ema_decay = 0.9;
  TinyTraining cpu(config, kCpu), gpu(config, kGpu);
  const std::vector<double> wanted = cpu.train(0, 4), got = gpu.train(0, 4);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-4 * wanted[i]) << "step " << i;
  }
  EXPECT_NEAR(gpu.last.grad_norm, cpu.last.grad_norm, 1e-3 * cpu.last.grad_norm);
  EXPECT_LT(wanted.back(), wanted.front()) << "it learns";
  const auto counted = [](TinyTraining& run) {
    for (const auto& [name, tensor] : run.state.network().state()) {
      if (name == "bn1.num_batches_tracked") return tensor.item();
    }
    return -1.0;
  };
  EXPECT_EQ(counted(gpu), 4);
}

// The whole curve, on batches that come again so that there is something to learn.
TEST_F(DeviceTraining, GivesTheCpusLossesOver50Steps) {
  if (std::getenv("AKIMBO_LONG_TESTS") == nullptr && kernels::cuda::is_emulated()) {
    GTEST_SKIP() << "takes a minute on the emulator; set AKIMBO_LONG_TESTS=1";
  }
  Config config = tiny_config(64);
  const auto curve = [&](const std::string& precision, Device device) {
    config.train.precision = precision;
    TinyTraining run(config, device);
    std::vector<double> losses;
    for (int step = 0; step < 50; ++step) {
      losses.push_back(run.train(step % 4, step % 4 + 1)[0]);
    }
    return losses;
  };
  const std::vector<double> wanted = curve("f32", kCpu), got = curve("f32", kGpu);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-3 * wanted[i]) << "step " << i;
  }
  EXPECT_LT(wanted.back(), 0.7 * wanted.front()) << "it learns";
  // bf16 goes its own way in single steps, and arrives at the same.
  const auto end = [](const std::vector<double>& losses) {
    return std::accumulate(losses.end() - 8, losses.end(), 0.0) / 8;
  };
  const std::vector<double> rounded = curve("bf16", kGpu);
  EXPECT_NEAR(end(rounded), end(wanted), 0.05 * end(wanted));
}

TEST_F(DeviceTraining, SgdGivesTheCpusLosses) {
  Config config = tiny_config();
  config.train.optimizer.type = "sgd";
  config.train.optimizer.lr = 0.05;
  config.train.optimizer.weight_decay = 1e-3;
  TinyTraining cpu(config, kCpu), gpu(config, kGpu);
  const std::vector<double> wanted = cpu.train(0, 3), got = gpu.train(0, 3);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-4 * wanted[i]) << "step " << i;
  }
}

TEST_F(DeviceTraining, ReplayedStepsEqualThoseRunOneByOne) {
  Config eager_config = tiny_config(), recorded_config = tiny_config();
  eager_config.train.ema_decay = recorded_config.train.ema_decay = 0.9;
  eager_config.train.cuda_graph = false;
  TinyTraining eager(eager_config, kGpu), replayed(recorded_config, kGpu);
  EXPECT_EQ(eager.train(0, 5), replayed.train(0, 5));
  EXPECT_FALSE(eager.is_captured());
  EXPECT_TRUE(replayed.is_captured());
  EXPECT_EQ(eager.last.accuracy.per_keypoint, replayed.last.accuracy.per_keypoint);
  expect_same_bits(eager, replayed);
  eager.state.average()->exchange();
  replayed.state.average()->exchange();
  expect_same_bits(eager, replayed);
}

TEST_F(DeviceTraining, GoesOnFromACheckpointWithTheSameBits) {
  const testing_support::ScratchFolder folder;
  Config config = tiny_config();
  config.train.ema_decay = 0.9;
  TinyTraining whole(config, kGpu);
  std::vector<double> wanted = whole.train(0, 3);
  whole.state.save(folder.file("checkpoint.safetensors"));
  const std::vector<double> rest = whole.train(3, 6);
  TinyTraining resumed(config, kGpu);
  (void)resumed.state.resume(folder.file("checkpoint.safetensors"));
  EXPECT_EQ(resumed.train(3, 6), rest);
  expect_same_bits(whole, resumed);
  whole.state.check_finite("");
}

TEST_F(DeviceTraining, PredictsAsTheCpuDoes) {
  TinyTraining cpu(tiny_config(), kCpu), gpu(tiny_config(), kGpu);
  (void)cpu.train(0, 1);
  const testing_support::ScratchFolder folder;
  cpu.state.save(folder.file("checkpoint.safetensors"));
  (void)gpu.state.resume(folder.file("checkpoint.safetensors"));
  cpu.state.network().eval();
  gpu.state.network().eval();
  NetworkRunner on_cpu(cpu.state.network(), {}, kCpu), on_gpu(gpu.state.network(), {}, kGpu);
  for (int i = 0; i < 4; ++i) {  // at once, recorded, replayed twice
    const Tensor x = batch_of(i, kCpu).input;
    const Tensor wanted = on_cpu.forward(x), maps = on_gpu.forward(x), got = maps.to(kCpu);
    double largest = 0;
    for (const float v : wanted.values<float>()) largest = std::max<double>(largest, std::abs(v));
    for (std::int64_t k = 0; k < wanted.numel(); ++k) {
      ASSERT_NEAR(got.values<float>()[k], wanted.values<float>()[k], 1e-4 * largest) << i;
    }
    const Tensor peaks = heatmap_argmax(wanted), found = heatmap_argmax(maps);
    for (std::int64_t k = 0; k < peaks.numel(); k += 3) {
      EXPECT_NEAR(found.values<float>()[k], peaks.values<float>()[k], 1e-6);
    }
  }
  EXPECT_EQ(on_gpu.num_graphs(), 1u);
}

class Precision : public DeviceTraining, public testing::WithParamInterface<const char*> {};

// 8 bits of mantissa, and twenty layers that each round: the losses agree to a few per cent.
TEST_P(Precision, GivesNearlyTheSameLosses) {
  Config config = tiny_config(64);
  TinyTraining exact(config, kGpu);
  config.train.precision = GetParam();
  TinyTraining rounded(config, kGpu);
  for (int i = 0; i < 3; ++i) {
    const double wanted = exact.train(i, i + 1)[0], got = rounded.train(i, i + 1)[0];
    EXPECT_NEAR(got, wanted, 0.03 * wanted) << "step " << i;
    EXPECT_FALSE(rounded.last.skipped);
    if (i > 0) continue;  // later ones are of other weights
    EXPECT_NEAR(rounded.last.grad_norm, exact.last.grad_norm, 0.1 * exact.last.grad_norm)
        << "a loss scale is undone";
  }
  for (const auto& [name, tensor] : rounded.state.network().named_parameters()) {
    EXPECT_EQ(tensor.dtype(), DType::f32) << name;
  }
}
INSTANTIATE_TEST_SUITE_P(All, Precision, testing::Values("tf32", "bf16", "f16"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(DeviceTraining, AnOverflowSkipsTheStepAndLowersTheScale) {
  Config config = tiny_config();
  config.train.precision = "f16";
  TinyTraining run(config, kGpu), untouched(config, kGpu);
  run.state.loss_scale()->set_state({.scale = 1e12});
  (void)run.train(0, 1);
  EXPECT_TRUE(run.last.skipped);
  EXPECT_TRUE(std::isfinite(run.last.loss));
  EXPECT_EQ(run.state.loss_scale()->state().scale, 0.5e12);
  for (std::size_t i = 0; i < untouched.state.network().named_parameters().size(); ++i) {
    const auto [name, was] = untouched.state.network().named_parameters()[i];
    const Tensor is = run.state.network().named_parameters()[i].second.to(kCpu);
    const Tensor before = was.to(kCpu);
    for (std::int64_t k = 0; k < is.numel(); ++k) {
      ASSERT_EQ(is.values<float>()[k], before.values<float>()[k]) << name;
    }
  }
  run.state.loss_scale()->set_state({.scale = 1024, .num_good_steps = 3});
  (void)run.train(1, 3);
  EXPECT_FALSE(run.last.skipped);
  EXPECT_EQ(run.state.loss_scale()->state().num_good_steps, 5);
  for (const auto& [name, tensor] : run.state.optimizer().state()) {
    if (name == "num_updates") {
      EXPECT_EQ(tensor.values<std::int64_t>()[0], 2) << "the skipped step is not counted";
    }
  }
}

TEST_F(DeviceTraining, GoesOnWithASmallerBatchAfterMemoryWasOut) {
  TinyTraining run(tiny_config(), kGpu);
  (void)run.train(0, 1);
  const std::vector<double> fits = run.train(1, 2);
  {
    const testing_support::Environment limit("AKIMBO_EMULATED_MEMORY", "3000000");
    TrainStep step(run.state);
    EXPECT_THROWS_WITH(step.run(batch_of(2, kGpu, 64), 1e-3), DeviceError, "is out of memory");
  }
  EXPECT_TRUE(std::isfinite(run.train(2, 3)[0]));
}

TEST(CpuTraining, SaysThatSixteenBitsNeedAGpu) {
  for (const char* precision : {"bf16", "f16"}) {
    Config config = tiny_config();
    config.train.precision = precision;
    TrainState state(tiny_config(), datasets::skeleton_by_name("coco"), kCpu);
    EXPECT_THROWS_WITH(TinyTraining(config, kCpu), ConfigError,
                       std::string(precision) + " needs a GPU");
  }
}

}  // namespace
}  // namespace akimbo::apps
