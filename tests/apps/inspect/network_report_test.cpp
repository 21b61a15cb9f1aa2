#include "apps/inspect/network_report.h"

#include <gtest/gtest.h>

#include "apps/cli.h"
#include "apps/config/load.h"
#include "datasets/meta.h"
#include "models/registry.h"
#include "tests/apps/tiny_run.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

using testing_support::run_akimbo;
using testing_support::TinyRun;

LoadedModel shipped(const std::string& name) { return load_model({.model = name}, kCpu, false); }

TEST(NetworkReport, LayersHoldEveryParameterAndMultiplyAdd) {
  for (const char* name : {"body2d/hrnet/coco/w32_256x192_adam_lr1e-3",
                           "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3"}) {
    LoadedModel model = shipped(name);
    const NetworkReport report = inspect_network(model, name, 2);
    std::int64_t parameters = 0, macs = 0;
    for (const LayerRow& layer : report.layers) {
      parameters += layer.parameters;
      macs += layer.macs;
    }
    EXPECT_EQ(model.network->num_parameters(), parameters) << name;
    EXPECT_EQ(report.parameters, parameters) << name;
    EXPECT_EQ(2 * models::count_macs(*model.network, 256, 192), macs) << name;
    EXPECT_EQ(4 * parameters, report.weight_bytes);
    EXPECT_LT(report.map_bytes, report.all_map_bytes);
    EXPECT_EQ(Shape({2, 64, 48, 17}), report.layers.back().output);
  }
}

TEST(NetworkReport, MapsGrowWithTheBatch) {
  LoadedModel model = shipped("body2d/simple_baseline/synth/res18_128x96_demo");
  const NetworkReport one = inspect_network(model, "demo", 1);
  const NetworkReport four = inspect_network(model, "demo", 4);
  EXPECT_EQ(4 * one.all_map_bytes, four.all_map_bytes);
  EXPECT_EQ(4 * one.macs, four.macs);
  EXPECT_EQ(one.weight_bytes, four.weight_bytes);
  EXPECT_THROWS_WITH((void)inspect_network(model, "demo", 0), ArgumentError, "--batch 0");
}

TEST(NetworkReport, ASlowLoaderIsTheVerdict) {
  NetworkProfile profile{.steps = {{.seconds = 1, .bound = plan::Bound::memory}},
                         .images_per_second = 10};
  EXPECT_EQ("memory-bound", profile.verdict());
  profile.loader_images_per_second = 20;
  EXPECT_EQ("memory-bound", profile.verdict());
  profile.loader_images_per_second = 5;
  EXPECT_EQ("data-bound", profile.verdict());
}

TEST(NetworkReport, TheProgramPrintsAndProfiles) {
  const TinyRun tiny;
  const auto text = run_akimbo({"inspect", tiny.config(), "--batch", "3"});
  ASSERT_EQ(kExitDone, text.exit_code) << text.err;
  EXPECT_NE(std::string::npos, text.out.find("final_layer"));
  EXPECT_NE(std::string::npos, text.out.find("[3,16,16,17]")) << text.out;
  const auto profiled = run_akimbo({"inspect", tiny.config(), "--profile", "--json", "--data",
                                    tiny.data(), "--set", "eval.batch_size=1"});
  ASSERT_EQ(kExitDone, profiled.exit_code) << profiled.err;
  const Json profile = Json::parse(profiled.out).at("profile");
  EXPECT_GT(profile.at("images_per_second").get<double>(), 0);
  EXPECT_GT(profile.at("loader_images_per_second").get<double>(), 0);
  EXPECT_TRUE(profile.at("verdict").get<std::string>().ends_with("-bound"));
  EXPECT_EQ(kExitUsage, run_akimbo({"inspect", tiny.config(), "--batch", "0"}).exit_code);
  EXPECT_EQ(
      kExitBadData,
      run_akimbo({"inspect", tiny.config(), "--profile", "--data", tiny.file("none")}).exit_code);
}

// Checkpoints of PyTorch name no network.
TEST(NetworkReport, AForeignCheckpointNeedsAConfig) {
  const std::string file = std::string(AKIMBO_TEST_DATA) + "/checkpoints/state_legacy.pth";
  const auto without = run_akimbo({"inspect", file, "--network"});
  EXPECT_NE(kExitDone, without.exit_code);
  EXPECT_NE(std::string::npos, without.err.find("--config")) << without.err;
}

}  // namespace
}  // namespace akimbo::apps
