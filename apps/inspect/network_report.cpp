#include "apps/inspect/network_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/autograd/node.h"
#include "engine/plan/fuse.h"
#include "engine/plan/memory.h"

namespace akimbo::apps {

namespace {

constexpr double kMebi = 1024.0 * 1024.0;

plan::Program trace(models::Network& network, const Shape& input) {
  return plan::trace_network([&](const Tensor& x) { return network.outputs(x); }, input, DType::f32,
                             kCpu, network.named_parameters());
}

// Weight and bias, and the two vectors of the batch norm that the layer was folded with ("scale").
std::int64_t parameters_of(const plan::Node& node, const std::map<std::string, std::int64_t>& all) {
  std::int64_t count = 0;
  for (const char* part : {".weight", ".bias"}) {
    const auto found = all.find(node.layer + part);
    if (found != all.end()) count += found->second;
  }
  const Tensor scale = node.step.constant("scale");
  return count + (scale.defined() ? 2 * scale.numel() : 0);
}

std::int64_t bytes_of(const plan::NamedTensors& tensors) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += static_cast<std::int64_t>(tensor.num_bytes());
  return bytes;
}

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / kMebi);
}

std::size_t width_of_names(const std::vector<LayerRow>& layers) {
  std::size_t width = 5;
  for (const LayerRow& layer : layers) width = std::max(width, layer.name.size());
  return width;
}

}  // namespace

NetworkReport inspect_network(LoadedModel& model, const std::string& name, int batch) {
  if (batch < 1) throw_error<ArgumentError>("--batch {} is not above 0", batch);
  const PixelSize size = model.config.codec.input_size;
  models::Network& network = *model.network;
  NetworkReport report{
      .model = name, .settings = model.config.model, .input = {batch, size.height, size.width, 3}};
  std::map<std::string, std::int64_t> parameters;
  for (const auto& [key, tensor] : network.named_parameters()) {
    parameters[key] = tensor.numel();
    report.parameters += tensor.numel();
  }
  plan::Program program = trace(network, report.input);
  for (const plan::Node& node : program.nodes) {
    const std::int64_t macs = plan::count_macs(node.step);
    report.layers.push_back({.name = node.layer,
                             .op = node.step.op,
                             .input = node.step.inputs.front().shape(),
                             .output = node.step.output.shape(),
                             .parameters = parameters_of(node, parameters),
                             .macs = macs});
    report.macs += macs;
  }
  report.weight_bytes = bytes_of(network.named_parameters());
  const auto all_maps = static_cast<std::int64_t>(plan::plan_memory(program).sum_bytes);
  plan::fuse(program);
  report.map_bytes = static_cast<std::int64_t>(plan::plan_memory(program).total_bytes);
  report.all_map_bytes = all_maps;
  report.training_bytes = 4 * report.weight_bytes + all_maps;
  return report;
}

Json to_json(const NetworkReport& report) {
  Json layers = Json::array();
  for (const LayerRow& layer : report.layers) {
    layers.push_back(
        {{"name", layer.name},
         {"op", layer.op},
         {"input", std::vector<std::int64_t>(layer.input.begin(), layer.input.end())},
         {"output", std::vector<std::int64_t>(layer.output.begin(), layer.output.end())},
         {"parameters", layer.parameters},
         {"macs", layer.macs}});
  }
  return {{"kind", "network"},
          {"model", report.model},
          {"settings", report.settings},
          {"input", std::vector<std::int64_t>(report.input.begin(), report.input.end())},
          {"parameters", report.parameters},
          {"macs", report.macs},
          {"weight_bytes", report.weight_bytes},
          {"map_bytes", report.map_bytes},
          {"all_map_bytes", report.all_map_bytes},
          {"training_bytes", report.training_bytes},
          {"layers", layers}};
}

std::string to_text(const NetworkReport& report) {
  std::string text = fmt::format("{}: network {}, input {}\n", report.model, report.settings.dump(),
                                 report.input.str());
  const std::size_t width = width_of_names(report.layers);
  text += fmt::format("  {:{}} {:17} {:20} {:20} {:>12} {:>12}\n", "layer", width, "op", "input",
                      "output", "parameters", "10^6 MACs");
  for (const LayerRow& layer : report.layers) {
    text += fmt::format("  {:{}} {:17} {:20} {:20} {:>12} {:>12.2f}\n", layer.name, width, layer.op,
                        layer.input.str(), layer.output.str(), layer.parameters,
                        1e-6 * static_cast<double>(layer.macs));
  }
  const double macs = static_cast<double>(report.macs);
  text += fmt::format(
      "{} layers, {} parameters, {:.3f} GMACs ({:.3f} an image)\n"
      "memory: weights {}; maps in prediction {} ({} if none shared memory); training {} at least "
      "(weights, gradients, Adam's moments, all maps)\n",
      report.layers.size(), report.parameters, 1e-9 * macs,
      1e-9 * macs / static_cast<double>(report.input[0]), mebibytes(report.weight_bytes),
      mebibytes(report.map_bytes), mebibytes(report.all_map_bytes),
      mebibytes(report.training_bytes));
  return text;
}

}  // namespace akimbo::apps
