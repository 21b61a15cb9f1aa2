#include "engine/optim/average.h"

#include <algorithm>
#include <unordered_map>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "kernels/optim.h"

namespace akimbo::optim {

ParameterAverage::ParameterAverage(NamedTensors state, const AverageOptions& options)
    : options_(options), live_(std::move(state)), num_updates_(Tensor::zeros({}, DType::i64)) {
  for (const auto& [name, tensor] : live_) averages_.emplace_back(name, tensor.clone());
  const Device device = live_.empty() ? kCpu : live_.front().second.device();
  if (device.is_cuda()) device_decay_ = Tensor::zeros({1}, DType::f64, device);
}

void ParameterAverage::update() {
  begin_update();
  apply_update();
}

void ParameterAverage::begin_update() {
  std::int64_t& count = *num_updates_.data<std::int64_t>();
  ++count;
  const auto n = static_cast<double>(count);
  decay_ = options_.warm_up ? std::min(options_.decay, (1 + n) / (10 + n)) : options_.decay;
  if (device_decay_.defined()) {
    device_decay_.copy_from(Tensor::from_values<double>({1}, std::vector<double>{decay_}));
  }
}

void ParameterAverage::apply_update() {
  std::vector<kernels::AverageItem> items;
  for (std::size_t i = 0; i < live_.size(); ++i) {
    if (is_floating(live_[i].second.dtype())) {
      items.push_back({mutable_view_of(averages_[i].second), view_of(live_[i].second)});
    } else {
      // Counters, which are on the CPU.
      each_pass(
          [to = averages_[i].second, from = live_[i].second]() mutable { to.copy_from(from); });
    }
  }
  if (items.empty()) return;
  const Device device = live_.front().second.device();
  AKIMBO_KERNEL(device, average_update)
  (exec_of(device), items, {.decay = decay_, .step_values = view_of(device_decay_)});
}

void ParameterAverage::exchange() {
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const Tensor copy = live_[i].second.clone();
    live_[i].second.copy_from(averages_[i].second);
    averages_[i].second.copy_from(copy);
  }
}

ParameterAverage::NamedTensors ParameterAverage::state() const {
  NamedTensors state = averages_;
  state.emplace_back("num_updates", num_updates_);
  return state;
}

void ParameterAverage::load_state(const NamedTensors& source, const std::string& where) {
  std::unordered_map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : source) by_name.emplace(name, &tensor);
  NamedTensors own = state();
  std::string problems;
  for (const auto& [name, tensor] : own) {
    const auto it = by_name.find(name);
    if (it == by_name.end()) {
      problems += "\n  missing: " + name;
    } else if (!(it->second->shape() == tensor.shape())) {
      problems += fmt::format("\n  shape differs: {} is {} in the file, {} here", name,
                              it->second->shape().str(), tensor.shape().str());
    }
  }
  if (!problems.empty()) {
    throw_error<FileError>("[average] the averaged weights in {} are of another network:{}", where,
                           problems);
  }
  for (auto& [name, tensor] : own) tensor.copy_from(*by_name.at(name));
}

}  // namespace akimbo::optim
