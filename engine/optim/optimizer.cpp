#include "engine/optim/optimizer.h"

#include <cmath>
#include <unordered_map>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/core/graph.h"
#include "kernels/optim.h"

namespace akimbo::optim {
namespace {

constexpr const char* kLearningRate = "learning_rate";
constexpr const char* kNumUpdates = "num_updates";

}  // namespace

Optimizer::Optimizer(NamedTensors parameters, double learning_rate)
    : parameters_(std::move(parameters)), learning_rate_(learning_rate) {
  if (parameters_.empty()) {
    throw ArgumentError("[optimizer] there is no parameter to optimise");
  }
  const auto count = static_cast<std::int64_t>(parameters_.size());
  num_updates_ = Tensor::zeros({count}, DType::i64);
  const Device device = parameters_.front().second.device();
  if (device.is_cuda()) device_values_ = Tensor::zeros({2 + 2 * count}, DType::f64, device);
}

std::vector<Tensor>& Optimizer::add_slots(const std::string& name) {
  auto slot = std::make_unique<std::vector<Tensor>>();
  for (const auto& [parameter_name, parameter] : parameters_) {
    slot->push_back(Tensor::zeros(parameter.shape(), parameter.dtype(), parameter.device()));
  }
  slots_.emplace_back(name, std::move(slot));
  return *slots_.back().second;
}

std::int64_t Optimizer::num_updates(std::size_t i) const {
  return num_updates_.values<std::int64_t>()[i];
}

void Optimizer::check_gradient(std::size_t i, const Tensor& grad) const {
  const Tensor& parameter = parameters_[i].second;
  if (!(grad.shape() == parameter.shape()) || grad.dtype() != parameter.dtype()) {
    throw_error<ArgumentError>(
        "[optimizer] '{}' is {} {}, its gradient {} {}; make the optimiser after Module::to()",
        parameters_[i].first, dtype_name(parameter.dtype()), parameter.shape().str(),
        dtype_name(grad.dtype()), grad.shape().str());
  }
}

std::vector<std::size_t> Optimizer::with_gradient() const {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor grad = parameters_[i].second.grad();
    if (!grad.defined()) continue;
    check_gradient(i, grad);
    indices.push_back(i);
  }
  return indices;
}

void Optimizer::step(const Tensor& grad_factor) {
  begin_step();
  apply_step(grad_factor);
}

void Optimizer::begin_step() {
  const std::vector<std::size_t> indices = with_gradient();
  auto* counts = num_updates_.data<std::int64_t>();
  for (const std::size_t i : indices) ++counts[i];
  if (!device_values_.defined() || indices.empty()) return;
  const std::vector<double> values = step_values(indices);
  const auto count = static_cast<std::int64_t>(values.size());
  device_values_.rows(0, count).copy_from(Tensor::from_values<double>({count}, values));
}

void Optimizer::apply_step(const Tensor& grad_factor) {
  const std::vector<std::size_t> indices = with_gradient();
  if (indices.empty()) return;
  std::vector<Tensor> copied;
  for (const std::size_t i : indices) {
    if (current_copy(i).defined()) copied.push_back(parameters_[i].second);
  }
  update(indices, grad_factor);
  each_pass([copied]() mutable {
    for (Tensor& parameter : copied) parameter.set_rounded(parameter.rounded());
  });
}

Tensor Optimizer::current_copy(std::size_t i) const {
  const Tensor& parameter = parameters_[i].second;
  return parameter.is_rounded() ? parameter.rounded() : Tensor();
}

void Optimizer::cancel_step() {
  auto* counts = num_updates_.data<std::int64_t>();
  for (const std::size_t i : with_gradient()) --counts[i];
}

Tensor Optimizer::device_values(std::size_t count) const {
  return device_values_.defined() ? device_values_.rows(0, static_cast<std::int64_t>(count))
                                  : Tensor();
}

void Optimizer::zero_grad() {
  for (auto& [name, parameter] : parameters_) parameter.set_grad(Tensor());
}

NamedTensors Optimizer::state() const {
  NamedTensors state;
  state.emplace_back(kLearningRate, Tensor::full({}, learning_rate_, DType::f64));
  state.emplace_back(kNumUpdates, num_updates_);
  for (const auto& [slot_name, tensors] : slots_) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      state.emplace_back(slot_name + "." + parameters_[i].first, (*tensors)[i]);
    }
  }
  return state;
}

void Optimizer::load_state(const NamedTensors& source, const std::string& where) {
  std::unordered_map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : source) by_name.emplace(name, &tensor);
  std::string problems;
  std::vector<std::pair<Tensor, const Tensor*>> copies;
  NamedTensors own = state();
  for (auto& [name, tensor] : own) {
    const auto it = by_name.find(name);
    if (it == by_name.end()) {
      problems += "\n  missing: " + name;
      continue;
    }
    if (!(it->second->shape() == tensor.shape())) {
      problems += fmt::format("\n  shape differs: {} is {} in the file, {} here", name,
                              it->second->shape().str(), tensor.shape().str());
    }
    copies.emplace_back(tensor, it->second);
    by_name.erase(it);
  }
  for (const auto& [name, tensor] : source) {
    if (by_name.contains(name)) problems += "\n  unexpected: " + name;
  }
  if (!problems.empty()) {
    throw_error<FileError>(
        "[optimizer] the state in {} is of another optimiser or network:{}\nresume with the config "
        "that it was saved with",
        where, problems);
  }
  for (auto& [tensor, from] : copies) tensor.copy_from(*from);
  learning_rate_ = own.front().second.item();
}

