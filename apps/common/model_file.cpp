#include "apps/common/model_file.h"

namespace akimbo::apps {

namespace {

const std::string& metadata_of(const io::SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    throw_error<FileError>(
        "[model] {} has no {} in its metadata, so it is no akimbo model file; give the config that "
        "it belongs to: CONFIG --init {}",
        file.path().string(), key, file.path().string());
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

ModelInfo read_model_info(const io::SafetensorsFile& file) {
  const std::string where = file.path().string();
  ModelInfo info;
  try {
    info.config =
        config_from_json(io::parse_json(metadata_of(file, "config"), where + " (config)"));
  } catch (const ConfigError& e) {
    throw_error<FileError>("[model] the config inside {} is not for this version: {}", where,
                           e.what());
  }
  info.skeleton = parse_skeleton(metadata_of(file, "skeleton"), where + " (skeleton)");
  const auto training = file.metadata().find("training");
  if (training != file.metadata().end()) {
    info.training = io::parse_json(training->second, where + " (training)");
  }
  return info;
}

io::NamedTensors read_weights(const io::SafetensorsFile& file) {
  io::NamedTensors averaged = file.read_all(kAveragePrefix);
  std::erase_if(averaged, [](const auto& entry) { return entry.first == "num_updates"; });
  if (!averaged.empty()) return averaged;
  io::NamedTensors weights;
  for (const auto& entry : file.entries()) {
    if (!entry.name.starts_with(kOptimizerPrefix)) {
      weights.emplace_back(entry.name, file.read(entry.name));
    }
  }
  return weights;
}

}  // namespace akimbo::apps
