// From the checkpoints that tests/parity/make_torch_files.py wrote with PyTorch to ours and back.
#include "apps/convert/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "apps/cli.h"
#include "apps/common/load_model.h"
#include "apps/config/load.h"
#include "apps/convert/layouts.h"
#include "apps/convert/state_dict.h"
#include "apps/convert/torch_write.h"
#include "apps/convert/training_state.h"
#include "config/parts.h"
#include "datasets/meta.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo::convert {
namespace {

using testing_support::run_akimbo;
using testing_support::ScratchFolder;

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(AKIMBO_TEST_DATA) / "checkpoints" / name;
}

const Json& expected() {
  static const Json json = io::read_json(fixture("expected.json"));
  return json;
}

// `ours` in the engine's axis order.
void expect_tensors(const Json& wanted, const io::NamedTensors& ours) {
  EXPECT_EQ(wanted.size(), ours.size());
  for (const auto& [name, tensor] : ours) {
    ASSERT_TRUE(wanted.contains(name)) << name;
    const Tensor torch = to_torch_layout(name, tensor);
    const auto sizes = wanted.at(name).at("shape").get<std::vector<std::int64_t>>();
    EXPECT_EQ(sizes, std::vector<std::int64_t>(torch.shape().begin(), torch.shape().end())) << name;
    const Tensor exact = torch.to(DType::f64);
    const std::vector<double> values(exact.values<double>().begin(), exact.values<double>().end());
    EXPECT_EQ(wanted.at(name).at("values").get<std::vector<double>>(), values) << name;
  }
}

TEST(Convert, EveryFixtureGivesItsTensors) {
  for (const auto& [name, wanted] : expected().items()) {
    SCOPED_TRACE(name);
    expect_tensors(wanted, read_weights(fixture(name)).tensors);
  }
}

TEST(Convert, TrainingCheckpointsTellTheirFacts) {
  for (const char* name : {"training_zip.pth.tar", "training_legacy.pth.tar"}) {
    const Weights weights = read_weights(fixture(name));
    EXPECT_EQ("state_dict", weights.key);
    EXPECT_EQ(5, weights.facts.at("epoch"));
    EXPECT_EQ("tiny", weights.facts.at("model"));
    EXPECT_EQ(0.625, weights.facts.at("perf"));
    EXPECT_EQ("conv1.weight", weights.tensors.front().first);  // "module." is cut off
    EXPECT_EQ("best_state_dict", read_weights(fixture(name), {.key = "best_state_dict"}).key);
    EXPECT_THROWS_WITH((void)read_weights(fixture(name), {.key = "epoch"}), FileError,
                       "epoch, model, state_dict");
  }
}

TEST(Convert, OptimizerStateIsMatchedToParameters) {
  for (const char* name : {"training_zip.pth.tar", "training_legacy.pth.tar"}) {
    const TorchFile file(fixture(name));
    const auto entries = read_optimizer(file, find_state_dict(file));
    ASSERT_EQ(8u, entries.size());
    EXPECT_EQ("conv1.weight", entries[0].parameter);
    EXPECT_EQ("deconv_layers.0.weight",
              entries[3].parameter);  // batch statistics are no parameters
    EXPECT_EQ(1, entries[0].step);
    ASSERT_EQ(2u, entries[3].tensors.size());
    const Tensor average = file.tensor(*entries[3].tensors[0].second);
    EXPECT_EQ(Shape({3, 2, 2, 2}), average.shape());
    EXPECT_FLOAT_EQ(0.05f, average.values<float>()[0]);  // (1 - beta1) * 0.5
  }
}

// Parameter ids that are addresses of Python objects, and a step that is a plain number.
TEST(Convert, OldOptimizerIdsAreMatchedToo) {
  const auto path = test_support::shared_path("data/checkpoints/legacy_train_module.pth.tar");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const TorchFile file(*path);
  const auto entries = read_optimizer(file, find_state_dict(file));
  ASSERT_EQ(8u, entries.size());
  EXPECT_EQ("final_layer.bias", entries[7].parameter);
  EXPECT_EQ(2, entries[7].step);
  EXPECT_EQ(Shape({2}), file.tensor(*entries[7].tensors[0].second).shape());
}

TEST(Convert, RoundTripThroughOursIsExact) {
  const ScratchFolder folder;
  for (const char* name : {"state_zip.pth", "training_legacy.pth.tar", "views_zip.pth"}) {
    SCOPED_TRACE(name);
    (void)convert_file({.source = fixture(name), .dest = folder.file("a.safetensors")});
    const Weights ours = read_weights(folder.file("a.safetensors"));
    EXPECT_TRUE(ours.is_ours);
    expect_tensors(expected().at(name), ours.tensors);
    (void)convert_file({.source = folder.file("a.safetensors"), .dest = folder.file("b.pth")});
    EXPECT_TRUE(looks_like_torch_file(folder.file("b.pth")));
    expect_tensors(expected().at(name), read_weights(folder.file("b.pth")).tensors);
  }
}

// Other programs' safetensors files have PyTorch's axis order.
TEST(Convert, ForeignSafetensorsAreTurned) {
  const ScratchFolder folder;
  const Tensor weight = Tensor::zeros({3, 2, 5, 4});
  io::write_safetensors(folder.file("pt.safetensors"), {{"conv.weight", weight}},
                        {{"format", "pt"}});
  EXPECT_EQ(Shape({3, 5, 4, 2}),
            read_weights(folder.file("pt.safetensors")).tensors[0].second.shape());
  const Weights kept = read_weights(folder.file("pt.safetensors"), {.layout = "akimbo"});
  EXPECT_EQ(weight.shape(), kept.tensors[0].second.shape());
  EXPECT_THROWS_WITH((void)read_weights(folder.file("pt.safetensors"), {.layout = "nchw"}),
                     ConfigError, "auto, akimbo or torch");
}

