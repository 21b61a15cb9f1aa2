// The self-test passes where all is well, and says what is not.
#include "engine/selftest/selftest.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/ops/elementwise.h"
#include "engine/selftest/case.h"

namespace akimbo {
namespace {

TEST(Selftest, PassesOnTheCpu) {
  const auto summary = selftest::run(
      kCpu, {.small = true, .on_result = [](const selftest::Result& r) {
               EXPECT_TRUE(r.passed()) << r.op << ' ' << r.dtype << ": " << r.worst << ' '
                                       << r.error << " of " << r.tolerance << ' ' << r.failure;
               EXPECT_EQ(r.dtype, "f32");
             }});
  EXPECT_GT(summary.num_passed, 60);
  EXPECT_EQ(summary.num_failed, 0);
}

// One op with a fault in f32 alone: what a broken kernel looks like beside the plain loop in
// double.
selftest::Result with_fault(std::function<Tensor(const Tensor&)> fault) {
  selftest::Result result;
  const selftest::Case faulty{
      .name = "faulty",
      .inputs = {{.name = "x", .shape = {3, 4}}},
      .run = [=](std::vector<Tensor>& in) {
        const Tensor y = ops::scale(in[0], 2);
        return selftest::Case::Outputs{{"y", in[0].dtype() == DType::f32 ? fault(y) : y}};
      }};
  const auto summary = selftest::run_cases(
      {faulty}, kCpu, {.on_result = [&](const selftest::Result& r) { result = r; }});
  EXPECT_EQ(summary.num_passed + summary.num_failed, 1);
  EXPECT_EQ(summary.num_passed == 1, result.passed());
  return result;
}

TEST(Selftest, FindsAWrongValueAWrongGradientAndAnError) {
  EXPECT_TRUE(with_fault([](const Tensor& y) { return y; }).passed());
  const auto wrong = with_fault([](const Tensor& y) { return ops::add_scalar(y, 1e-5); });
  EXPECT_FALSE(wrong.passed());
  EXPECT_EQ(wrong.worst, "y");
  // The value holds, the slope does not.
  const auto slope = with_fault(
      [](const Tensor& y) { return ops::add(ops::scale(y.detach(), -1), ops::scale(y, 2)); });
  EXPECT_FALSE(slope.passed());
  EXPECT_EQ(slope.worst, "gradient of x");
  const auto nan = with_fault([](const Tensor& y) { return ops::scale(y, std::nan("")); });
  EXPECT_FALSE(nan.passed());
  const auto thrown =
      with_fault([](const Tensor&) -> Tensor { throw DeviceError("[scale] the device was lost"); });
  EXPECT_FALSE(thrown.passed());
  EXPECT_EQ(thrown.failure, "[scale] the device was lost");
}

}  // namespace
}  // namespace akimbo
