#include "apps/train/train_state.h"

#include <cmath>

#include "apps/common/output_folder.h"
#include "inference/model_file.h"

namespace akimbo::apps {

namespace {

// What must be as it was, or the run that goes on is not the one that stopped.
constexpr const char* kFixedSettings[] = {
    "/skeleton",        "/model",
    "/codec",           "/loss",
    "/train/seed",      "/train/batch_size",
    "/train/shuffle",   "/train/optimizer/type",
    "/train/ema_decay", "/data/color",
    "/data/warp",
};

bool is_fixed(const std::string& pointer) {
  for (const char* fixed : kFixedSettings) {
    if (pointer == fixed || pointer.starts_with(std::string(fixed) + "/")) return true;
  }
  return false;
}

Json average_json(const Average& a) { return {a.last, a.sum, a.count}; }

Average average_from(const Json& json) {
  return {json.at(0).get<double>(), json.at(1).get<double>(), json.at(2).get<double>()};
}

std::string value_at(const Json& json, const std::string& pointer) {
  const Json::json_pointer place(pointer);
  return json.contains(place) ? json.at(place).dump() : "absent";
}

// Every setting whose value differs, as a JSON pointer.
std::vector<std::string> different_settings(const Json& before, const Json& now) {
  std::vector<std::string> pointers;
  const Json changes = Json::diff(before, now);
  for (const Json& change : changes) pointers.push_back(change.at("path").get<std::string>());
  return pointers;
}

io::NamedTensors with_prefix(const std::string& prefix, io::NamedTensors tensors) {
  for (auto& [name, tensor] : tensors) name.insert(0, prefix);
  return tensors;
}

void append(io::NamedTensors& tensors, io::NamedTensors more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
}

bool is_finite(const Tensor& tensor) {
  if (tensor.dtype() != DType::f32) return true;
  const Tensor here = tensor.to(kCpu);
  for (const float value : here.values<float>()) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

TrainState::TrainState(const Config& config, Skeleton skeleton, Device device)
    : config_(config),
      device_(device),
      skeleton_(std::move(skeleton)),
      network_(make_network(config_, skeleton_)) {
  network_->to(device_);
  if (config_.train.precision == "f16") loss_scale_ = std::make_unique<optim::LossScale>(device_);
  optimizer_ = make_optimizer(config_.train.optimizer, network_->named_parameters());
  restart_average();
}

void TrainState::restart_average() {
  if (config_.train.ema_decay == 0) return;
  average_ = std::make_unique<optim::ParameterAverage>(
      network_->state(), optim::AverageOptions{.decay = config_.train.ema_decay});
}

Json TrainState::training_json() const {
  Json json = {{"epoch", epoch},
               {"batch", batch},
               {"step", step},
               {"best_metric", best_metric},
               {"best_epoch", best_epoch},
               {"loss_average", average_json(averages.loss)},
               {"accuracy_average", average_json(averages.accuracy)}};
  if (loss_scale_) {
    const optim::LossScale::State scale = loss_scale_->state();
    json["loss_scale"] = {scale.scale, scale.num_good_steps};
  }
  return json;
}

void TrainState::read_training_json(const Json& json, const std::string& where) {
  try {
    epoch = json.at("epoch").get<int>();
    batch = json.at("batch").get<std::int64_t>();
    step = json.at("step").get<std::int64_t>();
    best_metric = json.at("best_metric").get<double>();
    best_epoch = json.at("best_epoch").get<int>();
    averages.loss = average_from(json.at("loss_average"));
    averages.accuracy = average_from(json.at("accuracy_average"));
    // A run that goes on in f16 after another precision begins with a fresh scale.
    if (loss_scale_ && json.contains("loss_scale")) {
      const Json& scale = json.at("loss_scale");
      loss_scale_->set_state({scale.at(0).get<double>(), scale.at(1).get<double>()});
    }
  } catch (const Json::exception& e) {
    throw_error<FileError>("[train] {} is no checkpoint to go on from: {}", where, e.what());
  }
}

void TrainState::save(const std::filesystem::path& path) const {
  io::NamedTensors tensors = network_->state();
  append(tensors, with_prefix(kOptimizerPrefix, optimizer_->state()));
  if (average_) append(tensors, with_prefix(kAveragePrefix, average_->state()));
  const ModelInfo info{config_, skeleton_, training_json()};
  write_output([&] { io::write_safetensors(path, tensors, model_metadata(info)); });
}

void TrainState::save_best(const std::filesystem::path& path) const {
  io::NamedTensors tensors = average_ ? average_->state() : network_->state();
  if (average_) tensors.pop_back();  // the number of updates
  const ModelInfo info{config_, skeleton_, training_json()};
  write_output([&] { io::write_safetensors(path, tensors, model_metadata(info)); });
}

std::vector<std::string> TrainState::resume(const std::filesystem::path& path) {
  const io::SafetensorsFile file(path);
  const ModelInfo info = read_model_info(file.metadata(), path.string());
  const Json before = config_to_json(info.config);
  const Json now = config_to_json(config_);
  std::vector<std::string> notes;
  for (const std::string& pointer : different_settings(before, now)) {
    const std::string change = fmt::format("{}: {} in the checkpoint, {} now", pointer.substr(1),
                                           value_at(before, pointer), value_at(now, pointer));
    if (is_fixed(pointer)) {
      throw_error<ConfigError>(
          "[train] {} cannot be resumed with another setting: {}; set it back, or begin a new run "
          "in another --out with --init {}",
          path.string(), change, path.string());
    }
    notes.push_back(change);
  }
  if (info.skeleton.keypoints != skeleton_.keypoints) {
    throw_error<ConfigError>("[train] the skeleton {} has changed since {} was written",
                             skeleton_.name, path.string());
  }
  io::NamedTensors weights = file.read_if([](std::string_view name) {
    return !name.starts_with(kOptimizerPrefix) && !name.starts_with(kAveragePrefix);
  });
  read_training_json(info.training, path.string());
  network_->load_state(std::move(weights), true, path.string());
  optimizer_->load_state(file.read_all(kOptimizerPrefix), path.string());
  if (average_) average_->load_state(file.read_all(kAveragePrefix), path.string());
  return notes;
}

void TrainState::check_finite(const std::string& remedy) const {
  for (const auto& [name, tensor] : network_->state()) {
    if (!is_finite(tensor)) {
      throw_error<NumericError>(
          "[train] {} holds NaN or Inf after step {} (epoch {}, batch {}); {}", name, step, epoch,
          batch - 1, remedy);
    }
  }
}

}  // namespace akimbo::apps
