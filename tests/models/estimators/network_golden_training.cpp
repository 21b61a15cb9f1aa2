#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/loss.h"
#include "engine/optim/optimizer.h"
#include "engine/pose/heatmap_codec.h"
#include "tests/models/estimators/network_golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {
namespace {

using test_support::RefLayout;

struct Batch {
  Tensor input, target, weight;
};

Batch make_batch(const Json& golden, const Json& run, DType dtype) {
  const auto batch = run.at("batch").get<std::int64_t>();
  const HeatmapCodec codec{.input_size = {96, 128}, .heatmap_size = {24, 32}, .sigma = 2};
  Tensor target = Tensor::zeros({batch, 32, 24, 17});
  Tensor weight = Tensor::zeros({batch, 17});
  for (std::int64_t n = 0; n < batch; ++n) {
    std::vector<Point> joints;
    std::span<float> weights{weight.data<float>() + n * 17, 17};
    for (std::size_t k = 0; k < 17; ++k) {
      const Json& joint = golden.at("joints").at(static_cast<std::size_t>(n)).at(k);
      joints.push_back({joint[0].get<double>(), joint[1].get<double>()});
      weights[k] = joint[2].get<float>();
    }
    encode_heatmaps(codec, joints, weights,
                    {target.data<float>() + n * 32 * 24 * 17, 32 * 24 * 17});
  }
  const Tensor input = test_support::golden_input("train_input", {batch, 3, 128, 96},
                                                  RefLayout::channels_second, dtype);
  return {input, target.to(dtype), weight.to(dtype)};
}

std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name, const Network& network) {
  if (name == "adam") {
    return std::make_unique<optim::Adam>(network.named_parameters(), optim::AdamOptions{});
  }
  return std::make_unique<optim::Sgd>(
      network.named_parameters(),
      optim::SgdOptions{.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 1e-4});
}

std::vector<double> train(Network& network, const Json& run, const Batch& batch, int steps) {
  network.train(!run.at("frozen_batch_norm").get<bool>());
  const auto optimizer = make_optimizer(run.at("optimizer"), network);
  std::vector<double> losses;
  for (int step = 0;; ++step) {
    const Tensor loss = ops::joints_mse(network.forward(batch.input), batch.target, batch.weight);
    losses.push_back(loss.item());
    if (step == steps) return losses;
    optimizer->zero_grad();
    loss.backward();
    optimizer->step();
  }
}

void expect_state_after(const Json& run, const Network& network, double relative,
                        const std::string& what) {
  for (const auto& [name, tensor] : network.state()) {
    if (name.ends_with("num_batches_tracked") && run.contains("num_batches_tracked_after")) {
      EXPECT_EQ(tensor.item(), run.at("num_batches_tracked_after").get<double>()) << what << name;
    }
    if (!run.at("after").contains(name)) continue;
    const Json& after = run.at("after").at(name);
    const double l2 = after[0];
    EXPECT_NEAR(test_support::l2_norm(tensor), l2, relative * l2) << what << name;
    const auto samples = test_support::spread_samples(tensor, layout_of(name, tensor), 8);
    const double typical = l2 / std::sqrt(static_cast<double>(tensor.numel()));
    for (std::size_t k = 0; k < 8; ++k) {
      EXPECT_NEAR(samples[k], after[1][k].get<double>(), relative * typical)
          << what << name << " sample " << k;
    }
  }
}

// The losses of the run, stored to nine digits. Of ResNet-50 with batch statistics the stored ones
// stray after two steps from what PyTorch gives when the run is repeated (4e-5, on three settings
// of it alike): the repeated ones, made by tests/parity/make_pose_resnet_fixture.py, are taken.
Json losses_of(const Json& run) {
  if (run.at("net") != "resnet50" || run.at("frozen_batch_norm").get<bool>()) {
    return run.at("losses_f64");
  }
  return io::read_json(std::string(AKIMBO_TEST_DATA) + "/topdown/pose_resnet.json")
      .at("resnet50_reference_run");
}

}  // namespace

void check_training_in_double(const TrainingRun& wanted) {
  const auto path = test_support::shared_path("data/golden/topdown/" + wanted.file);
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  int count = 0;
  for (const Json& run : golden.at("runs")) {
    if (run.at("net") != wanted.net || run.at("optimizer") != wanted.optimizer ||
        run.at("frozen_batch_norm") != wanted.frozen) {
      continue;
    }
    ++count;
    const std::string what =
        wanted.net + " " + wanted.optimizer + (wanted.frozen ? " frozen " : " ");
    const Batch batch = make_batch(golden, run, DType::f64);
    double sum = 0;
    for (const double v : batch.target.values<double>()) sum += v;
    EXPECT_NEAR(sum, run.at("target_sum").get<double>(), 1e-5 * sum) << what;
    auto network = golden_net(wanted.net, 17, DType::f64);
    const auto losses = train(*network, run, batch, 5);
    const Json expected_losses = losses_of(run);
    for (std::size_t k = 0; k < losses.size(); ++k) {
      const double expected = expected_losses[k];
      double tolerance = 1e-7 * expected;
      if (k >= wanted.exact_losses) {
        tolerance += 0.03 * std::abs(run.at("losses_f32")[k].get<double>() - expected);
      }
      EXPECT_NEAR(losses[k], expected, tolerance) << what << "loss " << k;
    }
    if (wanted.exact_losses < losses.size()) continue;
    const bool repeated = expected_losses != run.at("losses_f64");
    expect_state_after(run, *network, repeated ? 1e-2 : 1e-7, what);
  }
  EXPECT_EQ(count, 1);
}

namespace {

// With batch statistics of few values a flipped ReLU grows from step to step: PyTorch's own f32
// losses are up to 0.7 % off after the third.
constexpr double kLiveRelative = 0.02;

// With frozen ones too, in a deep network: PyTorch's f32 losses of ResNet-50 are 6e-5 off after the
// first step and 3.5e-4 after the fifth in channels_last, or with inputs changed by 1e-7, though
// 4e-7 in the stored run (tests/parity/make_pose_resnet_fixture.py --spread).
double frozen_relative(const std::string& net, std::size_t step) {
  if (net != "resnet50" || step == 0) return 1e-5;
  return step < 5 ? 1e-4 : 1e-3;
}

}  // namespace

void check_training_in_float(const std::string& file, const std::string& net, int steps) {
  const auto path = test_support::shared_path("data/golden/topdown/" + file);
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const Json& run : golden.at("runs")) {
    if (run.at("net") != net) continue;
    auto network = golden_net(net);
    const auto losses = train(*network, run, make_batch(golden, run, DType::f32), steps);
    for (std::size_t k = 0; k < losses.size(); ++k) {
      const double expected = run.at("losses_f64")[k];
      const double theirs = std::abs(run.at("losses_f32")[k].get<double>() - expected);
      const bool is_frozen = run.at("frozen_batch_norm").get<bool>();
      const double relative = is_frozen ? frozen_relative(net, k) : k < 2 ? 1e-5 : kLiveRelative;
      EXPECT_NEAR(losses[k], expected, std::max(relative * expected, 4 * theirs))
          << net << " " << run.at("optimizer") << " loss " << k;
    }
  }
}

}  // namespace akimbo::models
