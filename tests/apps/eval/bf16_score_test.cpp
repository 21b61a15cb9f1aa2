// What factors in bf16 cost a trained network: nothing that its score shows.
#include <gtest/gtest.h>

#include "engine/core/device.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "tests/support/program.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

using testing_support::run_akimbo;

void make_pictures(const std::string& folder, int train, int val) {
  const auto run =
      run_akimbo({"synth", folder, "--images", std::to_string(train), "--val", std::to_string(val),
                  "--seed", "5", "--people", "1", "--facing", "1"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
}

Json scores(const testing_support::ScratchFolder& folder, const std::string& precision) {
  const auto run = run_akimbo({"eval", folder.file("run/checkpoint_last.safetensors"), "--data",
                               folder.file("data"), "--device", "cpu", "--precision", precision,
                               "--out", folder.file(precision)});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return io::read_json(folder.file(precision + "/metrics.json"));
}

void train(const testing_support::ScratchFolder& folder, const std::string& config) {
  const auto run = run_akimbo({"train", config, "--data", folder.file("data"), "--device", "cpu",
                               "--out", folder.file("run"), "--set", "train.validate_every=1000"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
}

// A small network that learns twenty pictures by heart.
TEST(Bf16Score, IsThatOfF32) {
  if (!cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  if (test_support::kSanitized) GTEST_SKIP() << test_support::kTooSlow;
  const testing_support::ScratchFolder folder;
  make_pictures(folder.file("data"), 20, 2);
  io::write_file_atomic(folder.file("small.json"), R"({
    "model": {"depth": 18, "width": 16, "deconv_filters": [32, 32, 32], "deconv_kernels": [4, 4, 4]},
    "codec": {"input_size": [64, 64], "heatmap_size": [16, 16], "sigma": 1},
    "data": {
      "train": {"annotations": "annotations/person_keypoints_train.json", "images": "images/train"},
      "val": {"annotations": "annotations/person_keypoints_train.json", "images": "images/train"}
    },
    "train": {"epochs": 50, "batch_size": 8, "seed": 3, "optimizer": {"lr": 0.002},
              "schedule": {"type": "cosine"}}
  })");
  train(folder, folder.file("small.json"));
  const double f32 = scores(folder, "f32").at("PCK@0.2"),
               bf16 = scores(folder, "bf16").at("PCK@0.2");
  EXPECT_GT(f32, 0.6);
  EXPECT_NEAR(bf16, f32, 0.015);
}

// The demo with a quarter of its pictures, scored on pictures that it has not seen.
TEST(Bf16Score, IsThatOfF32AfterTheDemosTraining) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  if (!cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  const testing_support::ScratchFolder folder;
  make_pictures(folder.file("data"), 2400, 200);
  train(folder, "body2d/simple_baseline/synth/res18_128x96_demo");
  const Json f32 = scores(folder, "f32"), bf16 = scores(folder, "bf16");
  RecordProperty("f32", f32.dump());
  RecordProperty("bf16", bf16.dump());
  EXPECT_GT(f32.at("AP").get<double>(), 0.1);
  EXPECT_NEAR(bf16.at("AP").get<double>(), f32.at("AP").get<double>(), 0.01);
  EXPECT_NEAR(bf16.at("PCK@0.2").get<double>(), f32.at("PCK@0.2").get<double>(), 0.005);
}

}  // namespace
}  // namespace akimbo
