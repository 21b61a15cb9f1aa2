// `akimbo convert SOURCE DEST`.
#include <fmt/format.h>

#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/load_model.h"
#include "apps/common/output_folder.h"
#include "apps/convert/convert.h"
#include "apps/convert/experiment.h"
#include "apps/convert/onnx_write.h"
#include "inference/model_file.h"

namespace akimbo::apps {
namespace {

// A network for other inference engines: with its own config, or the one that is given.
int run_onnx(const convert::ConvertOptions& options) {
  LoadedModel model =
      options.config.empty()
          ? load_model({.model = options.source, .init = {}, .overrides = {}})
          : load_model({.model = options.config, .init = options.source, .overrides = {}});
  const PixelSize size = model.config.codec.input_size;
  write_output([&] {
    convert::write_onnx(options.dest, *model.network,
                        {.height = size.height,
                         .width = size.width,
                         .metadata = model_metadata({model.config, model.skeleton, Json()})});
  });
  fmt::print("wrote {}: input [batch,3,{},{}], {} numbers\n", options.dest, size.height, size.width,
             model.network->num_parameters());
  return kExitDone;
}

int run_convert(const convert::ConvertOptions& options) {
  if (options.dest.ends_with(".onnx")) return run_onnx(options);
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
  for (const std::string& note : report.notes) fmt::print("  {}\n", note);
  fmt::print("wrote {}{}\n", options.dest,
             report.is_checked ? ""
                               : "; names and shapes were not checked: --config CONFIG does, and "
                                 "makes a file that can predict by itself");
  if (options.training) return kExitDone;
  if (report.has_training) {
    fmt::print(
        "to go on with the training: put it into a folder as checkpoint_last.safetensors, then "
        "akimbo train {} --out FOLDER --resume\n",
        options.config);
  } else if (weights.has_training) {
    fmt::print("the optimizer's state was left out{}\n",
               options.config.empty() ? ": --config CONFIG takes it along" : "");
  }
  return kExitDone;
}

bool is_yaml(const std::string& path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

int convert_experiment(const convert::ConvertOptions& options) {
  if (!options.dest.ends_with(".json")) {
    throw_error<ConfigError>("[convert] an experiment becomes a config, so {} must end in .json",
                             options.dest);
  }
  const convert::Experiment experiment = convert::read_experiment(options.source);
  write_output([&] { io::write_json(options.dest, experiment.config); });
  fmt::print("{}: an experiment of {}\n", options.source, experiment.repository);
  for (const std::string& line : experiment.not_honoured) {
    fmt::print("  not in the config: {}\n", line);
  }
  fmt::print("wrote {}\n", options.dest);
  return kExitDone;
}

}  // namespace

Command convert_command() {
  return {"convert",
          "PyTorch checkpoints to ours and back, networks to ONNX, experiment files to configs",
          "akimbo convert pose_resnet_50_256x192.pth.tar resnet50.safetensors --config "
          "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3",
          [](Options& command_line) {
            auto options = std::make_shared<convert::ConvertOptions>();
            command_line.argument("SOURCE", options->source,
                                  ".pth, .pt, .pth.tar or .safetensors; or a published "
                                  "experiment, .yaml");
            command_line.argument("DEST", options->dest,
                                  "file to write: .safetensors (ours), .pth (PyTorch) or "
                                  ".onnx; of an experiment a config, .json");
            command_line.option("--config", options->config,
                                "the network: names and shapes are checked, and the config is kept "
                                "in the file, so that it alone can predict");
            command_line.option("--set", options->overrides,
                                "change a setting of that config: a.b=value");
            command_line.flag("--training", options->training,
                              "write a run's checkpoint_last.safetensors as HRNet's code writes "
                              "its training checkpoints, optimizer and all");
            command_line.option("--key", options->read.key,
                                "where in a training checkpoint the weights are "
                                "(found by itself: state_dict, network, model ...)");
            command_line.option("--layout", options->read.layout,
                                "axis order of a safetensors source: auto, akimbo, torch");
            command_line.flag("--keep-unknown", options->read.keep_unknown,
                              "read weights that lie beside objects of unknown Python classes; "
                              "nothing of them is ever run");
            return [options] {
              return is_yaml(options->source) ? convert_experiment(*options)
                                              : run_convert(*options);
            };
          }};
}

}  // namespace akimbo::apps
