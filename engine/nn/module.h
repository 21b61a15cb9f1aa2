// A network part with named parameters and buffers. A parameter's name is its member path in the
// published reference: "layer1.0.conv1.weight".
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::nn {

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;  // children are registered by address
  Module& operator=(const Module&) = delete;

  // In the order of registration, depth first, as a reference's state dict lists them. The tensors
  // share storage with the module's own.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> named_parameters() const;
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> named_buffers() const;
  // Parameters and buffers interleaved as registered: what a checkpoint holds.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> state() const;
  [[nodiscard]] std::vector<Tensor> parameters() const;
  [[nodiscard]] std::int64_t num_parameters() const;  // elements

  // This module under "", then every child with its path, in the order of registration.
  [[nodiscard]] std::vector<std::pair<std::string, Module*>> named_modules();

  // Copies tensors of `source` by name (converting the dtype). With `strict`, throws FileError that
  // lists every missing, unexpected and mis-shaped name together, nothing being changed; without,
  // takes what fits. Returns the names that were missing or skipped. A source that is moved in
  // gives its memory to the module where it fits.
  struct LoadReport {
    std::vector<std::string> loaded, missing, unexpected, mis_shaped;
  };
  LoadReport load_state(std::vector<std::pair<std::string, Tensor>> source, bool strict,
                        const std::string& where);

  // Training mode (batch statistics) or evaluation mode (running statistics), children included.
  void train(bool training = true);
  void eval() { train(false); }
  [[nodiscard]] bool is_training() const { return training_; }

  void zero_grad();
  void to(DType dtype);  // floating parameters and buffers
  // Parameters and floating buffers; counters stay on the CPU, which alone reads them.
  void to(Device device);

 protected:
  void register_parameter(std::string name, Tensor& member);
  void register_buffer(std::string name, Tensor& member);
  void register_module(std::string name, Module& child);
  // The child's names stand directly under this module's, without a level of their own.
  void register_inline(Module& child);

 private:
  struct Slot {
    std::string name;
    Tensor* parameter = nullptr;
    Tensor* buffer = nullptr;
    Module* child = nullptr;
  };
  // Path of a slot below `prefix`, which is empty or ends in a dot.
  static std::string child_prefix(const std::string& prefix, const Slot& slot);
  enum class Kind { parameter, buffer, both };
  void collect(const std::string& prefix, Kind kind,
               std::vector<std::pair<std::string, Tensor>>& out) const;

  void collect_modules(const std::string& prefix,
                       std::vector<std::pair<std::string, Module*>>& out);

  std::vector<Slot> slots_;
  bool training_ = true;
};

// Children named "0", "1", ... under the list's own name.
template <typename M>
class ModuleList : public Module {
 public:
  template <typename... Args>
  M& emplace(Args&&... args) {
    items_.push_back(std::make_unique<M>(std::forward<Args>(args)...));
    register_module(std::to_string(items_.size() - 1), *items_.back());
    return *items_.back();
  }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  M& operator[](std::size_t i) const { return *items_[i]; }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<std::unique_ptr<M>> items_;
};

}  // namespace akimbo::nn