TEST(Convert, NamesThatWouldCollideKeepTheirPrefix) {
  const ScratchFolder folder;
  const Tensor one = Tensor::zeros({1});
  write_torch_file(folder.file("a.pth"), {{"module.w", one}, {"w", one}});
  const Weights weights = read_weights(folder.file("a.pth"));
  EXPECT_EQ("module.w", weights.tensors[0].first);
}

constexpr const char* kSmallConfig = "body2d/simple_baseline/synth/res18_128x96_demo";

// The weights of a fresh network as a PyTorch file in the layout of a training run.
io::NamedTensors torch_state_of_small_network() {
  const Config config = apps::load_config(apps::find_config(kSmallConfig));
  const auto network = make_network(config, datasets::skeleton_by_name(config.skeleton));
  io::NamedTensors tensors;
  for (const auto& [name, tensor] : network->state()) {
    tensors.emplace_back("module." + name, to_torch_layout(name, tensor));
  }
  return tensors;
}

TEST(Convert, WithAConfigTheFileAloneIsAModel) {
  const ScratchFolder folder;
  io::NamedTensors torch = torch_state_of_small_network();
  // Old files have no counters, and batch norms in another order.
  std::erase_if(torch, [](const auto& t) { return t.first.ends_with("num_batches_tracked"); });
  std::reverse(torch.begin(), torch.end());
  write_torch_file(folder.file("a.pth"), torch);
  const ConvertReport report = convert_file({.source = folder.file("a.pth"),
                                             .dest = folder.file("a.safetensors"),
                                             .config = kSmallConfig});
  EXPECT_TRUE(report.is_checked);
  EXPECT_EQ(24u, report.weights.added.size());  // 20 of ResNet-18, 4 of the head
  const apps::LoadedModel model = apps::load_model({.model = folder.file("a.safetensors")});
  EXPECT_EQ(18, model.config.model.at("depth"));
  for (const auto& [name, tensor] : model.network->state()) {
    const auto it = std::find_if(torch.begin(), torch.end(),
                                 [&](const auto& t) { return t.first == "module." + name; });
    if (it == torch.end()) continue;
    const Tensor back = to_torch_layout(name, tensor);
    EXPECT_EQ(0, std::memcmp(back.raw(), it->second.raw(), back.num_bytes())) << name;
  }
  // Ours back to PyTorch's: in the order of the network, checked by the config inside.
  EXPECT_TRUE(convert_file({.source = folder.file("a.safetensors"), .dest = folder.file("b.pth")})
                  .is_checked);
  const TorchFile written(folder.file("b.pth"));
  EXPECT_EQ("conv1.weight", find_state_dict(written).entries.front().name);
}

TEST(Convert, WeightsOfAnotherNetworkAreRefusedAndNothingIsWritten) {
  const ScratchFolder folder;
  EXPECT_THROWS_WITH((void)convert_file({.source = fixture("state_zip.pth"),
                                         .dest = folder.file("a.safetensors"),
                                         .config = kSmallConfig}),
                     FileError, "does not fit the network");
  EXPECT_FALSE(std::filesystem::exists(folder.file("a.safetensors")));
  EXPECT_THROWS_WITH((void)convert_file({.source = fixture("state_zip.pth"),
                                         .dest = folder.file("a.safetensors"),
                                         .config = "no_such_config"}),
                     ConfigError, "no_such_config");
}

TEST(Convert, OtherKindsOfFilesAreNamed) {
  const ScratchFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it is empty"},
      {"<!DOCTYPE html><html>", "web page"},
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {"\x1f\x8b\x08", "gzip"},
      {"\x80\x04\x95.", "neither form"},
      {std::string(257, 'x') + "ustar", "tar archive"},
      {"PK\x03\x04 and nothing more", "cut short or damaged"},
  };
  for (const auto& [bytes, part] : cases) {
    io::write_file_atomic(folder.file("x.pth"), bytes);
    EXPECT_THROWS_WITH((void)read_weights(folder.file("x.pth")), FileError, part);
  }
}

TEST(ConvertCommand, ConvertsAndTells) {
  const ScratchFolder folder;
  const auto done =
      run_akimbo({"convert", fixture("training_zip.pth.tar"), folder.file("a.safetensors")});
  EXPECT_EQ(apps::kExitDone, done.exit_code) << done.err;
  EXPECT_NE(std::string::npos, done.out.find("14 tensors")) << done.out;
  EXPECT_NE(std::string::npos, done.out.find("epoch: 5")) << done.out;
}

TEST(ConvertCommand, WrongUseHasItsExitCode) {
  const ScratchFolder folder;
  const std::string good = fixture("state_zip.pth");
  EXPECT_EQ(apps::kExitUsage, run_akimbo({"convert", good}).exit_code);
  EXPECT_EQ(apps::kExitUsage, run_akimbo({"convert", good, folder.file("a.bin")}).exit_code);
  EXPECT_EQ(apps::kExitBadData,
            run_akimbo({"convert", folder.file("none.pth"), folder.file("a.pth")}).exit_code);
  for (const char* dest : {"no/such/a.pth", "no/such/a.safetensors"}) {
    EXPECT_EQ(apps::kExitFailed, run_akimbo({"convert", good, folder.file(dest)}).exit_code);
  }
}

}  // namespace
}  // namespace akimbo::convert
