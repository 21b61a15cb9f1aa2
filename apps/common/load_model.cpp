#include "apps/common/load_model.h"

#include <fmt/format.h>

#include <cstdio>

#include "apps/common/load_weights.h"
#include "apps/config/load.h"
#include "config/parts.h"
#include "datasets/meta.h"
#include "inference/model_file.h"

namespace akimbo::apps {
namespace {

// The named config, or the one that the checkpoint carries.
void take_config(const ModelSource& source, const convert::Weights& weights, LoadedModel& loaded) {
  if (!source.config.empty()) {
    loaded.config = load_config(find_config(source.config), source.overrides);
    loaded.skeleton = datasets::skeleton_by_name(loaded.config.skeleton);
    return;
  }
  ModelInfo info = read_model_info(weights.metadata, source.model);
  Json json = config_to_json(info.config);
  for (const std::string& text : source.overrides) apply_override(json, text);
  loaded.config = config_from_json(json);
  loaded.skeleton = std::move(info.skeleton);
}

void check_options(const ModelSource& source, bool is_checkpoint) {
  if (is_checkpoint && !source.init.empty()) {
    throw_error<ConfigError>(
        "--init {} and the checkpoint {} contradict each other; give a config with --init, or the "
        "checkpoint alone",
        source.init, source.model);
  }
  if (!is_checkpoint && !source.config.empty()) {
    throw_error<ConfigError>(
        "--config {} is for a checkpoint, and {} is a config; leave --config out", source.config,
        source.model);
  }
}

void fill_network(convert::Weights weights, const ModelSource& source, LoadedModel& loaded) {
  loaded.weights_path = weights.path;
  loaded.network = make_empty_network(loaded.config, loaded.skeleton);
  loaded.notes = load_weights(*loaded.network, std::move(weights), loaded.config,
                              {.color_is_chosen = chooses_color(source.overrides)});
}

LoadedModel load_config_only(const ModelSource& source) {
  LoadedModel loaded;
  loaded.config = load_config(find_config(source.model), source.overrides);
  loaded.skeleton = datasets::skeleton_by_name(loaded.config.skeleton);
  return loaded;
}

LoadedModel load_config_model(const ModelSource& source, bool needs_weights) {
  LoadedModel loaded = load_config_only(source);
  if (!source.init.empty()) {
    fill_network(convert::read_weights(source.init), source, loaded);
    return loaded;
  }
  if (needs_weights) {
    throw_error<ConfigError>(
        "{} is a config without weights; give them with --init FILE, or give a model file in its "
        "place",
        source.model);
  }
  loaded.network = make_network(loaded.config, loaded.skeleton);
  return loaded;
}

LoadedModel load_checkpoint(const ModelSource& source) {
  LoadedModel loaded;
  convert::Weights weights = convert::read_weights(source.model);
  take_config(source, weights, loaded);
  fill_network(std::move(weights), source, loaded);
  return loaded;
}

}  // namespace

void ModelSource::declare(Options& options) {
  options.option("--config", config,
                 "the config of a checkpoint that carries none, such as PyTorch's");
  options.option("--init", init, "weights for a config: safetensors or PyTorch");
  options.option("--set", overrides, "change a setting: a.b=value");
}

LoadedModel load_model(const ModelSource& source, Device device, bool needs_weights) {
  const bool is_checkpoint = convert::is_checkpoint_name(source.model);
  check_options(source, is_checkpoint);
  LoadedModel loaded =
      is_checkpoint ? load_checkpoint(source) : load_config_model(source, needs_weights);
  loaded.network->to(device);
  loaded.network->eval();
  return loaded;
}

LoadedModel load_model_config(const ModelSource& source) {
  const bool is_checkpoint = convert::is_checkpoint_name(source.model);
  check_options(source, is_checkpoint);
  if (!is_checkpoint) return load_config_only(source);
  LoadedModel loaded;
  take_config(source, convert::read_weights(source.model), loaded);
  return loaded;
}

void print_notes(const LoadedModel& model) {
  for (const std::string& note : model.notes) fmt::print(stderr, "{}\n", note);
}

}  // namespace akimbo::apps
