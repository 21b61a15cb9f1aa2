#include "apps/convert/convert.h"

#include <optional>
#include <unordered_set>

#include "apps/common/load_weights.h"
#include "apps/common/output_folder.h"
#include "apps/config/load.h"
#include "apps/convert/layouts.h"
#include "apps/convert/state_dict.h"
#include "apps/convert/torch_file.h"
#include "apps/convert/torch_write.h"
#include "apps/convert/training_state.h"
#include "config/parts.h"
#include "datasets/meta.h"
#include "engine/core/error.h"
#include "inference/model_file.h"

namespace akimbo::convert {
namespace {

// In the metadata of every file that akimbo writes; others have none or "pt".
constexpr const char* kFormatKey = "format";
constexpr const char* kOurFormat = "akimbo";

enum class FileKind { safetensors, torch, unknown };

FileKind kind_of_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".safetensors")) return FileKind::safetensors;
  for (const char* extension : {".pth", ".pt", ".pth.tar"}) {
    if (name.ends_with(extension)) return FileKind::torch;
  }
  return FileKind::unknown;
}

// Numbers and texts beside the weights: the epoch, the score, the name of the network.
Json plain_facts(const TorchFile& file, const std::string& weights_key) {
  Json facts = Json::object();
  if (weights_key.empty()) return facts;
  const Json all = describe(file, file.root());
  for (const auto& [key, value] : all.items()) {
    if (value.is_primitive() && !value.is_null()) facts[key] = value;
  }
  return facts;
}

Weights read_torch_weights(const std::filesystem::path& path, const ReadOptions& options) {
  const TorchFile file(path, {.keep_unknown = options.keep_unknown});
  const StateDict dict = find_state_dict(file, options.key);
  Weights weights;
  weights.format = file.format();
  weights.metadata = file.metadata();
  weights.is_ours = !weights.metadata.empty();
  weights.key = dict.key;
  weights.has_training = has_training_state(file);
  weights.facts = plain_facts(file, dict.key);
  for (const StateDict::Entry& entry : dict.entries) {
    weights.tensors.emplace_back(entry.name,
                                 to_engine_layout(entry.name, read_tensor(file, entry)));
  }
  return weights;
}

Weights read_safetensors_weights(const std::filesystem::path& path, const ReadOptions& options) {
  const io::SafetensorsFile file(path);
  Weights weights;
  weights.format = "safetensors";
  weights.metadata = file.metadata();
  const auto format = weights.metadata.find(kFormatKey);
  weights.is_ours = format != weights.metadata.end() && format->second == kOurFormat;
  const bool is_torch_order =
      options.layout == "torch" || (options.layout == "auto" && !weights.is_ours);
  weights.has_training = weights.metadata.contains("training");
  weights.tensors = weights.is_ours ? akimbo::read_weights(file) : file.read_all();
  if (is_torch_order) {
    for (auto& [name, tensor] : weights.tensors) tensor = to_engine_layout(name, tensor);
  }
  return weights;
}

// What the config inside says of the pictures; empty when there is none.
std::string color_of(const io::Metadata& metadata) {
  const auto text = metadata.find("config");
  if (text == metadata.end()) return "";
  const Json config = Json::parse(text->second, nullptr, false);
  const Json::json_pointer place("/data/color");
  if (!config.is_object() || !config.contains(place) || !config.at(place).is_string()) return "";
  return config.at(place).get<std::string>();
}

// Every batch norm of today has a counter; it takes no part in what the network computes.
void add_batch_counters(Weights& weights) {
  const std::string mean = "running_mean";
  const std::string counter = "num_batches_tracked";
  std::unordered_set<std::string> names;
  for (const auto& [name, tensor] : weights.tensors) names.insert(name);
  for (const auto& [name, tensor] : weights.tensors) {
    if (!name.ends_with(mean)) continue;
    std::string wanted = name.substr(0, name.size() - mean.size()) + counter;
    if (!names.contains(wanted)) weights.added.push_back(std::move(wanted));
  }
  for (const std::string& name : weights.added) {
    weights.tensors.emplace_back(name, Tensor::zeros({}, DType::i64));
  }
}

// The network that the weights are for: as told, or as the source itself says.
std::optional<ModelInfo> wanted_network(const ConvertOptions& options, const Weights& weights) {
  if (!options.config.empty()) {
    ModelInfo info;
    info.config = apps::load_config(apps::find_config(options.config), options.overrides);
    info.skeleton = datasets::skeleton_by_name(info.config.skeleton);
    return info;
  }
  if (!options.overrides.empty()) {
    throw_error<ConfigError>("[convert] --set {} needs a config to change; name it with --config",
                             options.overrides.front());
  }
  if (!weights.is_ours || !weights.metadata.contains("config")) return std::nullopt;
  ModelInfo info = read_model_info(weights.metadata, options.source);
  info.training = nullptr;  // its state is not taken along
  return info;
}

