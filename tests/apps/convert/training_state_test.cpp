// A training of PyTorch goes on here, and one of ours there: optimizer, schedule and epoch.
#include "apps/convert/training_state.h"

#include <gtest/gtest.h>

#include <cstring>

#include "apps/cli.h"
#include "apps/convert/layouts.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/nn/layers.h"
#include "tests/apps/tiny_run.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo::convert {
namespace {

using testing_support::run_akimbo;
using testing_support::ScratchFolder;
using testing_support::TinyRun;

// The network of the shared sample checkpoints.
class Tiny final : public nn::Module {
 public:
  Tiny() {
    register_module("conv1", conv1_);
    register_module("bn1", bn1_);
    deconv_layers_.add(deconv_, deconv_bn_);
    register_module("deconv_layers", deconv_layers_);
    register_module("final_layer", final_layer_);
  }

 private:
  struct Sequence final : nn::Module {
    void add(Module& first, Module& second) {
      register_module("0", first);
      register_module("1", second);
    }
  };
  nn::Conv2d conv1_{{.in_channels = 3, .out_channels = 4, .kernel = 3}};
  nn::BatchNorm2d bn1_{4};
  nn::ConvTranspose2d deconv_{{.in_channels = 4, .out_channels = 2, .kernel = 4}};
  nn::BatchNorm2d deconv_bn_{2};
  nn::Conv2d final_layer_{{.in_channels = 2, .out_channels = 2, .kernel = 1, .bias = true}};
  Sequence deconv_layers_;
};

Tensor find(const io::NamedTensors& tensors, const std::string& name) {
  for (const auto& [known, tensor] : tensors) {
    if (known == name) return tensor;
  }
  ADD_FAILURE() << "there is no " << name;
  return Tensor::zeros({1});
}

// Bitwise, and in the same order.
void expect_same_tensors(const std::string& a, const std::string& b) {
  const io::SafetensorsFile first(a), second(b);
  ASSERT_EQ(first.entries().size(), second.entries().size());
  for (const auto& entry : first.entries()) {
    const Tensor x = first.read(entry.name), y = second.read(entry.name);
    ASSERT_EQ(x.num_bytes(), y.num_bytes()) << entry.name;
    EXPECT_EQ(std::memcmp(x.raw(), y.raw(), x.num_bytes()), 0) << entry.name;
  }
}

// One epoch here, to PyTorch's form and back, then the second epoch: the bits of a run that was
// never stopped. Only the average of the epoch's log is not in PyTorch's checkpoint, and it is
// over.
TEST(TrainingState, SurvivesTheWayThroughPyTorchsForm) {
  for (const char* optimizer : {"adam", "sgd"}) {
    SCOPED_TRACE(optimizer);
    const TinyRun tiny;
    const std::vector<std::string> set = {"--set",
                                          fmt::format("train.optimizer.type={}", optimizer)};
    ASSERT_EQ(tiny.train("whole", set).exit_code, 0);
    std::vector<std::string> one_epoch = set;
    one_epoch.insert(one_epoch.end(), {"--set", "train.epochs=1"});
    ASSERT_EQ(tiny.train("half", one_epoch).exit_code, 0);

    const std::string pth = tiny.file("checkpoint.pth");
    const auto out =
        run_akimbo({"convert", tiny.file("half/checkpoint_last.safetensors"), pth, "--training"});
    ASSERT_EQ(out.exit_code, 0) << out.err;
    std::filesystem::create_directory(tiny.file("rest"));
    std::vector<std::string> back = {"convert", pth, tiny.file("rest/checkpoint_last.safetensors"),
                                     "--config", tiny.config()};
    back.insert(back.end(), set.begin(), set.end());
    const auto in = run_akimbo(back);
    ASSERT_EQ(in.exit_code, 0) << in.err;
    EXPECT_NE(in.out.find("it goes on at epoch 1; the best score so far"), std::string::npos)
        << in.out;
    EXPECT_NE(in.out.find("--resume"), std::string::npos) << in.out;

    std::vector<std::string> resume = set;
    resume.emplace_back("--resume");
    const auto rest = tiny.train("rest", resume);
    ASSERT_EQ(rest.exit_code, 0) << rest.err;
    EXPECT_NE(rest.err.find("going on at epoch 1, batch 0"), std::string::npos) << rest.err;
    expect_same_tensors(tiny.file("whole/checkpoint_last.safetensors"),
                        tiny.file("rest/checkpoint_last.safetensors"));
  }
}

TEST(TrainingState, MismatchesAreExplained) {
  for (const char* name : {"training_zip.pth.tar", "training_legacy.pth.tar"}) {
    SCOPED_TRACE(name);
    const TorchFile file(std::string(AKIMBO_TEST_DATA) + "/checkpoints/" + name);
    EXPECT_TRUE(has_training_state(file));
    Config config;
    const Tiny tiny;
    EXPECT_THROWS_WITH((void)import_training(file, find_state_dict(file), tiny, config), FileError,
                       "exp_avg of conv1.weight in the optimizer is [3,3,1,2], the network's "
                       "[4,3,3,3]");
    config.train.optimizer.type = "sgd";
    EXPECT_THROWS_WITH((void)import_training(file, find_state_dict(file), tiny, config),
                       ConfigError, "holds the state of adam");
  }
}

// Moments of the expectation file, in the order of the network's parameters.
void expect_moments(const Json& entries, const TrainingState& state) {
  const Tiny tiny;
  const auto parameters = tiny.named_parameters();
  const Tensor updates = find(state.optimizer, "num_updates");
  ASSERT_EQ(entries.size(), parameters.size());
  std::size_t i = 0;
  for (const Json& entry : entries) {
    const std::string& name = parameters[i].first;
    EXPECT_EQ(updates.values<std::int64_t>()[i], 2) << name;
    for (const char* slot : {"exp_avg", "exp_avg_sq"}) {
      const Tensor tensor =
          to_torch_layout(name, find(state.optimizer, std::string(slot) + "." + name));
      const auto wanted = entry.at(slot).at("values").get<std::vector<float>>();
      ASSERT_EQ(tensor.numel(), static_cast<std::int64_t>(wanted.size())) << name;
      EXPECT_EQ(std::memcmp(tensor.raw(), wanted.data(), tensor.num_bytes()), 0) << name;
    }
    ++i;
  }
}

// Parameter ids that are addresses, and a step that is a number; or a scheduler beside.
TEST(TrainingState, PublishedFormsAreRead) {
  const auto folder = test_support::shared_path("data/checkpoints");
  if (!folder) GTEST_SKIP() << test_support::kNoSharedData;
  const Json expected = io::read_json(*folder / "expected_torch.json").at("files");
  for (const char* name : {"legacy_train_module.pth.tar", "zip_train_scheduler.pth.tar"}) {
    SCOPED_TRACE(name);
    const TorchFile file(*folder / name);
    Config config;
    config.train.optimizer.lr = 0.5;
    config.train.schedule.milestones = {7};
    const TrainingState state = import_training(file, find_state_dict(file), Tiny(), config);
    expect_moments(expected.at(name).at("optimizer").at("state"), state);
    EXPECT_EQ(config.train.optimizer.lr, 1e-3);
    EXPECT_EQ(state.training.at("step"), 2);
    const bool has_scheduler = std::string(name).starts_with("zip");
    EXPECT_EQ(config.train.schedule.milestones,
              has_scheduler ? std::vector<int>({90, 120}) : std::vector<int>({7}));
    EXPECT_EQ(state.training.at("epoch"), has_scheduler ? 1 : 3);
    EXPECT_EQ(state.training.at("best_metric"), has_scheduler ? -1 : 0.7041234567890123);
  }
}

TEST(TrainingState, ConvertTellsWhatItLeavesOut) {
  const ScratchFolder folder;
  const std::string training = std::string(AKIMBO_TEST_DATA) + "/checkpoints/training_zip.pth.tar";
  const auto plain = run_akimbo({"convert", training, folder.file("a.safetensors")});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_NE(plain.out.find("the optimizer's state was left out: --config"), std::string::npos)
      << plain.out;
  // --training is one way only.
  EXPECT_EQ(run_akimbo({"convert", training, folder.file("b.pth"), "--training"}).exit_code, 2);
  const auto none =
      run_akimbo({"convert", folder.file("a.safetensors"), folder.file("b.pth"), "--training"});
  EXPECT_EQ(none.exit_code, 3) << none.err;
  EXPECT_FALSE(std::filesystem::exists(folder.file("b.pth")));
  const auto set = run_akimbo({"convert", training, folder.file("c.safetensors"), "--set", "a=1"});
  EXPECT_EQ(set.exit_code, 2);
  EXPECT_NE(set.err.find("--config"), std::string::npos) << set.err;
}

}  // namespace
}  // namespace akimbo::convert
