// That a choice of the sm_90a convolutions runs them, and not what stands in for them: the results
// are the same.
#include <gtest/gtest.h>

#include "kernels/cuda/conv/conv_provider.h"
#include "kernels/cuda/emulator/launches.h"
#include "kernels/guarded.h"
#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"
#include "tests/support/environment.h"

namespace akimbo {
namespace {

using namespace conformance;
using namespace kernels::cuda;

class ConvWgmmaRuns : public ProviderTest {};
AKIMBO_INSTANTIATE(ConvWgmmaRuns, Provider::cuda);

// How often the kernel ran during f.
template <typename F>
int runs_of(const char* kernel, const F& f) {
  const int before = emulator::num_runs(kernel);
  f();
  return emulator::num_runs(kernel) - before;
}

TEST_P(ConvWgmmaRuns, WhereItIsChosenOrForced) {
  const test_support::Environment unset("AKIMBO_WGMMA", "");
  const ConvCase c = conv_case(1, 3, 4, 8, 8, 3, 3, {.padding = 1});
  const Values values = random_values(c.big, 1, DType::bf16),
               w = random_values(c.w, 2, DType::bf16);
  const DeviceTensor x(provider(), values, DType::bf16), dw(provider(), w, DType::bf16);
  const DeviceTensor y = poisoned(provider(), c.small, DType::bf16);
  const DeviceTensor grad = poisoned(provider(), c.w, DType::f32);
  const auto gather = [&] {
    provide_gather(exec(),
                   {.source = x.view(), .filter = dw.view(), .params = c.params, .y = y.view()});
  };
  const auto weight_grad = [&] {
    provide_weight_grad(
        exec(), {.small = x.view(), .big = x.view(), .params = c.params, .grad_w = grad.view()});
  };
  constexpr const char* kGather = "conv_wgmma_gather_kernel";
  constexpr const char* kWeightGrad = "conv_wgmma_weight_grad_kernel";
  EXPECT_EQ(runs_of(kGather, gather), 0);
  EXPECT_EQ(runs_of(kWeightGrad, weight_grad), 0);
  force_guarded_kernel("wgmma gather 128x32/1");
  EXPECT_EQ(runs_of(kGather, gather), 1);
  EXPECT_EQ(runs_of(kWeightGrad, weight_grad), 0);
  force_guarded_kernel("wgmma weight 64x128/1");
  EXPECT_EQ(runs_of(kGather, gather), 0);
  EXPECT_EQ(runs_of(kWeightGrad, weight_grad), 1);
  force_guarded_kernel("");
  EXPECT_EQ(
      runs_of(kGather,
              [&] {
                own_gather(
                    exec(),
                    {.source = x.view(), .filter = dw.view(), .params = c.params, .y = y.view()},
                    GatherChoice{GatherTile::wgmma_m128n64, 1});
              }),
      1);
}

}  // namespace
}  // namespace akimbo
