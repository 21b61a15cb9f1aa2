// `akimbo convert SOURCE DEST`.
#include <fmt/format.h>

#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/convert/convert.h"

namespace akimbo::apps {
namespace {

int run_convert(const convert::ConvertOptions& options) {
  const convert::ConvertReport report = convert::convert_file(options);
  const convert::Weights& weights = report.weights;
  std::int64_t numel = 0;
  for (const auto& [name, tensor] : weights.tensors) numel += tensor.numel();
  fmt::print("{}: {}{}, {} tensors, {} numbers\n", options.source, weights.format,
             weights.key.empty() ? "" : " (" + weights.key + ")", weights.tensors.size(), numel);
  for (const auto& [key, value] : weights.facts.items()) {
    fmt::print("  {}: {}\n", key, value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  if (!weights.added.empty()) {
    fmt::print("  added: {} batch counters, which old files lack\n", weights.added.size());
  }
  fmt::print("wrote {}{}\n", options.dest,
             report.is_checked ? ""
                               : "; names and shapes were not checked: --config CONFIG does, and "
                                 "makes a file that can predict by itself");
  return kExitDone;
}

}  // namespace

Command convert_command() {
  return {"convert", "turn PyTorch checkpoints into ours, and back",
          "akimbo convert pose_resnet_50_256x192.pth.tar resnet50.safetensors --config "
          "coco/resnet50_256x192",
          [](Options& command_line) {
            auto options = std::make_shared<convert::ConvertOptions>();
            command_line.argument("SOURCE", options->source, ".pth, .pt, .pth.tar or .safetensors");
            command_line.argument("DEST", options->dest,
                                  "file to write: .safetensors (ours) or .pth (PyTorch)");
            command_line.option("--config", options->config,
                                "the network: names and shapes are checked, and the config is kept "
                                "in the file, so that it alone can predict");
            command_line.option("--key", options->read.key,
                                "where in a training checkpoint the weights are "
                                "(found by itself: state_dict, network, model ...)");
            command_line.option("--layout", options->read.layout,
                                "axis order of a safetensors source: auto, akimbo, torch");
            command_line.flag("--keep-unknown", options->read.keep_unknown,
                              "read weights that lie beside objects of unknown Python classes; "
                              "nothing of them is ever run");
            return [options] { return run_convert(*options); };
          }};
}

}  // namespace akimbo::apps
