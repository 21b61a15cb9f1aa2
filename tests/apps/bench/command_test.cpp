// `akimbo bench` as a user sees it. That it is fast is for benchmarks to say.
#include <gtest/gtest.h>

#include "engine/core/device.h"
#include "engine/io/json.h"
#include "tests/support/program.h"

namespace akimbo {
namespace {

using testing_support::run_akimbo;

const std::string kConfig = "body2d/simple_baseline/synth/res18_128x96_demo";

TEST(BenchCommand, GivesTheTimeOfTheNetworkAndOfItsLayers) {
  const testing_support::ScratchFolder folder;
  const auto run = run_akimbo({"bench", kConfig, "--batch", "2", "--repeats", "2", "--device",
                               "cpu", "--json", folder.file("a.json")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("batch 2 of 128x96"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("conv1"), std::string::npos);
  const Json result = io::read_json(folder.file("a.json"));
  EXPECT_GT(result.at("median_ms").get<double>(), 0);
  EXPECT_DOUBLE_EQ(result.at("images_per_second").get<double>(),
                   2000 / result.at("median_ms").get<double>());
  EXPECT_EQ(result.at("input"), Json({2, 128, 96, 3}));
  EXPECT_GT(result.at("profile").at("steps").size(), 20u);
}

TEST(BenchCommand, TakesBf16OnTheCpuAndSaysWhereItHasNone) {
  const auto run =
      run_akimbo({"bench", kConfig, "--repeats", "1", "--device", "cpu", "--precision", "bf16"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("threads, bf16: batch 1"), std::string::npos) << run.out;
  EXPECT_EQ(run.err.find("no bf16 instructions") == std::string::npos, cpu_has_bf16()) << run.err;
}

TEST(BenchCommand, RefusesWhatCannotBeMeasured) {
  const auto batch = run_akimbo({"bench", kConfig, "--batch", "0"});
  EXPECT_EQ(batch.exit_code, 2);
  EXPECT_NE(batch.err.find("wanted 1 or more"), std::string::npos) << batch.err;
  const auto half = run_akimbo({"bench", kConfig, "--device", "cpu", "--precision", "f16"});
  EXPECT_EQ(half.exit_code, 2);
  EXPECT_NE(half.err.find("f16 needs a GPU"), std::string::npos) << half.err;
  const auto unknown = run_akimbo({"bench", kConfig, "--precision", "bf61"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("one of f32, tf32, bf16, f16"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace akimbo
