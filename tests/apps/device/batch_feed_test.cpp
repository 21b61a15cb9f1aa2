// Batches whose crops and targets a GPU makes are those of the CPU.
#include "apps/common/batch_feed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "apps/common/data.h"
#include "apps/config/load.h"
#include "datasets/meta.h"
#include "engine/core/error.h"
#include "kernels/device_runtime.h"
#include "tests/apps/tiny_run.h"
#include "tests/engine/device/device.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

using testing_support::kGpu;

struct HostBatch {
  std::vector<float> input, target, weight;
  std::vector<std::int64_t> indices;
};

std::vector<float> values_of(const Tensor& tensor) {
  const Tensor here = tensor.to(kCpu);
  return {here.values<float>().begin(), here.values<float>().end()};
}

class DeviceBatches : public testing_support::DeviceTest {
 protected:
  // With settings as --set takes them.
  [[nodiscard]] Config config(std::vector<std::string> settings) const {
    Config config = load_config(tiny_.config(), settings);
    config.data.root = tiny_.data();
    return config;
  }
  // Two epochs of training batches, or one of validation; read one batch late, as a step that is
  // not done yet does.
  static std::vector<HostBatch> batches(const Config& config, Device device, Use use,
                                        std::int64_t* num_cut_here = nullptr) {
    const auto dataset =
        open_dataset(config, use == Use::train ? config.data.train : config.data.val,
                     datasets::skeleton_by_name(config.skeleton), use);
    std::vector<HostBatch> all;
    for (std::int64_t epoch = 0; epoch < (use == Use::train ? 2 : 1); ++epoch) {
      BatchFeed feed(
          dataset,
          use == Use::train ? train_order(config, device, epoch, 0) : eval_order(config, device),
          device);
      while (feed.has_next()) {
        const DeviceBatch batch = feed.next();
        feed.prefetch();
        if (batch.host.crops != nullptr && num_cut_here != nullptr) {
          *num_cut_here += batch.host.crops->num_cut_here();
        }
        HostBatch host{
            values_of(batch.input), values_of(batch.target), values_of(batch.weight), {}};
        for (const auto& sample : batch.host.samples) host.indices.push_back(sample.index);
        all.push_back(std::move(host));
      }
    }
    return all;
  }

  // Crops and weights bit for bit; targets within the one rounding of the exponential.
  static void expect_same(const std::vector<HostBatch>& wanted, const std::vector<HostBatch>& got) {
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t b = 0; b < wanted.size(); ++b) {
      EXPECT_EQ(got[b].indices, wanted[b].indices);
      EXPECT_EQ(got[b].input, wanted[b].input) << "batch " << b;
      EXPECT_EQ(got[b].weight, wanted[b].weight) << "batch " << b;
      ASSERT_EQ(got[b].target.size(), wanted[b].target.size());
      for (std::size_t i = 0; i < wanted[b].target.size(); ++i) {
        const float value = wanted[b].target[i];
        ASSERT_LE(std::abs(got[b].target[i] - value), std::nextafter(value, 2.0f) - value) << i;
      }
    }
  }
  testing_support::TinyRun tiny_;
};

TEST_F(DeviceBatches, EqualTheCpusInTraining) {
  for (const char* warp : {"data.warp=opencv", "data.warp=fast"}) {
    const Config on_device = config({warp, "augment.half_body_probability=0.3"});
    EXPECT_EQ(on_device.data.crop_on, "device") << "by default";
    const Config on_cpu = config({warp, "augment.half_body_probability=0.3", "data.crop_on=cpu"});
    const auto wanted = batches(on_cpu, kCpu, Use::train);
    expect_same(wanted, batches(on_device, kGpu, Use::train));
    expect_same(wanted, batches(on_cpu, kGpu, Use::train));
    expect_same(wanted, batches(on_device, kCpu, Use::train));
  }
}

// Pictures decoded at half the size and mirrored there; BGR; targets in exact places; weights of
// keypoints; crops so small that some windows are larger than their share.
TEST_F(DeviceBatches, EqualTheCpusWithOtherSettings) {
  const std::vector<std::string> settings = {"data.warp=fast",
                                             "data.color=bgr",
                                             "codec.input_size=[16,16]",
                                             "codec.heatmap_size=[8,8]",
                                             "codec.targets=subpixel",
                                             "codec.alignment=udp",
                                             "loss.use_keypoint_weights=true"};
  std::int64_t num_reduced = 0, num_full = 0;
  const auto wanted = batches(config(settings), kCpu, Use::train);
  expect_same(wanted, batches(config(settings), kGpu, Use::train, &num_reduced));
  auto exact = settings;
  exact[0] = "data.warp=opencv";
  expect_same(batches(config(exact), kCpu, Use::train),
              batches(config(exact), kGpu, Use::train, &num_full));
  EXPECT_GT(num_full, num_reduced) << "scaled decoding makes windows smaller";
}

TEST_F(DeviceBatches, EqualTheCpusInValidation) {
  expect_same(batches(config({}), kCpu, Use::evaluate), batches(config({}), kGpu, Use::evaluate));
}

TEST_F(DeviceBatches, TheTimesOfTheDeviceAreTold) {
  const StageSeconds before = stage_seconds();
  (void)batches(config({}), kGpu, Use::train);
  const StageSeconds after = stage_seconds();
  for (const Stage stage : {Stage::upload, Stage::crop, Stage::target}) {
    const auto i = static_cast<std::size_t>(stage);
    EXPECT_GT(after.device[i], before.device[i]);
  }
  const auto pack = static_cast<std::size_t>(Stage::pack),
             crop = static_cast<std::size_t>(Stage::crop);
  EXPECT_GT(after.background[pack], before.background[pack]);
  EXPECT_EQ(after.background[crop], before.background[crop]);
}

TEST_F(DeviceBatches, APictureThatCannotBeReadIsNamed) {
  const Config settings = config({});
  const auto dataset = open_dataset(settings, settings.data.val,
                                    datasets::skeleton_by_name(settings.skeleton), Use::evaluate);
  const std::string name = dataset.people().images.at(0).name;
  std::ofstream(tiny_.data() + "/images/val/" + name, std::ios::trunc) << "no picture";
  BatchFeed feed(dataset, eval_order(settings, kGpu), kGpu);
  EXPECT_THROWS_WITH((void)feed.next(), FileError, name);
}

TEST_F(DeviceBatches, MemoryThatIsOutIsADeviceError) {
  if (!kernels::cuda::is_emulated()) GTEST_SKIP() << "takes memory away from the emulated GPU";
  const Config settings = config({"codec.input_size=[256,256]", "codec.heatmap_size=[64,64]"});
  const auto dataset = open_dataset(settings, settings.data.train,
                                    datasets::skeleton_by_name(settings.skeleton), Use::train);
  const testing_support::Environment limit("AKIMBO_EMULATED_MEMORY", "20000");
  BatchFeed feed(dataset, train_order(settings, kGpu, 0, 0), kGpu);
  EXPECT_THROWS_WITH((void)feed.next(), DeviceError, "is out of memory");
}

}  // namespace
}  // namespace akimbo::apps
