// What a user reads when there is no usable GPU, or a call of CUDA failed.
#include "kernels/cuda/device_words.h"

#include <gtest/gtest.h>

namespace akimbo::kernels::cuda {
namespace {

using Answer = DriverFacts::Answer;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(DeviceWords, NoDriver) {
  const std::string why = why_no_device({.driver = 0, .runtime = 13000, .answer = Answer::failed});
  EXPECT_TRUE(contains(why, "no NVIDIA driver is installed")) << why;
  EXPECT_TRUE(contains(why, "install a driver for CUDA 13.0 or newer")) << why;
}

TEST(DeviceWords, DriverTooOld) {
  for (const Answer answer : {Answer::counted, Answer::too_old, Answer::failed}) {
    const std::string why =
        why_no_device({.driver = 12040, .runtime = 13000, .answer = answer, .count = 1});
    EXPECT_TRUE(contains(why,
                         "too old: it supports CUDA 12.4, this program was built with CUDA "
                         "13.0; update the driver"))
        << why;
  }
  // A driver of the first 13 runs what a later 13 built.
  EXPECT_EQ(why_no_device({.driver = 13000, .runtime = 13020, .count = 1}), "");
  EXPECT_TRUE(contains(
      why_no_device({.driver = 13000, .runtime = 13020, .answer = Answer::too_old}), "too old"));
}

TEST(DeviceWords, NoDevice) {
  EXPECT_EQ(why_no_device({.driver = 13000, .runtime = 13000, .answer = Answer::no_device}),
            "the driver sees no NVIDIA GPU");
  const DriverFacts hidden{.driver = 13000, .runtime = 13000, .count = 0, .visible_devices = "7"};
  EXPECT_EQ(why_no_device(hidden), "the driver sees no NVIDIA GPU (CUDA_VISIBLE_DEVICES is '7')");
  const DriverFacts broken{.driver = 13000,
                           .runtime = 13000,
                           .answer = Answer::failed,
                           .failure = "system not yet initialized"};
  EXPECT_EQ(why_no_device(broken), "the driver reports: system not yet initialized");
}

TEST(DeviceWords, WrongArchitecture) {
  const std::string why =
      why_none_is_usable({{.name = "Tesla T4", .major = 7, .minor = 5, .wrong_code = true},
                          {.name = "device 1", .failure = "all CUDA-capable devices are busy"}},
                         "sm_90a compute_80");
  EXPECT_EQ(why,
            "no GPU can run this program's kernels: Tesla T4 (sm_75): this program has code for "
            "sm_90a compute_80 only; build it with -Dgpu_archs of this GPU; device 1: all "
            "CUDA-capable devices are busy");
}

TEST(DeviceWords, StickyErrorsSayHowToFindTheKernel) {
  CallFailure failure{.what = "relu_forward",
                      .error = "an illegal memory access was encountered",
                      .error_name = "cudaErrorIllegalAddress"};
  EXPECT_EQ(failure_text(failure),
            "[cuda] relu_forward failed: an illegal memory access was encountered "
            "(cudaErrorIllegalAddress)");
  failure.sticky = true;
  EXPECT_TRUE(
      contains(failure_text(failure), "lost to this process, start it again, with AKIMBO_SYNC=1"));
  failure.synchronous = true;
  EXPECT_TRUE(contains(failure_text(failure), "start it again"));
  EXPECT_FALSE(contains(failure_text(failure), "AKIMBO_SYNC"));
}

}  // namespace
}  // namespace akimbo::kernels::cuda
