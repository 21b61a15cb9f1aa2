// The graph that is written; that other engines give the same heatmaps from it is shown by
// tests/parity/check_onnx.py.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <fstream>
#include <set>

#include "apps/convert/onnx_write.h"
#include "engine/core/error.h"
#include "models/registry.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/throws.h"

namespace akimbo::convert {
namespace {

std::unique_ptr<models::Network> small_network(const Json& section) {
  auto network = models::build_network(section, 5);
  network->init(1);
  network->eval();
  return network;
}

onnx::ModelProto exported(models::Network& network) {
  const test_support::TemporaryFolder folder;
  const auto path = folder.path() / "a.onnx";
  write_onnx(path, network, {.height = 64, .width = 96, .metadata = {{"key", "value"}}});
  onnx::ModelProto model;
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&in));
  return model;
}

// Every input of a node is the graph's, a constant, or made before; returns the ops.
std::set<std::string> checked_ops(const onnx::GraphProto& graph) {
  std::set<std::string> known = {"", graph.input(0).name()}, ops;
  for (const auto& tensor : graph.initializer()) {
    EXPECT_TRUE(known.insert(tensor.name()).second) << tensor.name() << " is there twice";
  }
  for (const auto& node : graph.node()) {
    ops.insert(node.op_type());
    for (const auto& input : node.input()) EXPECT_TRUE(known.contains(input)) << input;
    for (const auto& output : node.output()) EXPECT_TRUE(known.insert(output).second) << output;
  }
  for (const auto& output : graph.output()) EXPECT_TRUE(known.contains(output.name()));
  return ops;
}

std::string dims_of(const onnx::ValueInfoProto& value) {
  std::string text;
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    text += (dim.has_dim_param() ? dim.dim_param() : std::to_string(dim.dim_value())) + " ";
  }
  return text;
}

TEST(Onnx, HRNetIsConvolutionsSumsAndResizes) {
  const auto network =
      small_network({{"name", "pose_hrnet"}, {"width", 8}, {"modules", {1, 1, 1}}, {"blocks", 1}});
  const onnx::ModelProto model = exported(*network);
  EXPECT_EQ(checked_ops(model.graph()),
            (std::set<std::string>{"Add", "Conv", "Identity", "Relu", "Resize"}));
  EXPECT_EQ(dims_of(model.graph().input(0)), "batch 3 64 96 ");
  EXPECT_EQ(dims_of(model.graph().output(0)), "batch 5 16 24 ");
  EXPECT_EQ(model.opset_import(0).version(), 17);
  EXPECT_EQ(model.metadata_props(0).key(), "key");
}

// [O,kh,kw,I] becomes [O,I,kh,kw], times gamma / sqrt(variance + eps); a transposed convolution's
// becomes [I,O,kh,kw].
TEST(Onnx, WeightsArePermutedAndCarryTheBatchNorm) {
  const auto network = small_network(
      {{"name", "pose_resnet"}, {"depth", 18}, {"deconv_filters", {16}}, {"deconv_kernels", {4}}});
  std::map<std::string, Tensor> state;
  for (const auto& [name, tensor] : network->state()) state.emplace(name, tensor);
  state.at("bn1.weight").fill(3);
  state.at("bn1.running_var").fill(0.25);
  const onnx::ModelProto model = exported(*network);
  EXPECT_TRUE(checked_ops(model.graph()).contains("ConvTranspose"));
  int found = 0;
  for (const auto& tensor : model.graph().initializer()) {
    const auto* values = reinterpret_cast<const float*>(tensor.raw_data().data());
    if (tensor.name() == "conv1.weight") {
      ++found;
      const auto w = state.at("conv1.weight").values<float>();  // [64,7,7,3]
      const double scale = 3 / std::sqrt(0.25 + 1e-5);
      EXPECT_FLOAT_EQ(values[((5 * 3 + 2) * 7 + 4) * 7 + 6],
                      static_cast<float>(scale * w[((5 * 7 + 4) * 7 + 6) * 3 + 2]));
    } else if (tensor.name() == "deconv_layers.0.weight") {
      ++found;
      EXPECT_EQ(tensor.dims(0), 512);
      const auto w = state.at("deconv_layers.0.weight").values<float>();  // [16,4,4,512]
      EXPECT_NEAR(values[((300 * 16 + 7) * 4 + 1) * 4 + 2], w[((7 * 4 + 1) * 4 + 2) * 512 + 300],
                  1e-7);
    }
  }
  EXPECT_EQ(found, 2);
}

TEST(Onnx, AFullOrMissingFolderIsExplained) {
  const auto network = small_network({{"name", "pose_resnet"}, {"depth", 18}});
  EXPECT_THROWS_WITH(
      write_onnx("/nonexistent/a.onnx", *network, {.height = 64, .width = 64, .metadata = {}}),
      FileError, "/nonexistent/a.onnx");
}

}  // namespace
}  // namespace akimbo::convert
