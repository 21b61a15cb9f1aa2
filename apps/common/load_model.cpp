#include "apps/common/load_model.h"

#include <filesystem>

#include "apps/common/model_file.h"
#include "apps/config/load.h"
#include "datasets/meta.h"

namespace akimbo::apps {

namespace {

LoadedModel load_model_file(const ModelSource& source) {
  if (!source.init.empty()) {
    throw_error<ConfigError>(
        "--init {} and the model file {} contradict each other; give a config "
        "with --init, or the model file alone",
        source.init, source.model);
  }
  const io::SafetensorsFile file(source.model);
  LoadedModel loaded;
  ModelInfo info = read_model_info(file);
  Json json = config_to_json(info.config);
  for (const std::string& text : source.overrides) apply_override(json, text);
  loaded.config = config_from_json(json);
  loaded.skeleton = std::move(info.skeleton);
  loaded.network = make_network(loaded.config, loaded.skeleton);
  loaded.network->load_state(read_weights(file), true, source.model);
  loaded.weights_path = source.model;
  return loaded;
}

LoadedModel load_config_model(const ModelSource& source, bool needs_weights) {
  LoadedModel loaded;
  loaded.config = load_config(find_config(source.model), source.overrides);
  loaded.skeleton = datasets::skeleton_by_name(loaded.config.skeleton);
  if (source.init.empty() && needs_weights) {
    throw_error<ConfigError>(
        "{} is a config without weights; give them with --init FILE, or give a "
        "model file in its place",
        source.model);
  }
  loaded.network = make_network(loaded.config, loaded.skeleton);
  if (!source.init.empty()) load_weights(*loaded.network, source.init, true);
  loaded.weights_path = source.init;
  return loaded;
}

}  // namespace

LoadedModel load_model(const ModelSource& source, Device device, bool needs_weights) {
  const bool is_model_file = source.model.ends_with(".safetensors");
  LoadedModel loaded =
      is_model_file ? load_model_file(source) : load_config_model(source, needs_weights);
  loaded.network->to(device);
  loaded.network->eval();
  return loaded;
}

}  // namespace akimbo::apps
