#include "engine/autograd/node.h"

#include <unordered_map>
#include <unordered_set>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/elementwise.h"

namespace akimbo::autograd {
namespace {

thread_local bool t_grad_enabled = true;

bool needs_grad(const Tensor& t) {
  return t.defined() && (t.requires_grad() || t.grad_node() != nullptr);
}

Tensor sum_of(const Tensor& a, const Tensor& b) {
  Tensor y = Tensor::empty(a.shape(), a.dtype(), a.device());
  AKIMBO_KERNEL(a.device(), add_forward)
  (exec_of(a.device()), view_of(a), view_of(b), mutable_view_of(y));
  return y;
}

// Nodes below `root`, outputs before inputs (reverse post-order of a depth-first walk).
std::vector<std::shared_ptr<Node>> order_from(const std::shared_ptr<Node>& root) {
  std::unordered_set<Node*> seen{root.get()};
  std::vector<std::shared_ptr<Node>> order;
  std::vector<std::pair<std::shared_ptr<Node>, std::size_t>> stack{{root, 0}};
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (next == node->edges.size()) {
      order.push_back(std::move(node));
      stack.pop_back();
      continue;
    }
    const std::shared_ptr<Node>& child = node->edges[next++].node;
    if (child && seen.insert(child.get()).second) stack.emplace_back(child, 0);
  }
  return {order.rbegin(), order.rend()};
}

void accumulate_leaf(Tensor leaf, const Tensor& grad) {
  leaf.set_grad(leaf.grad().defined() ? sum_of(leaf.grad(), grad) : grad);
}

// Runs one node's gradient function and hands its results to the nodes and leaves below.
void walk_back(Node& node, const Tensor& grad_y, std::unordered_map<Node*, Tensor>& pending) {
  if (!node.function) {
    throw_error<Error>("[backward] the graph of '{}' was freed by an earlier backward pass",
                       node.op);
  }
  std::vector<bool> wanted;
  std::vector<Tensor*> sums;
  for (const Node::Edge& edge : node.edges) {
    wanted.push_back(edge.needs_grad());
    const auto it = edge.node ? pending.find(edge.node.get()) : pending.end();
    sums.push_back(it != pending.end() ? &it->second : nullptr);
  }
  std::vector<Tensor> grads = node.function(grad_y, Needs(wanted, std::move(sums)));
  node.function = nullptr;
  node.recipe = nullptr;
  if (grads.size() != node.edges.size()) {
    throw_error<Error>("[backward] '{}' gave {} gradients for {} inputs", node.op, grads.size(),
                       node.edges.size());
  }
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!wanted[i] || !grads[i].defined()) continue;
    const Node::Edge& edge = node.edges[i];
    if (!(grads[i].shape() == edge.shape)) {
      throw_error<Error>("[backward] '{}' gave a gradient {} for input {} of shape {}", node.op,
                         grads[i].shape().str(), i, edge.shape.str());
    }
    if (edge.node) {
      Tensor& sum = pending[edge.node.get()];
      sum = sum.defined() ? sum_of(sum, grads[i]) : grads[i];
    } else {
      accumulate_leaf(edge.leaf, grads[i]);
    }
    grads[i] = Tensor();
  }
}

}  // namespace

bool grad_enabled() { return t_grad_enabled; }

NoGrad::NoGrad() : previous_(t_grad_enabled) { t_grad_enabled = false; }
NoGrad::~NoGrad() { t_grad_enabled = previous_; }

const Tensor& Recipe::get() {
  if (!made_.defined()) made_ = make_();
  return made_;
}

Saved::Saved(const Tensor& tensor) {
  if (!tensor.defined()) return;
  version_ = tensor.version();
  const Node* node = tensor.grad_node().get();
  if (node != nullptr && node->recipe && node->recipe_version == version_) {
    recipe_ = node->recipe;
  } else {
    tensor_ = tensor.detach();
  }
}

