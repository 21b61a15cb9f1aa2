#include "inference/model_file.h"

namespace akimbo {

namespace {

const std::string& text_of(const io::Metadata& metadata, const std::string& key,
                           const std::string& where) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    throw_error<FileError>(
        "[model] {} does not say what network it is of (no {} in its metadata); name its config: "
        "--config CONFIG (`akimbo configs` lists the shipped ones)",
        where, key);
  }
  return found->second;
}

}  // namespace

io::Metadata model_metadata(const ModelInfo& info) {
  io::Metadata metadata = {{"format", "akimbo"},
                           {"config", config_to_json(info.config).dump()},
                           {"skeleton", skeleton_json(info.skeleton)}};
  if (!info.training.is_null()) metadata["training"] = info.training.dump();
  return metadata;
}

ModelInfo read_model_info(const io::Metadata& metadata, const std::string& where) {
  ModelInfo info;
  try {
    info.config =
        config_from_json(io::parse_json(text_of(metadata, "config", where), where + " (config)"));
  } catch (const ConfigError& e) {
    throw_error<FileError>("[model] the config inside {} is not for this version: {}", where,
                           e.what());
  }
  info.skeleton = parse_skeleton(text_of(metadata, "skeleton", where), where + " (skeleton)");
  const auto training = metadata.find("training");
  if (training != metadata.end()) {
    info.training = io::parse_json(training->second, where + " (training)");
  }
  return info;
}

io::NamedTensors read_weights(const io::SafetensorsFile& file) {
  io::NamedTensors averaged = file.read_all(kAveragePrefix);
  std::erase_if(averaged, [](const auto& entry) { return entry.first == "num_updates"; });
  if (!averaged.empty()) return averaged;
  return file.read_if([](std::string_view name) { return !name.starts_with(kOptimizerPrefix); });
}

}  // namespace akimbo
