#include "apps/convert/training_state.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "apps/convert/layouts.h"
#include "config/parts.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

bool is_buffer(std::string_view name) {
  return name.ends_with("running_mean") || name.ends_with("running_var") ||
         name.ends_with("num_batches_tracked");
}

// The first of these entries of the root that is a dict.
const Value* find_dict(const TorchFile& file, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Value* value = file.root().find(name);
    if (value && value->is(ValueKind::dict)) return value;
  }
  return nullptr;
}

const Value* find_optimizer(const TorchFile& file) {
  return find_dict(file, {"optimizer", "optimizer_weight", "optimizer_state_dict"});
}

// A count of steps; 0 for what is none.
std::int64_t count_of(double number) {
  return number >= 0 && number < 0x1p53 ? static_cast<std::int64_t>(number) : 0;
}

double number_of(const TorchFile& file, const Value& value) {
  if (value.is(ValueKind::integer)) return static_cast<double>(value.integer);
  if (value.is(ValueKind::real)) return value.real;
  const TensorRecord* record = file.pickle().tensor_of(value);
  return record && record->numel() == 1 ? file.tensor(value).item() : 0;
}

}  // namespace

std::vector<OptimizerEntry> read_optimizer(const TorchFile& file, const StateDict& dict) {
  const Value* optimizer = find_optimizer(file);
  const Value* state = optimizer ? optimizer->find("state") : nullptr;
  const Value* groups = optimizer ? optimizer->find("param_groups") : nullptr;
  if (!state || !groups || !groups->is(ValueKind::list)) return {};
  std::vector<std::string> parameters;
  for (const StateDict::Entry& entry : dict.entries) {
    if (!is_buffer(entry.name)) parameters.push_back(entry.name);
  }
  std::unordered_map<std::int64_t, std::string> by_id;
  std::size_t num_ids = 0;
  for (const Value* group : groups->items) {
    const Value* ids = group->find("params");
    if (!ids) continue;
    for (const Value* id : ids->items) {
      if (num_ids < parameters.size()) by_id[id->integer] = parameters[num_ids];
      ++num_ids;
    }
  }
  if (num_ids != parameters.size()) {
    throw_error<FileError>("[torch] {}: the optimizer has {} parameters, the weights {}",
                           file.path().string(), num_ids, parameters.size());
  }
  std::vector<OptimizerEntry> entries;
  for (std::size_t i = 0; i + 1 < state->items.size(); i += 2) {
    const auto known = by_id.find(state->items[i]->integer);
    if (known == by_id.end()) {
      throw_error<FileError>("[torch] {}: the optimizer keeps state of an unknown parameter",
                             file.path().string());
    }
    OptimizerEntry entry{.parameter = known->second};
    const Value& fields = *state->items[i + 1];
    for (std::size_t k = 0; k + 1 < fields.items.size(); k += 2) {
      const Value& field = *fields.items[k + 1];
      if (fields.items[k]->text == "step") {
        entry.step = number_of(file, field);
      } else if (file.pickle().tensor_of(field)) {
        entry.tensors.emplace_back(fields.items[k]->utf8(), &field);
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool has_training_state(const TorchFile& file) {
  const Value* optimizer = find_optimizer(file);
  return optimizer && optimizer->find("state") && optimizer->find("param_groups");
}

namespace {

std::optional<double> number_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number()) return std::nullopt;
  const double number = found->get<double>();
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

// Takes settings of the file into a config and says which ones that changes.
class Adopter {
 public:
  Adopter(const std::string& path, std::vector<std::string>& notes) : path_(path), notes_(notes) {}

  template <typename T>
  void set(const char* name, T& setting, const T& value) {
    if (setting == value) return;
    notes_.push_back(fmt::format("{} is {} in {}, {} in the config: the file's is kept", name,
                                 Json(value).dump(), path_, Json(setting).dump()));
    setting = value;
  }
  void set(const char* name, double& setting, std::optional<double> value) {
    if (value) set<double>(name, setting, *value);
  }

 private:
  const std::string& path_;
  std::vector<std::string>& notes_;
};

// The first group of parameters; throws when others have other settings.
Json parameter_group(const TorchFile& file) {
  const Json groups = describe(file, *find_optimizer(file)->find("param_groups"));
  const std::string where = file.path().string();
  if (!groups.is_array() || groups.empty() || !groups[0].is_object()) {
    throw_error<FileError>("[torch] {}: the optimizer has no group of parameters", where);
  }
  Json first = groups[0];
  first.erase("params");
  for (Json group : groups) {
    group.erase("params");
    if (group != first) {
      throw_error<FileError>(
          "[torch] {}: the optimizer has groups of parameters with different settings, which "
          "akimbo's have not; only the weights can be taken: convert without --config, or --init",
          where);
    }
  }
  return first;
}

void adopt_optimizer(const Json& group, OptimizerConfig& config, Adopter& adopter) {
  const auto initial = number_at(group, "initial_lr");
  adopter.set("train.optimizer.lr", config.lr, initial ? initial : number_at(group, "lr"));
  adopter.set("train.optimizer.weight_decay", config.weight_decay,
              number_at(group, "weight_decay"));
  if (config.type == "sgd") {
    adopter.set("train.optimizer.momentum", config.momentum, number_at(group, "momentum"));
    const bool nesterov = group.contains("nesterov") && group.at("nesterov") == Json(true);
    adopter.set<bool>("train.optimizer.nesterov", config.nesterov, nesterov);
    return;
  }
  adopter.set("train.optimizer.eps", config.eps, number_at(group, "eps"));
  const auto betas = group.find("betas");
  if (betas == group.end() || !betas->is_array() || betas->size() != 2) return;
  if (!(*betas)[0].is_number() || !(*betas)[1].is_number()) return;
  adopter.set<double>("train.optimizer.beta1", config.beta1, (*betas)[0].get<double>());
  adopter.set<double>("train.optimizer.beta2", config.beta2, (*betas)[1].get<double>());
}

// Milestones as MultiStepLR keeps them: a Counter {epoch: 1}, before PyTorch 1.2 a list.
std::vector<int> milestones_of(const Json& scheduler) {
  std::vector<int> milestones;
  const auto found = scheduler.find("milestones");
  if (found == scheduler.end()) return milestones;
  for (const auto& [key, value] : found->items()) {
    const Json epoch = found->is_object() ? Json::parse(key, nullptr, false) : value;
    if (epoch.is_number_integer()) milestones.push_back(epoch.get<int>());
  }
  std::sort(milestones.begin(), milestones.end());
  return milestones;
}

void adopt_scheduler(const TorchFile& file, ScheduleConfig& config, Adopter& adopter,
                     std::vector<std::string>& notes) {
  const Value* scheduler = find_dict(file, {"scheduler", "lr_scheduler", "scheduler_state_dict"});
  if (!scheduler) return;
  const Json json = describe(file, *scheduler);
  const std::vector<int> milestones = milestones_of(json);
  if (milestones.empty()) {
    notes.emplace_back(
        "the scheduler in the file is no MultiStepLR: the config's train.schedule holds");
    return;
  }
  adopter.set<std::string>("train.schedule.type", config.type, "multi_step");
  adopter.set("train.schedule.milestones", config.milestones, milestones);
  adopter.set("train.schedule.factor", config.factor, number_at(json, "gamma"));
}

// What TrainState writes. The score is that of the checkpoint's own epoch: the published code keeps
// no other.
Json training_json(const TorchFile& file, double step, std::vector<std::string>& notes) {
  Json root = Json::object();
  for (const char* key : {"epoch", "perf"}) {
    if (const Value* value = file.root().find(key)) root[key] = describe(file, *value);
  }
  const auto epoch = number_at(root, "epoch");
  const auto perf = number_at(root, "perf");
  if (!epoch) notes.emplace_back("the file does not say at which epoch it stood: 0 is taken");
  const int next = epoch && *epoch >= 0 && *epoch < 1e6 ? static_cast<int>(*epoch) : 0;
  notes.push_back(fmt::format("it goes on at epoch {}{}", next,
                              perf ? fmt::format("; the best score so far counts as {}, that of "
                                                 "the file's own epoch",
                                                 *perf)
                                   : ""));
  const Json nothing = {0.0, 0.0, 0.0};
  return {{"epoch", next},
          {"batch", 0},
          {"step", count_of(step)},
          {"best_metric", perf.value_or(-1)},
          {"best_epoch", perf ? next - 1 : -1},
          {"loss_average", nothing},
          {"accuracy_average", nothing}};
}

// "adam" or "sgd", by what the entries keep; empty when that is neither.
std::string optimizer_type(const std::vector<OptimizerEntry>& entries) {
  for (const OptimizerEntry& entry : entries) {
    for (const auto& [name, value] : entry.tensors) {
      if (name == "exp_avg") return "adam";
      if (name == "momentum_buffer") return "sgd";
    }
  }
  return "";
}

// Copies the entries' tensors into the state of a fresh optimizer, whose names are
// SLOT.PARAMETER. Returns how many there were that it does not know.
int fill_optimizer(const TorchFile& file, const std::vector<OptimizerEntry>& entries,
                   const io::NamedTensors& parameters, const io::NamedTensors& state) {
  std::unordered_map<std::string, Tensor> by_name(state.begin(), state.end());
  std::unordered_map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < parameters.size(); ++i) index[parameters[i].first] = i;
  auto* updates = by_name.at("num_updates").data<std::int64_t>();
  int num_unknown = 0;
  for (const OptimizerEntry& entry : entries) {
    const auto parameter = index.find(entry.parameter);
    if (parameter == index.end()) {
      throw_error<FileError>("[torch] {}: the optimizer keeps state of {}, which the network lacks",
                             file.path().string(), entry.parameter);
    }
    // PyTorch's SGD counts no steps: that there is a velocity means at least one.
    updates[parameter->second] = std::max<std::int64_t>(count_of(entry.step), 1);
    for (const auto& [slot, value] : entry.tensors) {
      const auto own = by_name.find(slot + "." + entry.parameter);
      if (own == by_name.end()) {
        ++num_unknown;
        continue;
      }
      const Tensor tensor =
          to_engine_layout(entry.parameter, read_tensor(file, {entry.parameter, value}));
      if (!(tensor.shape() == own->second.shape())) {
        throw_error<FileError>("[torch] {}: {} of {} in the optimizer is {}, the network's {}",
                               file.path().string(), slot, entry.parameter, tensor.shape().str(),
                               own->second.shape().str());
      }
      own->second.copy_from(tensor.to(own->second.dtype()));
    }
  }
  return num_unknown;
}

}  // namespace

TrainingState import_training(const TorchFile& file, const StateDict& dict,
                              const nn::Module& network, Config& config) {
  TrainingState result;
  const std::string where = file.path().string();
  const std::vector<OptimizerEntry> entries = read_optimizer(file, dict);
  const std::string type = optimizer_type(entries);
  if (!type.empty() && type != config.train.optimizer.type) {
    throw_error<ConfigError>(
        "[torch] {} holds the state of {}, but train.optimizer.type is {}; --set "
        "train.optimizer.type={}",
        where, type, config.train.optimizer.type, type);
  }
  const Json group = parameter_group(file);
  Adopter adopter(where, result.notes);
  adopt_optimizer(group, config.train.optimizer, adopter);
  adopt_scheduler(file, config.train.schedule, adopter, result.notes);
  config = config_from_json(config_to_json(config));  // checks the file's numbers

  const auto optimizer = make_optimizer(config.train.optimizer, network.named_parameters());
  if (const auto rate = number_at(group, "lr")) optimizer->set_learning_rate(*rate);
  result.optimizer = optimizer->state();
  const int num_unknown =
      fill_optimizer(file, entries, network.named_parameters(), result.optimizer);
  if (num_unknown > 0) {
    result.notes.push_back(fmt::format(
        "{} tensors of the optimizer are of a variant that akimbo has not (such as amsgrad's "
        "maxima) and were left out",
        num_unknown));
  }
  double step = 0;
  for (const OptimizerEntry& entry : entries) step = std::max(step, entry.step);
  result.training = training_json(file, step, result.notes);
  return result;
}

namespace {

// The settings of our optimizer under PyTorch's names.
void put_settings(const OptimizerConfig& config, double learning_rate, TorchOptimizer& out) {
  out.settings = {
      {"lr", learning_rate}, {"initial_lr", config.lr}, {"weight_decay", config.weight_decay}};
  if (config.type == "sgd") {
    out.settings.emplace_back("momentum", config.momentum);
    out.settings.emplace_back("dampening", 0);
    out.switches = {{"nesterov", config.nesterov}};
  } else {
    out.settings.emplace_back("eps", config.eps);
    out.switches = {{"amsgrad", false}};
    out.betas = {config.beta1, config.beta2};
  }
}

}  // namespace

TorchTraining export_training(const io::SafetensorsFile& file, const ModelInfo& info,
                              nn::Module& network) {
  const std::string where = file.path().string();
  if (info.training.is_null()) {
    throw_error<FileError>(
        "[convert] {} holds no training, only weights; leave --training out, or give the "
        "checkpoint_last.safetensors of a run",
        where);
  }
  TorchTraining out;
  io::NamedTensors weights;
  for (const auto& entry : file.entries()) {
    const bool is_weight =
        !entry.name.starts_with(kOptimizerPrefix) && !entry.name.starts_with(kAveragePrefix);
    if (is_weight) weights.emplace_back(entry.name, file.read(entry.name));
  }
  (void)network.load_state(weights, true, where);
  for (const auto& [name, tensor] : network.state()) {
    out.weights.emplace_back(name, to_torch_layout(name, tensor));
  }
  const auto optimizer =
      make_optimizer(info.config.train.optimizer, network.named_parameters());
  optimizer->load_state(file.read_all(kOptimizerPrefix), where);
  put_settings(info.config.train.optimizer, optimizer->learning_rate(), out.optimizer);
  const io::NamedTensors state = optimizer->state();
  const std::unordered_map<std::string, Tensor> by_name(state.begin(), state.end());
  const Tensor updates = by_name.at("num_updates");
  for (const auto& [name, parameter] : network.named_parameters()) {
    TorchOptimizer::Parameter& entry = out.optimizer.parameters.emplace_back();
    entry.step = updates.values<std::int64_t>()[out.optimizer.parameters.size() - 1];
    if (entry.step == 0) continue;
    for (const char* slot : {"exp_avg", "exp_avg_sq", "momentum_buffer"}) {
      const auto tensor = by_name.find(std::string(slot) + "." + name);
      if (tensor == by_name.end()) continue;
      entry.slots.emplace_back(slot, to_torch_layout(name, tensor->second));
    }
  }
  out.model = info.config.model.at("name").get<std::string>();
  out.epoch = info.training.value("epoch", 0);
  out.perf = std::max(0.0, info.training.value("best_metric", 0.0));
  return out;
}

}  // namespace akimbo::convert
