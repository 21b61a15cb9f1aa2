// Training on a GPU: a network of a few channels gives the CPU's losses, replayed steps those of
// steps run one by one, and a resumed run those of one that was never stopped.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "inference/network_runner.h"
#include "apps/train/train_step.h"
#include "datasets/meta.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/pose/heatmap_decode.h"
#include "kernels/device_runtime.h"
#include "tests/engine/device/device.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

using testing_support::kGpu;

// A picture of 32 pixels ends as one cell, of which two pictures make a batch norm's batch: enough
// to compare bits. Where values are compared across roundings, 64 pixels keep training stable.
Config tiny_config(int side = 32) {
  Config config;
  config.model = {{"name", "pose_resnet"}, {"depth", 18},
                  {"style", "pytorch"},    {"width", 4},
                  {"deconv_filters", {8}}, {"deconv_kernels", {4}}};
  config.codec.input_size = {side, side};
  config.codec.heatmap_size = {side / 16, side / 16};
  config.train.batch_size = 2;
  config.train.optimizer.lr = 1e-3;
  config.train.seed = 7;
  config.train.deterministic = true;
  return config_from_json(config_to_json(config));
}

Tensor random_tensor(const Shape& shape, const std::string& name, double low, double high) {
  RandomStream random(11, stream_of(name));
  Tensor t = Tensor::empty(shape);
  float* values = t.data<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    values[i] = static_cast<float>(random.uniform(low, high));
  }
  return t;
}

DeviceBatch batch_of(int number, Device device, std::int64_t size = 2, int side = 32) {
  const std::string n = std::to_string(number);
  const std::int64_t cells = side / 16;
  return {.host = {},
          .input = random_tensor({size, side, side, 3}, "input" + n, -2, 2).to(device),
          .target = random_tensor({size, cells, cells, 17}, "target" + n, 0, 1).to(device),
          .weight = random_tensor({size, 17}, "weight" + n, 0.2, 1).to(device)};
}

class TinyTraining {
 public:
  TinyTraining(const Config& config, Device device)
      : state(config, datasets::skeleton_by_name("coco"), device), step_(state) {}

  // The losses of steps with batches [begin, end).
  std::vector<double> train(int begin, int end) {
    state.network().train();
    std::vector<double> losses;
    for (int i = begin; i < end; ++i) {
      const int side = state.config().codec.input_size.width;
      step_.run(batch_of(i, state.device(), 2, side), state.config().train.optimizer.lr);
      last = step_.finish();
      losses.push_back(last.loss);
    }
    return losses;
  }
  [[nodiscard]] bool is_captured() const { return step_.is_captured(); }

  TrainState state;
  TrainStep::Result last;

 private:
  TrainStep step_;
};

// Every parameter and buffer, on the CPU.
std::vector<std::pair<std::string, Tensor>> weights_of(TinyTraining& run) {
  auto weights = run.state.network().state();
  for (auto& [name, tensor] : weights) tensor = tensor.to(kCpu).to(DType::f64);
  return weights;
}

void expect_same_bits(TinyTraining& a, TinyTraining& b) {
  const auto left = weights_of(a), right = weights_of(b);
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto x = left[i].second.values<double>(), y = right[i].second.values<double>();
    for (std::size_t k = 0; k < x.size(); ++k) {
      ASSERT_EQ(x[k], y[k]) << left[i].first << " element " << k;
    }
  }
}

class DeviceTraining : public testing_support::DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    set_compute_mode({.deterministic = true});
  }
  void TearDown() override { set_compute_mode({}); }
};

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