Adam::Adam(NamedTensors parameters, const AdamOptions& options)
    : Optimizer(std::move(parameters), options.learning_rate),
      options_(options),
      mean_(add_slots("exp_avg")),
      square_(add_slots("exp_avg_sq")) {}

std::vector<double> Adam::step_values(const std::vector<std::size_t>& indices) const {
  std::vector<double> values{learning_rate(), 1.0};
  for (const std::size_t i : indices) {
    const auto t = static_cast<double>(num_updates(i));
    values.push_back(1 - std::pow(options_.beta1, t));
    values.push_back(1 - std::pow(options_.beta2, t));
  }
  return values;
}

void Adam::update(const std::vector<std::size_t>& indices, const Tensor& grad_factor) {
  const std::vector<double> values = step_values(indices);
  const Tensor device_values = this->device_values(values.size());
  std::vector<kernels::AdamItem> items;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const std::size_t i = indices[k];
    Tensor& parameter = parameters_[i].second;
    Tensor copy = current_copy(i);
    items.push_back({.parameter = mutable_view_of(parameter),
                     .grad = view_of(parameter.grad()),
                     .mean = mutable_view_of(mean_[i]),
                     .square = mutable_view_of(square_[i]),
                     .copy = mutable_view_of(copy),
                     .bias1 = values[2 + 2 * k],
                     .bias2 = values[3 + 2 * k]});
  }
  const kernels::AdamParams params{.learning_rate = learning_rate(),
                                   .beta1 = options_.beta1,
                                   .beta2 = options_.beta2,
                                   .eps = options_.eps,
                                   .weight_decay = options_.weight_decay,
                                   .decoupled = options_.decoupled,
                                   .step_values = view_of(device_values),
                                   .grad_factor = view_of(grad_factor)};
  const Device device = parameters_.front().second.device();
  AKIMBO_KERNEL(device, adam_update)(exec_of(device), items, params);
}

Sgd::Sgd(NamedTensors parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), options.learning_rate), options_(options) {
  if (options.nesterov && options.momentum == 0) {
    throw ArgumentError("[sgd] Nesterov's step needs a momentum above 0; set one, e.g. 0.9");
  }
  if (options.momentum != 0) velocity_ = &add_slots("momentum_buffer");
}

std::vector<double> Sgd::step_values(const std::vector<std::size_t>&) const {
  return {learning_rate(), 1.0};
}

void Sgd::update(const std::vector<std::size_t>& indices, const Tensor& grad_factor) {
  const Tensor device_values = this->device_values(2);
  std::vector<kernels::SgdItem> items;
  for (const std::size_t i : indices) {
    Tensor& parameter = parameters_[i].second;
    Tensor copy = current_copy(i);
    items.push_back(
        {.parameter = mutable_view_of(parameter),
         .grad = view_of(parameter.grad()),
         .velocity = velocity_ != nullptr ? mutable_view_of((*velocity_)[i]) : kernels::View(),
         .copy = mutable_view_of(copy)});
  }
  const kernels::SgdParams params{.learning_rate = learning_rate(),
                                  .momentum = options_.momentum,
                                  .weight_decay = options_.weight_decay,
                                  .nesterov = options_.nesterov,
                                  .step_values = view_of(device_values),
                                  .grad_factor = view_of(grad_factor)};
  const Device device = parameters_.front().second.device();
  AKIMBO_KERNEL(device, sgd_update)(exec_of(device), items, params);
}

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm) {
  std::vector<Tensor> with_grad;
  std::vector<kernels::ConstView> grads;
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    with_grad.push_back(parameter);
    grads.push_back(view_of(parameter.grad()));
  }
  if (with_grad.empty()) return 0;
  const Device device = with_grad.front().device();
  Tensor sum = Tensor::empty({1}, DType::f64, device);
  AKIMBO_KERNEL(device, sum_of_squares)(exec_of(device), grads, mutable_view_of(sum));
  const double norm = std::sqrt(sum.to(kCpu).item());
  const double factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  // A gradient may share its storage with another parameter's (both summands of an addition), so
  // scaling in place could scale it twice.
  std::vector<kernels::View> views;
  std::vector<Tensor> scaled;
  scaled.reserve(with_grad.size());
  for (Tensor& parameter : with_grad) {
    scaled.push_back(parameter.grad().clone());
    views.push_back(mutable_view_of(scaled.back()));
  }
  AKIMBO_KERNEL(device, scale_in_place)(exec_of(device), views, factor);
  for (std::size_t i = 0; i < with_grad.size(); ++i) with_grad[i].set_grad(scaled[i]);
  return norm;
}

}  // namespace akimbo::optim