// Throws unless names and shapes are exactly the network's; puts the tensors into its order.
std::unique_ptr<models::Network> fit_network(Weights& weights, const ModelInfo& info,
                                             const ConvertOptions& options) {
  auto network = make_network(info.config, info.skeleton);
  (void)apps::load_weights(*network, weights, info.config,
                           {.color_is_chosen = apps::chooses_color(options.overrides)});
  weights.tensors = network->state();
  return network;
}

// The state of the training, so that --resume goes on from the file.
void add_training(ConvertReport& report, const models::Network& network, ModelInfo& info,
                  const ConvertOptions& options) {
  const TorchFile file(options.source, {.keep_unknown = options.read.keep_unknown});
  TrainingState state =
      import_training(file, find_state_dict(file, report.weights.key), network, info.config);
  for (auto& [name, tensor] : state.optimizer) {
    report.weights.tensors.emplace_back(kOptimizerPrefix + name, tensor);
  }
  info.training = std::move(state.training);
  report.notes = std::move(state.notes);
  report.has_training = true;
}

// What is known of where the weights come from, for `akimbo inspect`.
std::string origin_of(const Weights& weights, const std::string& source) {
  Json origin = {{"file", std::filesystem::path(source).filename().string()},
                 {"format", weights.format}};
  if (!weights.key.empty()) origin["key"] = weights.key;
  if (!weights.facts.empty()) origin["facts"] = weights.facts;
  return origin.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void write_weights(const std::filesystem::path& path, FileKind kind, const Weights& weights) {
  if (kind == FileKind::safetensors) {
    return io::write_safetensors(path, weights.tensors, weights.metadata);
  }
  io::NamedTensors tensors;
  for (const auto& [name, tensor] : weights.tensors) {
    tensors.emplace_back(name, to_torch_layout(name, tensor));
  }
  io::Metadata metadata = weights.metadata;
  metadata.erase(kFormatKey);  // it says the axis order of safetensors files
  write_torch_file(path, tensors, metadata);
}

// A checkpoint of ours as one that HRNet's training code goes on from.
ConvertReport convert_training(const ConvertOptions& options, FileKind kind) {
  if (kind != FileKind::torch || is_torch_checkpoint(options.source)) {
    throw_error<ConfigError>(
        "[convert] --training writes a checkpoint of ours as PyTorch's; {} to {} is not that",
        options.source, options.dest);
  }
  const io::SafetensorsFile file(options.source);
  ModelInfo info = read_model_info(file.metadata(), options.source);
  const auto network = make_network(info.config, info.skeleton);
  const TorchTraining training = export_training(file, info, *network);
  ConvertReport report{.is_checked = true, .has_training = true};
  report.weights = {.path = options.source, .tensors = network->state(), .format = "safetensors"};
  if (info.training.value("batch", 0) != 0) {
    report.notes.push_back(fmt::format(
        "the run stood inside epoch {}; PyTorch's code begins that epoch again", training.epoch));
  }
  info.training = nullptr;
  io::Metadata metadata = model_metadata(info);
  metadata.erase(kFormatKey);
  apps::write_output([&] { write_torch_training(options.dest, training, metadata); });
  return report;
}

}  // namespace

bool is_checkpoint_name(const std::filesystem::path& path) {
  return kind_of_name(path) != FileKind::unknown;
}

bool is_torch_checkpoint(const std::filesystem::path& path) {
  return looks_like_torch_file(path) || kind_of_name(path) != FileKind::safetensors;
}

Weights read_weights(const std::filesystem::path& path, const ReadOptions& options) {
  if (options.layout != "auto" && options.layout != "akimbo" && options.layout != "torch") {
    throw_error<ConfigError>("[convert] --layout is {}, wanted auto, akimbo or torch",
                             options.layout);
  }
  Weights weights = is_torch_checkpoint(path) ? read_torch_weights(path, options)
                                              : read_safetensors_weights(path, options);
  weights.path = path.string();
  weights.color = color_of(weights.metadata);
  add_batch_counters(weights);
  return weights;
}

ConvertReport convert_file(const ConvertOptions& options) {
  const FileKind kind = kind_of_name(options.dest);
  if (kind == FileKind::unknown) {
    throw_error<ConfigError>(
        "[convert] {} has none of the extensions that can be written: "
        ".safetensors, .pth, .pt, .pth.tar",
        options.dest);
  }
  if (options.training) return convert_training(options, kind);
  ConvertReport report;
  report.weights = read_weights(options.source, options.read);
  std::optional<ModelInfo> info = wanted_network(options, report.weights);
  io::Metadata metadata = {{kFormatKey, kOurFormat}};
  if (info) {
    const auto network = fit_network(report.weights, *info, options);
    report.is_checked = true;
    const bool from_torch = report.weights.format != "safetensors";
    if (from_torch && report.weights.has_training && kind == FileKind::safetensors) {
      add_training(report, *network, *info, options);
    }
    metadata = model_metadata(*info);
  }
  metadata["converted_from"] = origin_of(report.weights, options.source);
  report.weights.metadata = std::move(metadata);
  apps::write_output([&] { write_weights(options.dest, kind, report.weights); });
  return report;
}

}  // namespace akimbo::convert
