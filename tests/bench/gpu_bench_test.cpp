// The GPU benchmark's own logic: statistics, shape lists, report; and all of its sections once at
// tiny sizes on whatever device there is.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "bench/gpu/run.h"
#include "bench/gpu/targets.h"
#include "bench/layers.h"
#include "engine/core/device.h"

namespace akimbo::bench {
namespace {

TEST(GpuBench, QuantilesLieBetweenNeighbours) {
  EXPECT_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_EQ(quantile({7}, 0.9), 7);
  const Timing t = summary({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3);
  EXPECT_EQ(t.median_us, 6);
  EXPECT_EQ(t.low_us, 2);
  EXPECT_EQ(t.high_us, 10);
  EXPECT_EQ(t.calls, 3);
}

TEST(GpuBench, SetsExceedTheCache) {
  EXPECT_EQ(sets_beyond_cache(200e6, 60e6), 1);
  EXPECT_EQ(sets_beyond_cache(100e6, 60e6), 2);
  EXPECT_EQ(sets_beyond_cache(1, 60e6), 8);
  EXPECT_EQ(sets_beyond_cache(0, 0), 1);
}

TEST(GpuBench, LayersHaveTheNetworksExtents) {
  for (const ConvLayer& l : resnet50_layers()) EXPECT_GT(l.output_rows(), 0) << l.name;
  const ConvLayer& stem = resnet50_layers().front();
  EXPECT_EQ(stem.output_rows(), 128);
  EXPECT_EQ(stem.output_cols(), 96);
  EXPECT_EQ(stem.flops(), 2.0 * 128 * 96 * 64 * 3 * 49);
  const ConvLayer deconv{"deconv", 8, 6, 2048, 256, 4, 2, true};
  EXPECT_EQ(deconv.output_rows(), 16);
  EXPECT_EQ(deconv.flops(), 2.0 * 8 * 6 * 2048 * 256 * 16);
  for (const ConvLayer& l : hrnet_w32_layers()) EXPECT_GT(l.output_cols(), 0) << l.name;
}

TEST(GpuBench, FloorIsTheLargerOfBytesAndOperations) {
  const Row row{.flops = 2e9, .bytes = 3e6};
  EXPECT_EQ(floor_us(row, {}), 0);
  EXPECT_DOUBLE_EQ(floor_us(row, {.copy_bytes_per_s = 1e12}), 3);
  EXPECT_DOUBLE_EQ(floor_us(row, {.copy_bytes_per_s = 1e12, .matmul_flop_per_s = 1e14}), 20);
  EXPECT_DOUBLE_EQ(geometric_mean({1, 4}), 2);
}

TEST(GpuBench, WrongResultsAreCountedAndMarked) {
  Report report;
  report.add(
      {.section = "s", .name = "right", .dtype = "bf16", .own = {5, 4, 6, 1}, .error = 1e-3});
  report.add({.section = "s", .name = "wrong", .dtype = "f32", .own = {5, 4, 6, 1}, .error = 1e-3});
  report.add({.section = "s", .name = "nan", .dtype = "f32", .own = {5, 4, 6, 1}, .error = NAN});
  EXPECT_EQ(report.num_wrong(), 2);
  const Json json = report.json();
  EXPECT_EQ(json["wrong"], 2);
  EXPECT_FALSE(json["rows"][0].contains("note"));
  EXPECT_TRUE(json["rows"][1]["note"].get<std::string>().starts_with("WRONG"));
}

TEST(GpuBench, NamesTheFasterOfOurKernels) {
  Report report;
  report.add({.section = "s", .name = "one kind", .own = {5, 4, 6, 1}});
  report.add({.section = "s",
              .name = "two",
              .own = {4, 3, 5, 1},
              .mma = Timing{5, 4, 6, 1},
              .wgmma = Timing{4, 3, 5, 1}});
  report.add({.section = "s",
              .name = "two",
              .own = {5, 4, 6, 1},
              .mma = Timing{5, 4, 6, 1},
              .wgmma = Timing{7, 6, 8, 1}});
  const Json json = report.json();
  EXPECT_FALSE(json["rows"][0].contains("own_kernel"));
  EXPECT_EQ(json["rows"][1]["own_kernel"], "wgmma");
  EXPECT_EQ(json["rows"][1]["mma"]["median_us"], 5);
  EXPECT_EQ(json["rows"][2]["own_kernel"], "mma");
}

Row timed_row(double own_us, double vendor_us, Kind kind, double wanted) {
  Row row{.section = "s", .own = {own_us, own_us, own_us, 1}, .kind = kind};
  row.vendor = Timing{vendor_us, vendor_us, vendor_us, 1};
  row.tuned = Timing{std::min(own_us, vendor_us), 0, 0, 1};
  row.wanted_over_vendor = wanted;
  return row;
}

TEST(GpuBench, TargetsAreJudged) {
  std::vector<Row> rows = {timed_row(10, 7, Kind::other, kWantedLeast),
                           timed_row(10, 20, Kind::narrow, kWantedLeast),
                           timed_row(10, 16, Kind::deconv, kWantedSpecial),
                           timed_row(10, 14, Kind::stem, kWantedSpecial)};
  EXPECT_EQ(verdict_of(rows[0], {}), "SHORT (0.75)");
  EXPECT_EQ(verdict_of(rows[1], {}), "pass");
  EXPECT_EQ(verdict_of(rows[2], {}), "pass");
  EXPECT_EQ(verdict_of(rows[3], {}), "SHORT (1.5)");
  Row memory{.section = "s", .own = {10, 10, 10, 1}, .bytes = 8e3};
  memory.wanted_share = kWantedShare;
  EXPECT_EQ(verdict_of(memory, {.copy_bytes_per_s = 1e9}), "SHORT (0.9)");  // 8 us of 10
  Row step{.section = "s", .own = {10, 10, 10, 1}};
  step.device_idle = 0.02;
  step.wanted_idle = kWantedIdle;
  EXPECT_EQ(verdict_of(step, {}), "SHORT (0.01)");
  EXPECT_EQ(verdict_of({.section = "left out"}, {}), "");
  rows.push_back(memory);
  rows.push_back(step);
  const auto verdicts = judge(rows, {.copy_bytes_per_s = 1e9});
  ASSERT_EQ(verdicts.size(), 8u);
  EXPECT_NEAR(verdicts[0].got, geometric_mean({0.7, 2, 1.6, 1.4}), 1e-12);
  EXPECT_EQ(verdicts[0].num_rows, 4);
  EXPECT_TRUE(verdicts[0].reached());
  EXPECT_DOUBLE_EQ(verdicts[1].got, 2) << "of 64 channels or fewer";
  EXPECT_FALSE(verdicts[2].reached()) << "0.7 is below 0.75";
  EXPECT_TRUE(verdicts[3].reached()) << "the tuned choice is never slower";
  EXPECT_TRUE(verdicts[4].reached() && !verdicts[5].reached());
  EXPECT_NEAR(verdicts[6].got, 0.8, 1e-12);
  EXPECT_FALSE(verdicts[7].reached()) << "2 % idle";
  EXPECT_TRUE(judge({}, {}).empty());
}

class GpuBenchSections : public ::testing::Test {
 protected:
  void SetUp() override {
    if (num_gpus() == 0) GTEST_SKIP() << no_gpu_reason();
  }
  // The sections choose who computes convolutions; other tests must not find that chosen, and the
  // autotuner would try every kernel on each shape of the networks.
  void TearDown() override {
    unsetenv("AKIMBO_CONV");
    unsetenv("AKIMBO_TUNE_CACHE");
  }
  // Runs one section, expects every row to be right and returns the report.
  static Json run_section(void (*section)(bench::Run&)) {
    Settings settings;
    settings.quick = true;
    bench::Run run({Device::Kind::cuda, 0}, settings, {0.001, 1, 2});
    run.report.ceilings = {1e12, 1e14};
    section(run);
    for (const Row& row : run.report.rows()) {
      EXPECT_FALSE(row.note.starts_with("WRONG") || row.note.starts_with("failed") ||
                   row.note.starts_with("left out"))
          << row.name << " " << row.pass << ": " << row.note;
      EXPECT_GT(row.own.median_us, 0) << row.name;
    }
    EXPECT_EQ(run.report.num_wrong(), 0);
    return run.report.json();
  }
};

TEST_F(GpuBenchSections, Ceilings) {
  bench::Run run({Device::Kind::cuda, 0}, {.quick = true}, {0.001, 3, 2});
  measure_ceilings(run);
  EXPECT_GT(run.report.ceilings.copy_bytes_per_s, 0);
  EXPECT_GT(run.report.ceilings.matmul_flop_per_s, 0);
}

TEST_F(GpuBenchSections, ConvLayers) {
  const Json json = run_section(run_conv_layers);
  EXPECT_GE(json["rows"].size(), 30u);
  const Json& row = json["rows"][0];
  EXPECT_EQ(row["pass"], "forward");
  EXPECT_LT(row["relative_error"].get<double>(), 1e-2);
  EXPECT_GT(row["share_of_roofline"].get<double>(), 0);
  EXPECT_GT(row["tflop_per_s"].get<double>(), 0);
}

TEST_F(GpuBenchSections, Kernels) {
  const Json json = run_section(run_kernels);
  for (const Json& row : json["rows"]) {
    EXPECT_TRUE(row.contains("relative_error")) << row.dump();
    EXPECT_GT(row["gb_per_s"].get<double>(), 0);
  }
}

TEST_F(GpuBenchSections, Networks) {
  const Json json = run_section(run_networks);
  // Inference of two networks and training of one, eager and graph each, and training in lanes.
  EXPECT_EQ(json["rows"].size(), 7u);
  EXPECT_GT(json["rows"][0]["images_per_s"].get<double>(), 0);
  bool has_idle = false;
  for (const Json& row : json["rows"]) {
    EXPECT_GT(row["peak_mib"].get<double>(), 0);
    has_idle = has_idle || row.contains("device_idle_at_most");
  }
  EXPECT_TRUE(has_idle);
}

TEST_F(GpuBenchSections, StopsWhenTimeIsUp) {
  bench::Run run({Device::Kind::cuda, 0}, {.quick = true, .budget_s = 1e-9}, {0.001, 3, 2});
  run_kernels(run);
  EXPECT_TRUE(run.report.rows().front().note.starts_with("left out"));
  EXPECT_EQ(run.report.num_wrong(), 0);
}

}  // namespace
}  // namespace akimbo::bench