const Tensor& Saved::get() const {
  if (recipe_) return recipe_->get();
  if (tensor_.defined() && tensor_.version() != version_) {
    throw_error<Error>(
        "[backward] a tensor of shape {} that the backward pass needs was written to after the "
        "forward pass; write to a clone() instead",
        tensor_.shape().str());
  }
  return tensor_;
}

bool any_needs_grad(std::span<const Tensor> tensors) {
  if (!t_grad_enabled) return false;
  for (const Tensor& t : tensors) {
    if (needs_grad(t)) return true;
  }
  return false;
}

bool any_needs_grad(std::initializer_list<Tensor> tensors) {
  return any_needs_grad(std::span<const Tensor>(tensors.begin(), tensors.size()));
}

void attach(std::string_view op, Tensor& y, std::span<const Tensor> inputs, GradFunction function) {
  auto node = std::make_shared<Node>();
  node->op = op;
  node->function = std::move(function);
  for (const Tensor& input : inputs) {
    Node::Edge& edge = node->edges.emplace_back();
    if (!needs_grad(input)) continue;
    edge.shape = input.shape();
    edge.node = input.grad_node();
    if (!edge.node) edge.leaf = input;
  }
  y.set_grad_node(std::move(node));
}

void attach(std::string_view op, Tensor& y, std::initializer_list<Tensor> inputs,
            GradFunction function) {
  attach(op, y, std::span<const Tensor>(inputs.begin(), inputs.size()), std::move(function));
}

void attach_recipe(Tensor& y, std::shared_ptr<Recipe> recipe) {
  y.grad_node()->recipe = std::move(recipe);
  y.grad_node()->recipe_version = y.version();
}

void run_backward(const Tensor& y, const Tensor& grad) {
  if (!(grad.shape() == y.shape()) || grad.dtype() != y.dtype()) {
    throw_error<ArgumentError>("[backward] the gradient is {} {}, the tensor {} {}",
                               dtype_name(grad.dtype()), grad.shape().str(), dtype_name(y.dtype()),
                               y.shape().str());
  }
  const NoGrad no_grad;
  if (!y.grad_node()) {
    if (!y.requires_grad()) {
      throw ArgumentError(
          "[backward] nothing that this tensor came from requires a gradient; set_requires_grad() "
          "on the parameters, and run the forward pass outside NoGrad");
    }
    accumulate_leaf(y, grad);
    return;
  }
  std::vector<std::shared_ptr<Node>> order = order_from(y.grad_node());
  std::unordered_map<Node*, Tensor> pending{{order.front().get(), grad}};
  for (std::shared_ptr<Node>& node : order) {
    const auto it = pending.find(node.get());
    if (it == pending.end()) continue;
    const Tensor grad_y = std::move(it->second);
    pending.erase(it);
    walk_back(*node, grad_y, pending);
    node = nullptr;
  }
}

Node::~Node() {
  // Without this, dropping the loss of a deep network would recurse once per layer.
  static thread_local std::vector<std::shared_ptr<Node>>* t_pending = nullptr;
  std::vector<std::shared_ptr<Node>> pending;
  const bool outermost = t_pending == nullptr;
  if (outermost) t_pending = &pending;
  for (Edge& edge : edges) {
    if (edge.node) t_pending->push_back(std::move(edge.node));
  }
  edges.clear();
  function = nullptr;
  if (!outermost) return;
  while (!pending.empty()) {
    const std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
  }
  t_pending = nullptr;
}

}  // namespace akimbo::autograd

namespace akimbo {

void Tensor::backward() const {
  if (numel() != 1) {
    throw_error<ArgumentError>(
        "[backward] needs a one-element loss, the shape is {}; reduce it, or pass a gradient",
        shape().str());
  }
  backward(full(shape(), 1.0, dtype(), device()));
}

void Tensor::backward(const Tensor& grad) const { autograd::run_backward(*this, grad); }

}  // namespace akimbo
