#include "engine/plan/profile.h"

#include <gtest/gtest.h>

#include "engine/ops/elementwise.h"

namespace akimbo::plan {
namespace {

constexpr Peaks kPeaks{.flops = 1e9, .bytes_per_second = 1e8, .step_seconds = 1e-6};

// A convolution of one tap: H W pixels, C channels in and out.
Node conv(std::int64_t side, std::int64_t channels) {
  Node node;
  node.step.op = "conv2d";
  node.step.inputs = {Tensor::empty({1, side, side, channels}), Tensor()};
  node.step.constants = {{"weight", Tensor::empty({channels, 1, 1, channels})}};
  node.step.output = Tensor::empty({1, side, side, channels});
  return node;
}

TEST(Profile, TheLongestFloorIsTheBound) {
  // 16 pixels of 256 channels: 2^21 operations take 2.1 ms, 4 * (2 * 2^12 + 2^16) bytes 2.9 ms.
  const StepProfile few = judge(conv(4, 256), 0.01, kPeaks);
  EXPECT_EQ(Bound::memory, few.bound);
  EXPECT_EQ(2.0 * 16 * 65536, few.flops);
  EXPECT_EQ(4.0 * (2 * 4096 + 65536), few.bytes);
  EXPECT_NEAR(4.0 * (2 * 4096 + 65536) / 1e8 / 0.01, few.share_of_peak, 1e-12);
  EXPECT_EQ(Bound::compute, judge(conv(64, 256), 1, kPeaks).bound);
  EXPECT_EQ(Bound::launch, judge(conv(1, 1), 1, kPeaks).bound);
}

TEST(Profile, TheVerdictIsWhereTheTimeGoes) {
  EXPECT_EQ(Bound::memory, verdict({{.seconds = 2, .bound = Bound::compute},
                                    {.seconds = 2, .bound = Bound::memory},
                                    {.seconds = 1, .bound = Bound::memory}}));
  EXPECT_EQ("launch", bound_name(Bound::launch));
}

TEST(Profile, MeasuresEveryStep) {
  const Tensor x = Tensor::full({1, 64, 64, 8}, -1);
  Plan plan(
      [](const Tensor& in) {
        return NamedTensors{{"y", ops::relu(in)}};
      },
      x.shape(), DType::f32, kCpu);
  const auto steps = profile_steps(plan, x, 3, kPeaks);
  ASSERT_EQ(1u, steps.size());
  EXPECT_GT(steps[0].seconds, 0);
  EXPECT_EQ(2.0 * 4 * x.numel(), steps[0].bytes);
  EXPECT_EQ(Bound::memory, steps[0].bound);
}

TEST(Profile, PeaksAreOfThisWorld) {
  const Peaks peaks = measure_peaks();
  EXPECT_GT(peaks.flops, 1e7);
  EXPECT_GT(peaks.bytes_per_second, 1e7);
  EXPECT_GT(peaks.step_seconds, 1e-9);
  EXPECT_LT(peaks.step_seconds, 1e-2);
}

}  // namespace
}  // namespace akimbo::plan
