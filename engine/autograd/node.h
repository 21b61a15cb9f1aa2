// The graph of one forward pass, and the walk back through it. Gradient functions run on plain
// tensors with gradient mode off: second derivatives are not supported.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::autograd {

// Off inside a NoGrad scope and inside gradient functions. Per thread.
[[nodiscard]] bool grad_enabled();

class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous_;
};

// Which inputs want a gradient; what a gradient function is given beside the upstream gradient.
class Needs {
 public:
  // `sums`: of each input, where its gradient is gathered; may be null.
  explicit Needs(std::vector<bool> needs, std::vector<Tensor*> sums = {})
      : needs_(std::move(needs)), sums_(std::move(sums)) {}
  [[nodiscard]] bool operator[](std::size_t input_index) const { return needs_[input_index]; }
  // What other ops have contributed to the gradient of an input so far, or undefined. The caller
  // has to add it to the gradient that it returns: cheaper in its own loop than in one more pass.
  [[nodiscard]] Tensor take_sum(std::size_t input_index) const {
    Tensor* sum = input_index < sums_.size() ? sums_[input_index] : nullptr;
    return sum != nullptr ? std::exchange(*sum, Tensor()) : Tensor();
  }

 private:
  std::vector<bool> needs_;
  std::vector<Tensor*> sums_;
};

// How to make an output again from tensors that the backward pass reads anyway. Where that is
// cheap, nobody keeps the output from the forward to the backward pass.
class Recipe {
 public:
  // `make` gives the same bits as the forward pass did.
  explicit Recipe(std::function<Tensor()> make) : make_(std::move(make)) {}
  // Made at the first call, and kept until the last gradient function that wants it has run.
  [[nodiscard]] const Tensor& get();

 private:
  std::function<Tensor()> make_;
  Tensor made_;
};

// A tensor that a gradient function will read, or its recipe (attach_recipe). get() throws Error
// when the elements were written to after the forward pass.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& tensor);
  explicit Saved(std::shared_ptr<Recipe> recipe) : recipe_(std::move(recipe)) {}
  [[nodiscard]] const Tensor& get() const;

 private:
  Tensor tensor_;  // detached: holds storage, not history
  std::shared_ptr<Recipe> recipe_;
  std::uint64_t version_ = 0;
};

// From the upstream gradient (shape and dtype of the output): one tensor per input, undefined where
// needs[i] is false. Returned tensors may be `grad_y` itself; they are not written to afterwards.
using GradFunction = std::function<std::vector<Tensor>(const Tensor& grad_y, const Needs& needs)>;

// True when gradient mode is on and any of the tensors (undefined ones allowed) needs a gradient.
[[nodiscard]] bool any_needs_grad(std::initializer_list<Tensor> tensors);
[[nodiscard]] bool any_needs_grad(std::span<const Tensor> tensors);

// Records that y came from `inputs` (undefined ones allowed) by an op called `op`. Call it only if
// any_needs_grad(inputs).
void attach(std::string_view op, Tensor& y, std::initializer_list<Tensor> inputs,
            GradFunction function);
void attach(std::string_view op, Tensor& y, std::span<const Tensor> inputs, GradFunction function);

// From now on, whoever saves y saves the recipe. After attach(), and before anything else sees y.
void attach_recipe(Tensor& y, std::shared_ptr<Recipe> recipe);

// Tensor::backward. Walks with an explicit stack; frees saved tensors on the way.
void run_backward(const Tensor& y, const Tensor& grad);

class Node {
 public:
  // Where the gradient of one input goes. Holds no activation: those that a gradient function reads
  // are in its Saved tensors.
  struct Edge {
    std::shared_ptr<Node> node;  // the op that made the input, or null
    Tensor leaf;                 // the input itself if it is a leaf that wants a gradient
    Shape shape;
    [[nodiscard]] bool needs_grad() const { return node != nullptr || leaf.defined(); }
  };

  std::string_view op;
  std::vector<Edge> edges;
  GradFunction function;
  std::shared_ptr<Recipe> recipe;    // of the output, if there is one,
  std::uint64_t recipe_version = 0;  // as long as the output is as it was then

  ~Node();  // releases chains of nodes iteratively: graphs are deep
};

}  // namespace akimbo::autograd
