// Recorded work: it runs at replays only, on what its inputs hold then.
#include "engine/core/graph.h"

#include <gtest/gtest.h>

#include "engine/autograd/node.h"
#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "engine/ops/elementwise.h"
#include "kernels/device_runtime.h"
#include "tests/engine/device/device.h"

namespace akimbo {
namespace {

using testing_support::kGpu;

class DeviceGraph : public testing_support::DeviceTest {};

float first(const Tensor& t) { return t.to(kCpu).values<float>()[0]; }

TEST_F(DeviceGraph, ReplaysOnNewInputs) {
  Tensor x = Tensor::full({5}, 1, DType::f32, kGpu), y;
  Graph graph(kGpu);
  graph.capture([&] { y = ops::add(ops::add(x, x), x); });
  EXPECT_TRUE(graph.is_captured());
  EXPECT_EQ(graph.num_nodes(), 2u);
  EXPECT_GT(graph.memory_bytes(), 0u);
  for (const float value : {2.0f, -1.5f}) {
    x.fill(value);
    graph.replay();
    EXPECT_EQ(first(y), 3 * value);
  }
}

// What was freed during the recording is used again inside it, and by nobody else.
TEST_F(DeviceGraph, KeepsItsMemory) {
  set_memory_cache(kGpu, true);
  {
    Tensor x = Tensor::full({100}, 1, DType::f32, kGpu), y;
    Graph graph(kGpu);
    graph.capture([&] {
      for (int i = 0; i < 4; ++i) y = ops::add(y.defined() ? y : x, x);
    });
    std::vector<Tensor> others;
    for (int i = 0; i < 8; ++i) others.push_back(Tensor::full({100}, -7, DType::f32, kGpu));
    graph.replay();
    EXPECT_EQ(first(y), 5);
    for (const Tensor& other : others) EXPECT_EQ(first(other), -7);
  }
  release_cached_memory(kGpu);
  set_memory_cache(kGpu, !kernels::cuda::is_emulated());
}

TEST_F(DeviceGraph, CountsAsAWriteToWhatItWrites) {
  Tensor x = Tensor::full({3}, 1, DType::f32, kGpu), target = x.clone();
  Graph graph(kGpu);
  graph.capture([&] { target.copy_from(ops::add(x, x)); });
  const std::uint64_t before = target.version(), before_x = x.version();
  graph.replay();
  EXPECT_GT(target.version(), before);
  EXPECT_EQ(x.version(), before_x);
  EXPECT_EQ(first(target), 2);
}

TEST_F(DeviceGraph, RepeatsWhatIsDoneOnTheHostAtEachPass) {
  int count = 0;
  const auto pass = [&] { each_pass([&] { ++count; }); };
  pass();
  EXPECT_EQ(count, 1);
  Graph graph(kGpu);
  graph.capture(pass);
  EXPECT_EQ(count, 1);
  graph.replay();
  graph.replay();
  EXPECT_EQ(count, 3);
}

TEST_F(DeviceGraph, DropsARecordingThatFails) {
  Tensor x = Tensor::full({1}, 1, DType::f32, kGpu);
  Graph graph(kGpu);
  EXPECT_THROW(graph.capture([&] { (void)x.item(); }), DeviceFailure);
  EXPECT_FALSE(graph.is_captured());
  EXPECT_THROW(graph.replay(), Error);
  EXPECT_EQ(x.item(), 1) << "the device goes on";
  graph.capture([&] { x.fill(2); });
  graph.replay();
  EXPECT_EQ(x.item(), 2);
}

TEST(Graph, IsForGpusOnly) { EXPECT_THROW(Graph graph(kCpu), ArgumentError); }

}  // namespace
}  // namespace akimbo
