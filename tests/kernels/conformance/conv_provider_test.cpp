// The choice of a provider: the tuner and its file, AKIMBO_CONV, and what stands around a vendor's
// product. Which provider is the fastest is not tested, but that any choice computes the same.
#include "kernels/cuda/conv/conv_provider.h"

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/tuner.h"
#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/cuda/vendor/cudnn_conv.h"
#include "kernels/cuda/vendor/vendor_finish.h"
#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"
#include "tests/support/environment.h"
#include "tests/support/temporary_folder.h"

namespace akimbo {
namespace {

using namespace conformance;
using namespace kernels::cuda;
using kernels::DeviceFailure;
using test_support::Environment;

class ConvProvider : public ProviderTest {
 protected:
  void SetUp() override {
    ProviderTest::SetUp();
    if (!IsSkipped() && provider() == Provider::cpu) GTEST_SKIP() << "the CPU has one provider";
  }
};
AKIMBO_INSTANTIATE_PROVIDERS(ConvProvider);

std::vector<Candidate> sleepers(int& runs, const std::vector<int>& ms) {
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < ms.size(); ++i) {
    candidates.push_back({"sleeper " + std::to_string(i), [&runs, wait = ms[i]] {
                            ++runs;
                            if (wait < 0) throw DeviceFailure("refused");
                            std::this_thread::sleep_for(std::chrono::milliseconds(wait));
                          }});
  }
  return candidates;
}

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TEST_P(ConvProvider, TunerRemembersTheFastest) {
  // Sleeps of the host are what the emulator's events see; on a GPU they are not the stream's work.
  if (!is_emulated()) GTEST_SKIP() << "times host sleeps";
  const test_support::TemporaryFolder folder;
  const auto file = folder.path() / "deep" / "cache.json";
  int runs = 0;
  const auto candidates = sleepers(runs, {12, -1, 1, 12});
  {
    Tuner tuner(file);
    EXPECT_EQ(tuner.remembered("problem"), "");
    EXPECT_EQ(tuner.choose("problem", exec().stream, candidates).name, "sleeper 2");
    const int after = runs;
    EXPECT_EQ(tuner.choose("problem", exec().stream, candidates).name, "sleeper 2");
    EXPECT_EQ(runs, after) << "timed again";
  }
  runs = 0;
  Tuner again(file);
  EXPECT_EQ(again.remembered("problem"), "sleeper 2");
  EXPECT_EQ(again.choose("problem", exec().stream, candidates).name, "sleeper 2");
  EXPECT_EQ(runs, 0);
  // A choice that is no longer offered is made anew; the other program's choices stay.
  EXPECT_EQ(again.choose("other", exec().stream, sleepers(runs, {1, 12})).name, "sleeper 0");
  EXPECT_EQ(again.choose("problem", exec().stream, sleepers(runs, {1, 12})).name, "sleeper 0");
  EXPECT_EQ(Tuner(file).remembered("other"), "sleeper 0");
}

TEST_P(ConvProvider, TunerNeedsACandidateThatRuns) {
  int runs = 0;
  Tuner tuner("");
  EXPECT_THROW((void)tuner.choose("p", exec().stream, sleepers(runs, {-1, -1})), DeviceFailure);
}

TEST_P(ConvProvider, BrokenCacheFilesAreReplaced) {
  const test_support::TemporaryFolder folder;
  const auto file = folder.path() / "cache.json";
  for (const char* content :
       {"", "{", "[]", "{\"version\":1}", "{\"version\":1,\"choices\":[3]}",
        "{\"version\":1,\"choices\":{\"p\":7,\"q\":{\"name\":5}}}",
        "{\"version\":9,\"choices\":{\"p\":{\"name\":\"sleeper 1\"}}}", "\xff\xfe\x00garbage"}) {
    std::ofstream(file) << content;
    int runs = 0;
    Tuner tuner(file);
    EXPECT_EQ(tuner.remembered("p"), "") << content;
    const std::string chosen = tuner.choose("p", exec().stream, sleepers(runs, {0, 0})).name;
    EXPECT_EQ(Tuner(file).remembered("p"), chosen) << content;
  }
}

// Every mode computes the same. Under auto all our tiles are run and one is written to the file.
TEST_P(ConvProvider, ModesComputeTheSame) {
  const test_support::TemporaryFolder folder;
  const auto file = folder.path() / "cache.json";
  const Environment cache("AKIMBO_TUNE_CACHE", file.string());
  const ConvCase c = conv_case(1, 5, 4, 8, 16, 3, 3, {.padding = 1});
  const Values x = random_values(c.big, 1, DType::bf16), w = random_values(c.w, 2, DType::bf16);
  const Values g = random_values(c.small, 3, DType::bf16);
  const DeviceTensor dx(provider(), x, DType::bf16), dw(provider(), w, DType::bf16);
  const DeviceTensor dg(provider(), g, DType::bf16);
  std::vector<Values> results, gradients;
  for (const char* mode : {"own", "cudnn", "auto", "auto"}) {
    const Environment setting("AKIMBO_CONV", mode);
    const DeviceTensor y(provider(), g, DType::bf16);  // the residual too
    const DeviceTensor sums = poisoned(provider(), {2, 2, 16}, DType::f32);
    const DeviceTensor grad = poisoned(provider(), c.w, DType::f32);
    kernels::cuda::conv2d_forward(exec(false), dx.view(), {.weight = dw.view()},
                                  {.residual = y.view(), .relu = true, .channel_sums = sums.view()},
                                  c.params, y.view());
    kernels::cuda::conv2d_weight_grad(exec(false), dx.view(), dg.view(), c.params, grad.view());
    results.push_back(y.read());
    gradients.push_back(grad.read());
    for (const double sum : sums.read().at) EXPECT_FALSE(std::isnan(sum));
  }
  const Values magnitude = map(results[0], [](double v) { return std::abs(v) + 72; });
  const Values grad_magnitude = filled(c.w, 20);
  for (std::size_t i = 1; i < results.size(); ++i) {
    expect_close(results[i], results[0],
                 sum_tolerance(results[0], magnitude, DType::bf16, DType::bf16, false));
    expect_close(gradients[i], gradients[0],
                 sum_tolerance(gradients[0], grad_magnitude, DType::f32, DType::bf16, false));
  }
  if (std::filesystem::exists(file)) {  // else another test opened the device's tuner first
    EXPECT_NE(text_of(file).find("to_big in bf16 [1,5,4,8]"), std::string::npos);
    EXPECT_NE(text_of(file).find("weight small bf16"), std::string::npos);
  }
}

TEST_P(ConvProvider, EmulatorHasNoVendor) {
  if (!is_emulated()) GTEST_SKIP() << "cuDNN may be there";
  EXPECT_EQ(vendor::cudnn_version(), "");
  EXPECT_NE(vendor::cudnn_unavailable_reason(), "");
  EXPECT_TRUE(vendor::cudnn_algorithms(exec(), GatherTask{}).empty());
}

TEST_P(ConvProvider, FilterIsExchanged) {
  constexpr std::int64_t kGroups = 2, kOutputs = 3, kTaps = 4, kInputs = 5;
  for (const DType dtype : dtypes()) {
    const Values w = random_values({kGroups * kOutputs, 2, 2, kInputs}, 1, dtype);
    const DeviceTensor dw(provider(), w, dtype);
    const DeviceTensor to = poisoned(provider(), {kGroups * kInputs, 2, 2, kOutputs}, dtype);
    vendor::exchange_filter(exec(), dw.view(), kGroups, to.view());
    Values expected = filled({kGroups * kInputs, 2, 2, kOutputs}, 0);
    for (std::int64_t group = 0; group < kGroups; ++group) {
      for (std::int64_t i = 0; i < kOutputs * kTaps * kInputs; ++i) {
        const std::int64_t o = i / kInputs / kTaps, tap = i / kInputs % kTaps, c = i % kInputs;
        expected[((group * kInputs + c) * kTaps + tap) * kOutputs + o] =
            w[((group * kOutputs + o) * kTaps + tap) * kInputs + c];
      }
    }
    expect_equal(to.read(), expected);
  }
}

TEST_P(ConvProvider, VendorsResultIsFinished) {
  const Shape shape{1, 3, 5, 7};
  for (const DType dtype : dtypes()) {
    const DType vectors = dtype == DType::f64 ? dtype : DType::f32;
    const Values y = random_values(shape, 1, dtype), r = random_values(shape, 2, dtype);
    const Values scale = random_values({7}, 3, vectors), shift = random_values({7}, 4, vectors);
    const DeviceTensor dy(provider(), y, dtype), dr(provider(), r, dtype);
    const DeviceTensor ds(provider(), scale, vectors), dt(provider(), shift, vectors);
    vendor::finish_in_place(exec(), {ds.view(), dt.view(), dr.view(), true}, dy.view());
    Values expected = y;
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      expected[i] = std::max(0.0, y[i] * scale[i % 7] + shift[i % 7] + r[i]);
    }
    expect_close(dy.read(), expected, tolerance(dtype, 3, 3));
  }
}

}  // namespace
}  // namespace akimbo
