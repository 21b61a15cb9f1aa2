// Crops made on the device in whole runs, on the emulator only. On lazy streams nothing is done
// before someone waits: what is overwritten or given back too early shows.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "apps/cli.h"
#include "apps/common/batch_feed.h"
#include "apps/common/data.h"
#include "apps/config/load.h"
#include "datasets/meta.h"
#include "engine/io/json.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/stream.h"
#include "tests/apps/tiny_run.h"
#include "tests/engine/device/device.h"

namespace akimbo::apps {
namespace {

using testing_support::kGpu;
using testing_support::ProgramResult;
using testing_support::run_akimbo;

class LazyBatches : public testing::Test {
 protected:
  void SetUp() override { kernels::cuda::emulator::set_lazy_streams(true); }
  void TearDown() override { kernels::cuda::emulator::set_lazy_streams(false); }
};

std::vector<float> values_of(const Tensor& tensor) {
  const Tensor here = tensor.to(kCpu);
  return {here.values<float>().begin(), here.values<float>().end()};
}

// What the computation reads of each batch, copied by the device when it comes to it.
std::vector<std::vector<float>> epoch(const Config& config, const datasets::TopDownDataset& dataset,
                                      Device device) {
  BatchFeed feed(dataset, train_order(config, device, 0, 0), device);
  std::vector<Tensor> read;
  while (feed.has_next()) {
    const DeviceBatch batch = feed.next();
    for (const Tensor& tensor : {batch.input, batch.target, batch.weight}) {
      read.push_back(tensor.clone());
    }
    feed.prefetch();
  }
  std::vector<std::vector<float>> values;
  for (const Tensor& tensor : read) values.push_back(values_of(tensor));
  return values;
}

TEST_F(LazyBatches, NothingIsOverwrittenBeforeItIsRead) {
  const testing_support::TinyRun tiny;
  for (const char* crop_on : {"data.crop_on=device", "data.crop_on=cpu"}) {
    Config config = load_config(tiny.config(), {"train.batch_size=1", crop_on});
    config.data.root = tiny.data();
    const auto dataset = open_dataset(config, config.data.train,
                                      datasets::skeleton_by_name(config.skeleton), Use::train);
    const auto wanted = epoch(config, dataset, kCpu), got = epoch(config, dataset, kGpu);
    ASSERT_EQ(got.size(), wanted.size());
    ASSERT_GE(got.size(), 3u * 6);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].size(), wanted[i].size());
      for (std::size_t k = 0; k < got[i].size(); ++k) {
        ASSERT_NEAR(got[i][k], wanted[i][k], 1e-6) << "batch " << i / 3 << " tensor " << i % 3;
      }
    }
  }
}

// Seven times as fast without the race checker, under which other tests run every kernel.
class WholeRuns : public testing::Test {
 protected:
  void SetUp() override { kernels::device::emulator::set_race_check(false); }
  void TearDown() override { kernels::device::emulator::set_race_check(was_checking_); }

 private:
  const bool was_checking_ = kernels::device::emulator::races_wanted();
};

// Crops and targets made on the GPU or by the CPU's threads: one curve, one score, the same poses.
TEST_F(WholeRuns, GiveTheSameWhereverCropsAreMade) {
  const testing_support::TinyRun tiny;
  const std::vector<std::string> small = {"train.batch_size=7",       "train.epochs=2",
                                          "train.validate_every=2",   "train.debug_every=1",
                                          "model.deconv_filters=[8]", "model.deconv_kernels=[4]",
                                          "codec.input_size=[32,32]", "codec.heatmap_size=[2,2]"};
  const std::string model = tiny.file("on_device/checkpoint_last.safetensors");
  const auto run = [&](std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  };
  std::map<std::string, std::vector<double>> curves;
  std::map<std::string, Json> scores, poses;
  for (const std::string place : {"device", "cpu"}) {
    const std::string out = tiny.file("on_" + place);
    const std::vector<std::string> on_gpu = {"--set", "data.crop_on=" + place, "--device", "cuda",
                                             "--deterministic"};
    auto more = on_gpu;
    for (const std::string& setting : small) more.insert(more.end(), {"--set", setting});
    const ProgramResult trained = tiny.train("on_" + place, more);
    ASSERT_EQ(trained.exit_code, kExitDone) << trained.err;
    EXPECT_EQ(trained.err.find(", packing ") != std::string::npos, place == "device");
    EXPECT_EQ(trained.err.find("s, targets 0.0 s; on the GPU: uploading ") != std::string::npos,
              place == "cpu")
        << trained.err;
    EXPECT_TRUE(std::filesystem::exists(out + "/debug/train_0000001_gt.jpg"));
    std::ifstream log(out + "/log.jsonl");
    for (std::string line; std::getline(log, line);) {
      const Json entry = Json::parse(line);
      if (entry.contains("loss")) curves[place].push_back(entry["loss"].get<double>());
    }
    more = on_gpu;
    more.insert(more.end(), {"--flip", "--out", out});
    ASSERT_EQ(run({"eval", model, "--data", tiny.data()}, more).exit_code, kExitDone);
    scores[place] = io::read_json(out + "/metrics.json");
    scores[place].erase("seconds");
    more.insert(more.end(), {"--no-drawings", "--json", out + "/poses.json", "--annotations",
                             tiny.annotations()});
    ASSERT_EQ(run({"predict", model, tiny.data() + "/images/val"}, more).exit_code, kExitDone);
    poses[place] = io::read_json(out + "/poses.json");
  }
  // Crops agree bit for bit, targets to the last one: so does the loss, nearly.
  ASSERT_EQ(curves["device"].size(), curves["cpu"].size());
  ASSERT_EQ(curves["cpu"].size(), 2u);
  for (std::size_t i = 0; i < curves["cpu"].size(); ++i) {
    EXPECT_NEAR(curves["device"][i], curves["cpu"][i], 1e-5 * curves["cpu"][i]) << "step " << i;
  }
  for (const auto& [name, value] : scores["cpu"].items()) {
    if (!value.is_number()) continue;
    const double wanted = value.get<double>();
    EXPECT_NEAR(scores["device"][name].get<double>(), wanted, 1e-6 * std::abs(wanted)) << name;
  }
  EXPECT_EQ(poses["device"], poses["cpu"]);
  EXPECT_FALSE(poses["cpu"].empty());
}

}  // namespace
}  // namespace akimbo::apps
