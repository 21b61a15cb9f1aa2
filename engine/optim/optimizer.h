// Optimisers: they change parameters in place from the gradients that a backward pass left, and
// with them the 16-bit copies that mixed precision computes with. Arithmetic is that of PyTorch's
// optimisers, whose results the references report.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::optim {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

class Optimizer {
 public:
  // Parameters as Module::named_parameters gives them, after the module has its dtype and device.
  // Throws ArgumentError when there are none.
  explicit Optimizer(NamedTensors parameters, double learning_rate);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One update of every parameter that has a gradient; the others stay as they are. `grad_factor`
  // (gradients.h), if given, multiplies every gradient, and nothing is updated where it is not
  // finite. Throws ArgumentError when a gradient's shape or dtype is not its parameter's.
  void step(const Tensor& grad_factor = {});
  // The same in two halves, for a step that is captured in a graph: apply_step() is recorded, and
  // begin_step() goes before each replay: it counts the update and sends the learning rate and the
  // other numbers of this step to the device.
  void begin_step();
  void apply_step(const Tensor& grad_factor = {});
  // Takes the count of the last begin_step() back: the factor was not finite.
  void cancel_step();
  // Forgets the gradients.
  void zero_grad();

  [[nodiscard]] double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double learning_rate) { learning_rate_ = learning_rate; }
  [[nodiscard]] const NamedTensors& parameters() const { return parameters_; }

  // Everything that a resumed run needs to go on with the same bits, the learning rate included.
  // The tensors share storage with the optimiser's own.
  [[nodiscard]] NamedTensors state() const;
  // Throws FileError that lists what is missing, unexpected or of another shape; nothing is changed
  // then. `where` names the file.
  void load_state(const NamedTensors& state, const std::string& where);

 protected:
  // A per-parameter tensor of zeros, saved as "NAME.<parameter>".
  std::vector<Tensor>& add_slots(const std::string& name);
  // Updates of parameter i so far, the running one included.
  [[nodiscard]] std::int64_t num_updates(std::size_t i) const;
  // The 16-bit copy of parameter i (Tensor::rounded) if it is up to date, so that the update must
  // write it too; else undefined.
  [[nodiscard]] Tensor current_copy(std::size_t i) const;
  // Updates the parameters of these indices, and their current copies.
  virtual void update(const std::vector<std::size_t>& indices, const Tensor& grad_factor) = 0;
  // The values of this step as kernels/optim.h orders them for a device.
  [[nodiscard]] virtual std::vector<double> step_values(
      const std::vector<std::size_t>& indices) const = 0;
  // Those on the device; empty on the CPU, where the numbers are passed as they are.
  [[nodiscard]] Tensor device_values(std::size_t count) const;

  NamedTensors parameters_;

 private:
  void check_gradient(std::size_t i, const Tensor& grad) const;
  [[nodiscard]] std::vector<std::size_t> with_gradient() const;

  std::vector<std::pair<std::string, std::unique_ptr<std::vector<Tensor>>>> slots_;
  Tensor num_updates_;    // [parameters], i64, on the CPU
  Tensor device_values_;  // f64, room for the step values of all parameters; undefined on the CPU
  double learning_rate_;
};

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW: decay the weights themselves, not through the gradient
};

class Adam final : public Optimizer {
 public:
  Adam(NamedTensors parameters, const AdamOptions& options = {});

 private:
  void update(const std::vector<std::size_t>& indices, const Tensor& grad_factor) override;
  [[nodiscard]] std::vector<double> step_values(
      const std::vector<std::size_t>& indices) const override;
  AdamOptions options_;
  std::vector<Tensor>& mean_;    // running mean of gradients
  std::vector<Tensor>& square_;  // running mean of their squares
};

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0;
  double weight_decay = 0;  // through the gradient
  bool nesterov = false;
};

class Sgd final : public Optimizer {
 public:
  // Throws ArgumentError for Nesterov without momentum.
  Sgd(NamedTensors parameters, const SgdOptions& options = {});

 private:
  void update(const std::vector<std::size_t>& indices, const Tensor& grad_factor) override;
  [[nodiscard]] std::vector<double> step_values(
      const std::vector<std::size_t>& indices) const override;
  SgdOptions options_;
  std::vector<Tensor>* velocity_ = nullptr;  // null without momentum
};

// Scales the gradients so that their common L2 norm is at most max_norm; returns the norm before.
// Gradients are multiplied by min(1, max_norm / (norm + 1e-6)); a norm of NaN or Inf changes
// nothing and is returned, for the caller to stop on. Gradients shared between parameters or with
// other tensors are replaced, not written to.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm);

}  // namespace akimbo::optim
