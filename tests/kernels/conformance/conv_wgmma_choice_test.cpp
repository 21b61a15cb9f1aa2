// When the convolution kernels of sm_90a are used: AKIMBO_WGMMA, the record of the self-test, the
// rule, the autotuner's names.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "kernels/cuda/conv/conv_provider.h"
#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/tuner.h"
#include "kernels/device_runtime.h"
#include "kernels/guarded.h"
#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"
#include "tests/kernels/conformance/hopper.h"
#include "tests/support/environment.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using namespace conformance;
using namespace kernels::cuda;
using test_support::Environment;

class ConvWgmmaChoice : public HopperTest {};
AKIMBO_INSTANTIATE_PROVIDERS(ConvWgmmaChoice);

GatherProblem wide_layer() {
  const ConvCase c = conv_case(64, 16, 12, 512, 512, 3, 3, {.padding = 1});
  return make_gather(Direction::small_to_big, kernels::Order::k_contiguous,
                     {nullptr, DType::bf16, c.big}, {nullptr, DType::bf16, c.w}, plane_of(c.params),
                     {nullptr, DType::bf16, c.small})[0];
}
WeightGradProblem wide_weight() {
  const ConvCase c = conv_case(64, 16, 12, 512, 512, 3, 3, {.padding = 1});
  return make_weight_grad({nullptr, DType::bf16, c.small}, {nullptr, DType::bf16, c.big}, c.w,
                          plane_of(c.params));
}

bool offers_wgmma(Product product) {
  const auto gathers = gather_candidates(product, wide_layer());
  const auto weights = weight_grad_candidates(product, wide_weight());
  const auto is = [](const auto& choice) { return is_wgmma(choice.tile); };
  const bool gather = std::any_of(gathers.begin(), gathers.end(), is);
  EXPECT_EQ(std::any_of(weights.begin(), weights.end(), is), gather);
  return gather;
}

TEST_P(ConvWgmmaChoice, FollowsTheEnvironment) {
  {
    const Environment on("AKIMBO_WGMMA", "1");
    EXPECT_TRUE(offers_wgmma(Product::bf16));
    EXPECT_TRUE(offers_wgmma(Product::f16));
    EXPECT_FALSE(offers_wgmma(Product::tf32));
    EXPECT_TRUE(is_wgmma(choose_gather(Product::bf16, wide_layer()).tile));
    EXPECT_TRUE(is_wgmma(choose_weight_grad(Product::bf16, wide_weight()).tile));
    EXPECT_FALSE(guarded_kernels().empty());
    EXPECT_EQ(guarded_state(), "wgmma");
  }
  const Environment off("AKIMBO_WGMMA", "0");
  EXPECT_FALSE(offers_wgmma(Product::bf16));
  EXPECT_FALSE(is_wgmma(choose_gather(Product::bf16, wide_layer()).tile));
  EXPECT_TRUE(guarded_kernels().empty());
  EXPECT_EQ(guarded_state(), "");
}

TEST_P(ConvWgmmaChoice, IsOffInTheEmulator) {
  if (!is_emulated()) GTEST_SKIP() << "a GPU may have passed its self-test";
  const Environment unset("AKIMBO_WGMMA", "");
  EXPECT_FALSE(wgmma_is_on());
  EXPECT_TRUE(guarded_kernels().empty());
}

TEST_P(ConvWgmmaChoice, RefusesAnotherValue) {
  const Environment wrong("AKIMBO_WGMMA", "yes");
  EXPECT_THROWS_WITH((void)wgmma_is_on(), std::invalid_argument,
                     "AKIMBO_WGMMA is 'yes'; it must be 0 or 1");
}

// The record is about one device, driver and program.
TEST_P(ConvWgmmaChoice, RecordIsOfThisDeviceAndProgram) {
  const test_support::TemporaryFolder folder;
  const Environment cache("XDG_CACHE_HOME", folder.path().string());
  EXPECT_FALSE(wgmma_is_recorded());
  const std::string file = record_guarded_kernels(true);
  ASSERT_TRUE(std::filesystem::exists(file)) << file;
  EXPECT_TRUE(wgmma_is_recorded());
  const auto record = nlohmann::json::parse(std::ifstream(file));
  for (const char* field : {"device", "driver", "program", "architectures", "toolkit"}) {
    nlohmann::json other = record;
    ASSERT_TRUE(other.contains(field));
    other[field] = "another";
    std::ofstream(file) << other;
    EXPECT_FALSE(wgmma_is_recorded()) << field;
  }
  for (const char* text : {"", "{", "[]", "7", "{\"version\":1}"}) {
    std::ofstream(file) << text;
    EXPECT_FALSE(wgmma_is_recorded()) << text;
  }
  (void)record_guarded_kernels(true);
  EXPECT_TRUE(wgmma_is_recorded());
  (void)record_guarded_kernels(false);
  EXPECT_FALSE(wgmma_is_recorded());
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_P(ConvWgmmaChoice, RecordNeedsAFolder) {
  const Environment cache("XDG_CACHE_HOME", "/proc/nowhere");
  EXPECT_EQ(record_guarded_kernels(true), "");
  EXPECT_FALSE(wgmma_is_recorded());
  (void)record_guarded_kernels(false);
}

TEST_P(ConvWgmmaChoice, ForcesAKernel) {
  const Environment on("AKIMBO_WGMMA", "1");
  for (const std::string& name : guarded_kernels()) {
    force_guarded_kernel(name);
    EXPECT_NE(forced_gather().has_value(), forced_weight_grad().has_value()) << name;
  }
  force_guarded_kernel("");
  EXPECT_FALSE(forced_gather() || forced_weight_grad());
  EXPECT_THROW(force_guarded_kernel("wgmma gather 7x7/1"), std::invalid_argument);
}

// What was timed without them is timed anew, under names of their own.
TEST_P(ConvWgmmaChoice, TunerTimesThemUnderTheirNames) {
  const ConvCase c = conv_case(1, 3, 4, 8, 8, 1, 1, {});
  const Values x = random_values(c.big, 1, DType::bf16), w = random_values(c.w, 2, DType::bf16);
  const DeviceTensor dx(provider(), x, DType::bf16), dw(provider(), w, DType::bf16);
  const DeviceTensor y = poisoned(provider(), c.small, DType::bf16);
  const GatherTask task{
      .source = dx.view(), .filter = dw.view(), .params = c.params, .y = y.view()};
  std::string without;
  {
    const Environment off("AKIMBO_WGMMA", "0");
    without = key_of(exec(), task);
  }
  const Environment on("AKIMBO_WGMMA", "1"), automatic("AKIMBO_CONV", "auto");
  const Environment no_file("AKIMBO_TUNE_CACHE", "");
  EXPECT_EQ(key_of(exec(), task), without + " wgmma");
  provide_gather(exec(false), task);
  EXPECT_NE(Tuner::of_device(current_device()).remembered(key_of(exec(false), task)), "");
  Values expected = filled(c.small, 0);
  kernels::cpu::conv2d_forward_plain(plain_exec(), plain_view(x), {.weight = plain_view(w)}, {},
                                     c.params, plain_view(expected));
  expect_close(y.read(), expected,
               sum_tolerance(expected, filled(c.small, 8), DType::bf16, DType::bf16, false));
}

}  // namespace
}  // namespace akimbo
