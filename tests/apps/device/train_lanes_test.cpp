// A recorded training step whose ops run side by side: bits, order and memory.
#include <cmath>
#include <cstdlib>

#include "engine/core/graph.h"
#include "kernels/device_runtime.h"
#include "models/registry.h"
#include "tests/apps/device/tiny_training.h"
#include "tests/support/lane_check.h"

namespace akimbo::apps {
namespace {

class DeviceLanesTraining : public DeviceTraining {};

TEST_F(DeviceLanesTraining, GiveTheBitsOfOneLane) {
  if (kernels::cuda::is_emulated()) GTEST_SKIP() << "emulated_lanes_test has more of it";
  Config config = tiny_hrnet_config();
  config.train.precision = "bf16";
  expect_the_bits_of_one_lane(config, 6);
}

struct Stop {};

// What a step of a network asks of a GPU, and how that is put into lanes. Nothing is computed.
void plan_step(const nlohmann::json& model, const Shape& input, DType dtype,
               const std::function<void(const WorkRecord&, LanePlan&)>& inspect) {
  const auto network = models::build_network(model, 17);
  network->init(1);
  network->train();
  network->to(kGpu);
  const Tensor x = Tensor::empty(input, dtype, kGpu);
  const Shape maps{input[0], input[1] / 4, input[2] / 4, 17};
  const Tensor grad = Tensor::empty(maps, dtype, kGpu);
  Graph graph(kGpu);
  const auto prepare = [&] {
    for (Tensor parameter : network->parameters()) parameter.set_grad({});
  };
  const auto work = [&] { network->forward(x).backward(grad); };
  const auto stop = [&](const WorkRecord& record, LanePlan& plan) {
    inspect(record, plan);
    throw Stop();
  };
  EXPECT_THROW(graph.capture_side_by_side(prepare, work, {.inspect = stop}), Stop);
}

// Every two ops that use the same memory, in a network of full depth.
TEST_F(DeviceLanesTraining, KeepTheOrderOfWhatSharesMemory) {
  const nlohmann::json model = {{"name", "pose_hrnet"}, {"width", 8}, {"stem", 8}};
  plan_step(model, {2, 32, 32, 3}, DType::f32, [](const WorkRecord& record, LanePlan& plan) {
    EXPECT_GT(record.ops.size(), 1000u);
    EXPECT_EQ(plan.schedule.num_lanes, 8);
    EXPECT_EQ(test_support::find_conflict(record, plan), "");
    EXPECT_LE(plan.total_bytes, plan.chain_bytes + lane_slack(plan.chain_bytes));
  });
}

// Steps in the longest path, of those in all.
double share_of_longest_path(const WorkRecord& record, const LanePlan& plan) {
  std::vector<int> depth, tails(static_cast<std::size_t>(plan.schedule.num_lanes), 0);
  int longest = 0;
  for (std::size_t op = 0; op < record.ops.size(); ++op) {
    int& tail = tails[plan.schedule.lane[op]];
    int latest = tail;
    for (const int wait : plan.schedule.waits[op]) latest = std::max(latest, depth[wait]);
    depth.push_back(tail = latest + 1);
    longest = std::max(longest, tail);
  }
  return longest / static_cast<double>(record.ops.size());
}

// The same with as many lanes as one likes and no memory used twice.
double least_share(const WorkRecord& record) {
  std::vector<int> written(record.values.size(), 0), read(record.values.size(), 0);
  int longest = 0;
  for (const WorkRecord::Op& op : record.ops) {
    int depth = 0;
    for (const auto& [value, writes] : op.accesses) {
      depth = std::max(depth, writes ? std::max(written[value], read[value]) : written[value]);
    }
    longest = std::max(longest, ++depth);
    for (const auto& [value, writes] : op.accesses) {
      int& latest = writes ? written[value] : read[value];
      latest = std::max(latest, depth);
    }
  }
  return longest / static_cast<double>(record.ops.size());
}

// The figures of docs/cuda.md.
TEST_F(DeviceLanesTraining, FiguresOfPublishedNetworks) {
  if (std::getenv("AKIMBO_LONG_TESTS") == nullptr) {
    GTEST_SKIP() << "takes a minute and 2 GiB; set AKIMBO_LONG_TESTS=1";
  }
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / 1048576; };
  for (const int batch : {1, 4}) {
    for (const nlohmann::json& model :
         {nlohmann::json{{"name", "pose_hrnet"}, {"width", 32}}, {{"name", "pose_resnet"}}}) {
      plan_step(model, {batch, 256, 192, 3}, DType::bf16,
                [&](const WorkRecord& record, LanePlan& plan) {
                  printf(
                      "%s, batch %d: %zu ops, longest path %.3f, least %.3f, %.1f MiB, of one "
                      "lane %.1f\n",
                      model["name"].get<std::string>().c_str(), batch, record.ops.size(),
                      share_of_longest_path(record, plan), least_share(record),
                      mib(plan.total_bytes), mib(plan.chain_bytes));
                  EXPECT_LE(plan.total_bytes, plan.chain_bytes + lane_slack(plan.chain_bytes));
                });
    }
  }
}

}  // namespace
}  // namespace akimbo::apps
