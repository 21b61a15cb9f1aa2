// Ours or a vendor's: how AKIMBO_CONV, refusals and short memory decide (provider.h), and what
// makes cuDNN's batch norm meet our contract (vendor/batch_norm_rules.h, vendor/vendor_finish.h). A
// vendor is played by functions of the test.
#include "kernels/cuda/provider.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/vendor/batch_norm_rules.h"
#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/cuda/vendor/cudnn_batch_norm.h"
#include "kernels/cuda/vendor/vendor_finish.h"
#include "kernels/device_runtime.h"
#include "tests/kernels/conformance/conformance.h"
#include "tests/support/environment.h"

namespace akimbo {
namespace {

using namespace conformance;
using namespace kernels::cuda;
using kernels::ConstView;
using kernels::DeviceFailure;
using kernels::View;
using test_support::Environment;
using vendor::BatchNormFusion;

class OwnOrVendor : public ProviderTest {
 protected:
  using Outputs = std::span<const View>;

  // "own", "theirs" or both, as they ran with the caller's outputs; runs that are timed, with
  // others, are counted only.
  std::string decide(const kernels::Exec& exec, const std::string& key) {
    const DeviceTensor y = poisoned(provider(), {3}, DType::f32);
    const View out = y.view();
    std::string ran;
    const auto note = [&](const char* name, Outputs outputs) {
      if (outputs[0].pointer == out.pointer) ran += name;
      if (outputs[0].pointer != out.pointer) ++timed;
      EXPECT_EQ(outputs[0].shape, out.shape);
    };
    const EitherWay ways{"vendor", [&] { return key; },
                         [&](Outputs o) {
                           note("own", o);
                           std::this_thread::sleep_for(std::chrono::milliseconds(own_ms));
                         },
                         [&](Outputs o) {
                           note("theirs", o);
                           std::this_thread::sleep_for(std::chrono::milliseconds(theirs_ms));
                           if (refuses) throw DeviceFailure("refused");
                         }};
    own_or_vendor(exec, ways, {&out, 1});
    return ran;
  }

