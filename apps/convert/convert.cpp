#include "apps/convert/convert.h"

#include <algorithm>

#include "apps/convert/layouts.h"
#include "apps/convert/state_dict.h"
#include "apps/convert/torch_file.h"
#include "apps/convert/torch_write.h"
#include "engine/core/error.h"

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
  weights.key = dict.key;
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
  weights.tensors = file.read_all();
  if (is_torch_order) {
    for (auto& [name, tensor] : weights.tensors) tensor = to_engine_layout(name, tensor);
  }
  return weights;
}

void write_weights(const std::filesystem::path& path, FileKind kind, const Weights& weights) {
  if (kind == FileKind::safetensors) {
    io::Metadata metadata = weights.metadata;
    metadata[kFormatKey] = kOurFormat;
    io::write_safetensors(path, weights.tensors, metadata);
    return;
  }
  io::NamedTensors tensors;
  for (const auto& [name, tensor] : weights.tensors) {
    tensors.emplace_back(name, to_torch_layout(name, tensor));
  }
  write_torch_file(path, tensors);
}

}  // namespace

bool is_torch_checkpoint(const std::filesystem::path& path) {
  return looks_like_torch_file(path) || kind_of_name(path) != FileKind::safetensors;
}

Weights read_weights(const std::filesystem::path& path, const ReadOptions& options) {
  if (options.layout != "auto" && options.layout != "akimbo" && options.layout != "torch") {
    throw_error<ConfigError>("[convert] --layout is {}, wanted auto, akimbo or torch",
                             options.layout);
  }
  const bool is_torch = looks_like_torch_file(path) || kind_of_name(path) != FileKind::safetensors;
  return is_torch ? read_torch_weights(path, options) : read_safetensors_weights(path, options);
}

ConvertReport convert_file(const ConvertOptions& options) {
  const FileKind kind = kind_of_name(options.dest);
  if (kind == FileKind::unknown) {
    throw_error<ConfigError>(
        "[convert] {} has none of the extensions that can be written: "
        ".safetensors, .pth, .pt, .pth.tar",
        options.dest);
  }
  ConvertReport report;
  report.weights = read_weights(options.source, options.read);
  write_weights(options.dest, kind, report.weights);
  return report;
}

}  // namespace akimbo::convert
