// Graphs of ops that run side by side: results, memory, and work that is not the same twice.
#include <gtest/gtest.h>

#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "engine/core/lane_plan.h"
#include "engine/nn/init.h"
#include "engine/ops/elementwise.h"
#include "kernels/device_runtime.h"
#include "tests/engine/device/device.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using testing_support::kGpu;

class DeviceSideBySide : public testing_support::DeviceTest {};

const auto kNothing = [] {};

// Three branches of five ops, and their sum.
Tensor branches(const Tensor& x) {
  Tensor sum;
  for (int b = 0; b < 3; ++b) {
    Tensor y = x;
    for (int i = 0; i < 5; ++i) y = ops::add(ops::square(y), x);
    sum = sum.defined() ? ops::add(sum, y) : y;
  }
  return sum;
}

std::vector<float> values_of(const Tensor& t) {
  const Tensor on_cpu = t.to(kCpu);
  const auto values = on_cpu.values<float>();
  return {values.begin(), values.end()};
}

TEST_F(DeviceSideBySide, GivesWhatOpsInARowGive) {
  Tensor x = Tensor::full({700}, 0.25, DType::f32, kGpu), y;
  Graph graph(kGpu);
  graph.capture_side_by_side(kNothing, [&] { y = branches(x); }, {});
  EXPECT_GE(graph.num_lanes(), 2);
  for (const double value : {0.5, -0.125, 0.3, 0.1}) {
    x.fill(value);
    graph.replay();
    EXPECT_EQ(values_of(y), values_of(branches(x)));
  }
}

// Without its waits the ops come in other orders, and somebody sees it.
TEST_F(DeviceSideBySide, NeedsItsWaits) {
  if (!kernels::cuda::is_emulated()) GTEST_SKIP() << "a GPU may keep the order by chance";
  Tensor x = Tensor::full({700}, 0.25, DType::f32, kGpu), y;
  Graph graph(kGpu);
  const auto forget = [](const WorkRecord&, LanePlan& plan) {
    for (auto& waits : plan.schedule.waits) waits.clear();
  };
  graph.capture_side_by_side(kNothing, [&] { y = branches(x); }, {.inspect = forget});
  int num_wrong = 0;
  for (int i = 0; i < 8; ++i) {
    x.fill(0.1 * (i + 1));
    graph.replay();
    if (values_of(y) != values_of(branches(x))) ++num_wrong;
  }
  EXPECT_GT(num_wrong, 0);
}

// What the work made stays good when the graph is gone; the rest goes back.
TEST_F(DeviceSideBySide, TensorsOutliveTheGraph) {
  Tensor x = Tensor::full({700}, 0.5, DType::f32, kGpu);
  const std::size_t before = memory_report(kGpu).in_use_bytes;
  {
    Tensor y, unused;
    {
      Graph graph(kGpu);
      const auto work = [&] {
        unused = Tensor::empty({100}, DType::f32, kGpu);
        y = branches(x);
      };
      graph.capture_side_by_side(kNothing, work, {});
      EXPECT_GE(graph.memory_bytes(), y.num_bytes());
      graph.replay();
    }
    Tensor other = Tensor::full({3000}, 9, DType::f32, kGpu);
    EXPECT_EQ(values_of(y), values_of(branches(x)));
    unused.fill(1);
    EXPECT_EQ(values_of(y), values_of(branches(x)));
  }
  EXPECT_EQ(memory_report(kGpu).in_use_bytes, before);
}

TEST_F(DeviceSideBySide, RefusesWorkThatIsNotTheSameTwice) {
  Tensor x = Tensor::full({16}, 1, DType::f32, kGpu), z = x.clone(), y;
  int count = 0;
  const auto expect_refused = [&](const std::function<void()>& work, const char* how) {
    Graph graph(kGpu);
    count = 0;
    EXPECT_THROWS_WITH(graph.capture_side_by_side([&] { ++count; }, work, {}), Error, how);
    EXPECT_FALSE(graph.is_captured());
  };
  expect_refused([&] { y = count == 1 ? ops::add(x, x) : ops::add(x, z); }, "used other memory");
  expect_refused([&] { y = count == 1 ? ops::square(x) : ops::square(ops::square(x)); },
                 "recorded twice");
  expect_refused([&] { y = count == 2 ? ops::square(x) : ops::square(ops::square(x)); },
                 "ended sooner");
  expect_refused([&] { y = Tensor::empty({count * 100}, DType::f32, kGpu); },
                 "asked for other memory");
  Graph graph(kGpu);
  graph.capture_side_by_side(kNothing, [&] { y = ops::add(x, z); }, {});
  graph.replay();
  EXPECT_EQ(values_of(y), std::vector<float>(16, 2)) << "the device goes on";
}

TEST_F(DeviceSideBySide, DropsARecordingThatFails) {
  Tensor x = Tensor::full({1}, 1, DType::f32, kGpu);
  Graph graph(kGpu);
  EXPECT_THROW(graph.capture_side_by_side(kNothing, [&] { (void)x.item(); }, {}), DeviceFailure);
  EXPECT_FALSE(graph.is_captured());
  EXPECT_EQ(x.item(), 1);
}

TEST_F(DeviceSideBySide, RepeatsWhatIsDoneOnTheHostOnceAPass) {
  int count = 0;
  Graph graph(kGpu);
  graph.capture_side_by_side(kNothing, [&] { each_pass([&] { ++count; }); }, {});
  EXPECT_EQ(count, 0);
  graph.replay();
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace akimbo