  int own_ms = 0, theirs_ms = 0, timed = 0;
  bool refuses = false;
};
AKIMBO_INSTANTIATE(OwnOrVendor, Provider::cuda);

TEST_P(OwnOrVendor, ModeIsObeyed) {
  {
    const Environment mode("AKIMBO_CONV", "own");
    EXPECT_EQ(decide(exec(false), "p"), "own");
  }
  {
    const Environment mode("AKIMBO_CONV", "cudnn");
    EXPECT_EQ(decide(exec(false), "p"), "theirs");
    EXPECT_EQ(decide(exec(true), "p"), "theirs") << "asked for, deterministic or not";
    refuses = true;
    EXPECT_EQ(decide(exec(false), "p"), "theirsown");
  }
  const Environment mode("AKIMBO_CONV", "fastest");
  EXPECT_THROW((void)provider_mode(), std::invalid_argument);
  EXPECT_EQ(timed, 0);
}

TEST_P(OwnOrVendor, AutoTakesTheFastest) {
  // Sleeps of the host are what the emulator's events see; on a GPU they are not the stream's work.
  if (!is_emulated()) GTEST_SKIP() << "times host sleeps";
  const Environment mode("AKIMBO_CONV", "auto"), file("AKIMBO_TUNE_CACHE", "");
  own_ms = 4;
  EXPECT_EQ(decide(exec(false), "provider test: vendor is faster"), "theirs");
  EXPECT_GE(timed, 4) << "both, into other memory";
  timed = 0;
  EXPECT_EQ(decide(exec(false), "provider test: vendor is faster"), "theirs");
  EXPECT_EQ(timed, 0) << "remembered";
  EXPECT_EQ(decide(exec(true), "provider test: vendor is faster"), "own") << "deterministic";
  std::swap(own_ms, theirs_ms);
  EXPECT_EQ(decide(exec(false), "provider test: own is faster"), "own");
  refuses = true;
  std::swap(own_ms, theirs_ms);
  EXPECT_EQ(decide(exec(false), "provider test: vendor refuses"), "own");
}

// Scratch memory that is out, as the engine's allocator says it: not a DeviceFailure.
class NoScratch : public kernels::ScratchSource {
 public:
  void* allocate(std::size_t) override { throw std::runtime_error("out of memory"); }
  void release(void*) noexcept override {}
};

TEST_P(OwnOrVendor, ShortMemoryMeansOwn) {
  NoScratch none;
  kernels::Exec short_of_memory = exec(false);
  short_of_memory.scratch = &none;
  const Environment file("AKIMBO_TUNE_CACHE", "");
  {
    const Environment mode("AKIMBO_CONV", "auto");
    EXPECT_EQ(decide(short_of_memory, "provider test: short memory"), "own");
    EXPECT_EQ(timed, 0);
  }
  const View y{&none, DType::f32, {5}};
  EXPECT_EQ(views_apart(short_of_memory, {&y, 1}), nullptr);
}

TEST_P(OwnOrVendor, AbsentViewsStayAbsent) {
  const DeviceTensor y = poisoned(provider(), {3, 2}, DType::bf16);
  const View views[] = {y.view(), {}};
  const auto apart = views_apart(exec(), views);
  ASSERT_NE(apart, nullptr);
  EXPECT_NE(apart->views()[0].pointer, y.view().pointer);
  EXPECT_EQ(apart->views()[0].shape, y.view().shape);
  EXPECT_EQ(apart->views()[0].dtype, DType::bf16);
  EXPECT_FALSE(apart->views()[1]);
}

// ---- cuDNN's batch norm ----

TEST(CudnnBatchNorm, ExtentsAreFour) {
  EXPECT_EQ(vendor::batch_norm_extents({2, 5, 7, 16}), (Shape{2, 5, 7, 16}));
  EXPECT_EQ(vendor::batch_norm_extents({300, 16}), (Shape{1, 300, 1, 16}));
  EXPECT_EQ(vendor::batch_norm_extents({2, 3, 4, 5, 16}), (Shape{1, 120, 1, 16}));
  EXPECT_EQ(vendor::batch_norm_extents({2, 0}), (Shape{1, 0, 1, 0}));
}

float some_memory[2];

ConstView rows(DType dtype, const Shape& shape = {2, 4, 4, 16}, int memory = 0) {
  return {&some_memory[memory], dtype, shape};
}

TEST(CudnnBatchNorm, TakesWhatItCanExpress) {
  using kernels::BatchNormForwardArgs;
  using kernels::BatchNormTrainingArgs;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    EXPECT_TRUE(vendor::cudnn_may_take(BatchNormTrainingArgs{.x = rows(dtype)}));
  }
  EXPECT_FALSE(vendor::cudnn_may_take(BatchNormTrainingArgs{.x = rows(DType::f64)}));
  for (const Shape& shape :
       {Shape{2, 0}, Shape{0, 16}, Shape{70000, 1, 1, 16}, Shape{1 << 16, 1 << 15}}) {
    EXPECT_FALSE(vendor::cudnn_may_take(BatchNormTrainingArgs{.x = rows(DType::f32, shape)}))
        << shape.str();
  }
  const BatchNormForwardArgs forward{.x = rows(DType::f32)};
  EXPECT_TRUE(vendor::cudnn_may_take(forward, rows(DType::f32, forward.x.shape, 1)));
  EXPECT_FALSE(vendor::cudnn_may_take(forward, forward.x)) << "in place";
  const BatchNormForwardArgs adds{.x = rows(DType::f32), .residual = rows(DType::f32, {}, 1)};
  EXPECT_FALSE(vendor::cudnn_may_take(adds, rows(DType::f32, adds.x.shape, 1)));
}

TEST(CudnnBatchNorm, TakesTrainingGradientsOnly) {
  kernels::BatchNormGradArgs args{.x = rows(DType::bf16), .training = true};
  EXPECT_FALSE(vendor::cudnn_may_take(args)) << "no grad_x";
  args.grad_x = {&some_memory[1], DType::bf16, args.x.shape};
  EXPECT_TRUE(vendor::cudnn_may_take(args));
  args.training = false;
  EXPECT_FALSE(vendor::cudnn_may_take(args)) << "statistics that are constants";
}

TEST(CudnnBatchNorm, FusesWhereItCan) {
  const auto fusion = [](DType dtype, std::int64_t channels, bool residual, bool relu) {
    const ConstView x = rows(dtype, {2, 4, 4, channels});
    return vendor::best_fusion({.x = x, .residual = residual ? x : ConstView{}, .relu = relu});
  };
  EXPECT_EQ(fusion(DType::bf16, 7, false, true), BatchNormFusion::relu);
  EXPECT_EQ(fusion(DType::f16, 8, true, true), BatchNormFusion::residual_relu);
  EXPECT_EQ(fusion(DType::f16, 7, true, true), BatchNormFusion::none);
  EXPECT_EQ(fusion(DType::f16, 8, true, false), BatchNormFusion::none);
  EXPECT_EQ(fusion(DType::f16, 8, false, false), BatchNormFusion::none);
  EXPECT_EQ(fusion(DType::f32, 8, true, true), BatchNormFusion::none);
  EXPECT_FALSE(vendor::is_persistent(DType::f32));
  EXPECT_TRUE(vendor::is_persistent(DType::bf16));
}

TEST(CudnnBatchNorm, NothingIsTakenWithoutTheLibrary) {
  if (!vendor::cudnn_version().empty()) GTEST_SKIP() << "cuDNN is there";
  EXPECT_FALSE(vendor::cudnn_takes(kernels::BatchNormTrainingArgs{.x = rows(DType::f32)}));
}

// The variance that cuDNN is given makes the same invstd of it again.
TEST_P(OwnOrVendor, VarianceOfInvstd) {
  const Values invstd = random_values({300}, 1, DType::f32, 1e-3, 300);
  const DeviceTensor from(provider(), invstd, DType::f32);
  const auto var = poisoned(provider(), {300}, DType::f32);
  vendor::variance_of_invstd(exec(), from.view(), var.view());
  const Values back = map(var.read(), [](double v) { return 1 / std::sqrt(v + 0.0); });
  expect_close(back, invstd, [&](std::int64_t c) { return invstd[c] * unit_roundoff(DType::f32); });
}

TEST_P(OwnOrVendor, GradientIsMasked) {
  const Shape shape{2, 3, 5, 7}, vector{7};
  for (const DType dtype : dtypes()) {
    const DType vectors = dtype == DType::f64 ? dtype : DType::f32;
    const Values x = random_values(shape, 1, dtype), y = random_values(shape, 2, dtype);
    const Values g = random_values(shape, 3, dtype), mean = random_values(vector, 4, vectors);
    const Values invstd = random_values(vector, 5, vectors, 0.5, 2);
    const Values gamma = random_values(vector, 6, vectors),
                 beta = random_values(vector, 7, vectors);
    const DeviceTensor dx(provider(), x, dtype), dy(provider(), y, dtype), dg(provider(), g, dtype);
    const DeviceTensor dm(provider(), mean, vectors), di(provider(), invstd, vectors);
    const DeviceTensor dc(provider(), gamma, vectors), db(provider(), beta, vectors);
    kernels::BatchNormGradArgs args{.x = dx.view(),
                                    .mean = dm.view(),
                                    .invstd = di.view(),
                                    .gamma = dc.view(),
                                    .grad_y = dg.view()};
    const auto masked = [&] {
      const auto to = poisoned(provider(), shape, dtype);
      vendor::masked_gradient(exec(), args, to.view());
      return to.read();
    };
    expect_equal(masked(), g, "no mask");
    args.y = dy.view();
    expect_equal(masked(), map(g, y, [](double v, double m) { return m > 0 ? v : 0; }), "by y");
    args.y = {};
    args.beta = db.view();
    Values again = g;
    for (std::int64_t i = 0; i < g.numel(); ++i) {
      const std::int64_t c = i % 7;
      if ((x[i] - mean[c]) * invstd[c] * gamma[c] + beta[c] <= 0) again[i] = 0;
    }
    expect_equal(masked(), again, "worked out again");
  }
}

}  // namespace
}  // namespace akimbo
