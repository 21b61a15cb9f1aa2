// Checkpoints of all kinds in place of a model: their config, their colours, what was loaded.
#include "apps/common/load_model.h"

#include <gtest/gtest.h>

#include "apps/common/load_weights.h"
#include "apps/convert/torch_file.h"
#include "apps/convert/torch_write.h"
#include "engine/core/error.h"
#include "tests/apps/tiny_run.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

using testing_support::run_akimbo;
using testing_support::TinyRun;

// A run, and its best weights in PyTorch's form: `foreign` as PyTorch itself would write it.
class Checkpoints : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun;
    ASSERT_EQ(tiny_->train("run", {"--set", "train.epochs=1", "--set", "data.color=bgr"}).exit_code,
              0);
    ASSERT_EQ(run_akimbo({"convert", ours(), pth()}).exit_code, 0);
    const convert::TorchFile file(pth());
    io::NamedTensors tensors;
    for (std::size_t i = 0; i + 1 < file.root().items.size(); i += 2) {
      tensors.emplace_back("module." + file.root().items[i]->utf8(),
                           file.tensor(*file.root().items[i + 1]));
    }
    convert::write_torch_file(foreign(), tensors);
  }
  static void TearDownTestSuite() {
    delete tiny_;
    tiny_ = nullptr;
  }
  static std::string ours() { return tiny_->file("run/checkpoint_best.safetensors"); }
  static std::string pth() { return tiny_->file("ours.pth"); }
  static std::string foreign() { return tiny_->file("foreign.pth"); }
  static std::string config() { return tiny_->config(); }

  static TinyRun* tiny_;
};
TinyRun* Checkpoints::tiny_ = nullptr;

bool contains(const std::vector<std::string>& lines, const std::string& part) {
  for (const std::string& line : lines) {
    if (line.find(part) != std::string::npos) return true;
  }
  return false;
}

// A .pth that akimbo wrote carries config, skeleton and colours as our own files do.
TEST_F(Checkpoints, OurPyTorchFilesStandAlone) {
  for (const std::string& file : {ours(), pth()}) {
    const LoadedModel model = load_model({.model = file});
    EXPECT_EQ(model.config.data.color, "bgr") << file;
    EXPECT_EQ(model.config.model.at("width"), 4) << file;
    EXPECT_EQ(model.skeleton.name, "coco") << file;
    EXPECT_TRUE(contains(model.notes, "140 of the network's 140 tensors loaded")) << file;
  }
}

TEST_F(Checkpoints, ForeignOnesNeedTheirConfig) {
  EXPECT_THROWS_WITH((void)load_model({.model = foreign()}), FileError,
                     "does not say what network it is of");
  const LoadedModel model =
      load_model({.model = foreign(), .config = config(), .overrides = {"data.color=bgr"}});
  EXPECT_EQ(model.config.data.color, "bgr");
  EXPECT_TRUE(contains(model.notes, "does not say in which order it takes colours"));
  const LoadedModel same = load_model({.model = config(), .init = foreign()});
  EXPECT_EQ(same.weights_path, foreign());
}

// RGB weights never get BGR pictures, or the reverse, without a word.
TEST_F(Checkpoints, ColoursCannotBeMixedUpSilently) {
  for (const std::string& file : {ours(), pth()}) {
    EXPECT_THROWS_WITH((void)load_model({.model = file, .config = config()}), ConfigError,
                       "was trained on pictures in bgr order, the config says data.color = rgb");
    EXPECT_THROWS_WITH((void)load_model({.model = config(), .init = file}), ConfigError,
                       "--set data.color=bgr");
    const LoadedModel right =
        load_model({.model = config(), .init = file, .overrides = {"data.color=bgr"}});
    EXPECT_EQ(right.config.data.color, "bgr");
    EXPECT_FALSE(contains(right.notes, "colour"));
    const LoadedModel chosen =
        load_model({.model = config(), .init = file, .overrides = {"data.color=rgb"}});
    EXPECT_EQ(chosen.config.data.color, "rgb");
    EXPECT_TRUE(contains(chosen.notes, "trained on bgr pictures and get rgb, as you chose"));
    EXPECT_EQ(tiny_->train("mixed", {"--init", file}).exit_code, 2);
    const auto converted =
        run_akimbo({"convert", file, tiny_->file("mixed.safetensors"), "--config", config()});
    EXPECT_EQ(converted.exit_code, 2) << converted.err;
    EXPECT_FALSE(std::filesystem::exists(tiny_->file("mixed.safetensors")));
  }
}

TEST_F(Checkpoints, ProgramTakesThem) {
  const auto alone = run_akimbo({"eval", foreign(), "--data", tiny_->data()});
  EXPECT_EQ(alone.exit_code, 3);
  EXPECT_NE(alone.err.find("--config CONFIG"), std::string::npos) << alone.err;
  const auto with_config =
      run_akimbo({"eval", foreign(), "--config", config(), "--data", tiny_->data(), "--out",
                  tiny_->file("eval"), "--set", "data.color=bgr"});
  EXPECT_EQ(with_config.exit_code, 0) << with_config.err;
  const auto by_itself =
      run_akimbo({"eval", pth(), "--data", tiny_->data(), "--out", tiny_->file("eval2")});
  EXPECT_EQ(by_itself.exit_code, 0) << by_itself.err;
  EXPECT_EQ(run_akimbo({"eval", config(), "--config", config()}).exit_code, 2);
  EXPECT_EQ(run_akimbo({"eval", ours(), "--init", pth()}).exit_code, 2);
}

// A backbone under a fresh head: names where they are few, parts where they are many.
TEST_F(Checkpoints, SummaryTellsWhatWasLoaded) {
  convert::Weights weights = convert::read_weights(ours());
  std::erase_if(weights.tensors, [](const auto& entry) {
    return entry.first.starts_with("deconv_layers.") || entry.first == "final_layer.weight";
  });
  weights.tensors.emplace_back("fc.weight", Tensor::zeros({1000, 512}));
  weights.tensors.emplace_back("fc.bias", Tensor::zeros({1000}));
  for (auto& [name, tensor] : weights.tensors) {
    if (name == "final_layer.bias") tensor = Tensor::zeros({3});
  }
  LoadedModel model = load_model({.model = ours()});
  const auto lines =
      load_weights(*model.network, weights, model.config, LoadOptions{.strict = false});
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_NE(lines[0].find("120 of the network's 140 tensors loaded"), std::string::npos)
      << lines[0];
  EXPECT_EQ(lines[1],
            "  not in the file, left as initialised: deconv_layers (18), final_layer (1)");
  EXPECT_EQ(lines[2],
            "  of another shape, left as initialised: final_layer.bias is [3] in the file, [17] in "
            "the network");
  EXPECT_EQ(lines[3], "  in the file, not used: fc.weight, fc.bias");
  weights.tensors = {{"fc.weight", Tensor::zeros({1000, 512})}};
  EXPECT_THROWS_WITH(
      (void)load_weights(*model.network, weights, model.config, LoadOptions{.strict = false}),
      FileError, "none of the 1 tensors");
}

}  // namespace
}  // namespace akimbo::apps
