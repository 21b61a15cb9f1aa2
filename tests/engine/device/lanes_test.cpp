// Plans on a GPU, whose branches are recorded side by side: the emulator replays a graph in any
// order that its streams and events allow, and results are those of one step after another.
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <map>

#include "engine/autograd/node.h"
#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "engine/core/lanes.h"
#include "engine/nn/init.h"
#include "engine/ops/conv.h"
#include "engine/ops/elementwise.h"
#include "engine/plan/memory.h"
#include "engine/plan/plan.h"
#include "kernels/device_runtime.h"
#include "models/registry.h"
#include "tests/engine/device/device.h"

namespace akimbo {
namespace {

using testing_support::kGpu;

class DeviceLanes : public testing_support::DeviceTest {};

Tensor random_map(const Shape& shape, std::uint64_t seed) {
  Tensor x = Tensor::empty(shape);
  nn::init_normal(x, 0, 1, {seed, "x"});
  return x;
}

TEST_F(DeviceLanes, JoinWhatTheyForked) {
  const Tensor x = Tensor::full({3}, 2, DType::f32, kGpu);
  Tensor square = Tensor::zeros({3}, DType::f32, kGpu), sum = square.clone();
  Lanes lanes(kGpu, 2);
  Graph graph(kGpu);
  graph.capture([&] {
    lanes.fork();
    lanes.run(1, [&] { square.copy_from(ops::square(x)); });
    lanes.wait(0, lanes.mark(1));
    lanes.run(0, [&] { sum.copy_from(ops::add(square, x)); });
    lanes.join();
  });
  graph.replay();
  EXPECT_EQ(sum.to(kCpu).values<float>()[0], 6);
}

TEST_F(DeviceLanes, ScratchMemoryIsTheGraphs) {
  set_memory_cache(kGpu, true);  // without it nothing is kept
  {
    const Tensor x = Tensor::full({1 << 19}, 2, DType::f32, kGpu);
    Tensor y = Tensor::zeros({1 << 19}, DType::f32, kGpu);
    std::size_t bytes[2];
    for (const int lane : {0, 1}) {
      Lanes lanes(kGpu, 2);
      Graph graph(kGpu);
      graph.capture([&] {
        lanes.fork();
        lanes.run(lane, [&] { y.copy_from(ops::square(x)); });
        lanes.join();
      });
      bytes[lane] = graph.memory_bytes();
    }
    EXPECT_GE(bytes[0], x.num_bytes());
    EXPECT_EQ(bytes[1], bytes[0]);
  }
  release_cached_memory(kGpu);
  set_memory_cache(kGpu, !kernels::cuda::is_emulated());
}

// Weights and vectors of a fan of branches that exchange sums, as HRNet's do.
plan::NamedTensors branches(const Tensor& x) {
  const auto conv = [](std::uint64_t seed, const Tensor& in, const Tensor& residual = {}) {
    static std::map<std::uint64_t, Tensor> weights;
    Tensor& weight = weights[seed];
    if (!weight.defined()) weight = random_map({8, 1, 1, 8}, seed).to(kGpu);
    return ops::conv2d_inference(in, weight, {.residual = residual, .relu = true});
  };
  std::vector<Tensor> maps{conv(1, x), conv(2, x), conv(3, x)};
  std::uint64_t seed = 10;
  for (int stage = 0; stage < 2; ++stage) {
    for (Tensor& map : maps) {
      for (int block = 0; block < 2; ++block) map = conv(seed + 1, conv(seed, map), map), seed += 2;
    }
    std::vector<Tensor> fused;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      Tensor sum = maps[i];
      for (std::size_t j = 0; j < maps.size(); ++j) {
        if (j != i) sum = ops::add(sum, conv(seed++, maps[j]));
      }
      fused.push_back(ops::relu(sum));
    }
    maps = fused;
  }
  return {{"sum", ops::add(ops::add(maps[0], maps[1]), maps[2])}};
}

// Replays on other inputs, in other orders, give what the steps give one after another.
void expect_same_when_replayed(const plan::Forward& forward, const Shape& shape,
                               const plan::NamedTensors& parameters = {}) {
  const autograd::NoGrad no_grad;
  Tensor x = random_map(shape, 4).to(kGpu), output;
  plan::Plan plan(forward, shape, DType::f32, kGpu, parameters);
  (void)plan.run(x);
  Graph graph(kGpu);
  graph.capture([&] { output = plan.run(x).front().second; });
  for (const std::uint64_t seed : {5, 6, 7, 8}) {
    x.copy_from(random_map(shape, seed));
    const Tensor wanted = plan.run(x).front().second.to(kCpu);
    output.fill(std::numeric_limits<double>::quiet_NaN());
    graph.replay();
    const Tensor got = output.to(kCpu);
    for (std::int64_t k = 0; k < got.numel(); ++k) {
      ASSERT_EQ(got.values<float>()[k], wanted.values<float>()[k]) << seed << " " << k;
    }
  }
}

TEST_F(DeviceLanes, GiveWhatStepsInARowGive) { expect_same_when_replayed(branches, {1, 3, 2, 8}); }

TEST_F(DeviceLanes, GiveWhatHrnetsStepsInARowGive) {
  if (std::getenv("AKIMBO_LONG_TESTS") == nullptr && kernels::cuda::is_emulated()) {
    GTEST_SKIP() << "takes minutes on the emulator; set AKIMBO_LONG_TESTS=1";
  }
  const auto network = models::build_network({{"name", "pose_hrnet"}, {"width", 16}}, 5);
  network->init(1);
  network->eval();
  network->to(kGpu);
  expect_same_when_replayed([&](const Tensor& x) { return network->outputs(x); }, {1, 32, 32, 3},
                            network->named_parameters());
}

// Each branch has a lane, and maps that others may still read are not written over.
TEST_F(DeviceLanes, AreAsManyAsBranches) {
  const autograd::NoGrad no_grad;
  const plan::Program program = plan::trace_network(branches, {1, 3, 2, 8}, DType::f32, kGpu, {});
  const plan::StepOrder order(program);
  const LaneSchedule schedule = plan::schedule_lanes(program);
  EXPECT_GE(schedule.num_lanes, 3);
  EXPECT_LE(schedule.num_lanes, 8);
  EXPECT_GT(plan::plan_memory(program, &order).total_bytes, plan::plan_memory(program).total_bytes);
}

}  // namespace
}  // namespace akimbo
