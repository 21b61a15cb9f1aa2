// The one value type of the engine: shared storage, shape, dtype, device; contiguous, row-major.
// Copying a Tensor copies a reference; clone() copies the elements. Images and features are NHWC,
// weights of convolutions [O, kh, kw, I].
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/device.h"
#include "kernels/common/dtype.h"
#include "kernels/common/shape.h"

namespace akimbo {

namespace autograd {
class Node;
}

class Tensor {
 public:
  Tensor() = default;  // undefined: no storage, defined() is false

  // ---- making ----
  [[nodiscard]] static Tensor empty(const Shape& shape, DType dtype = DType::f32,
                                    Device device = kCpu);
  [[nodiscard]] static Tensor zeros(const Shape& shape, DType dtype = DType::f32,
                                    Device device = kCpu);
  [[nodiscard]] static Tensor full(const Shape& shape, double value, DType dtype = DType::f32,
                                   Device device = kCpu);
  // On the CPU, in memory that GPUs copy from beside their work (allocator.h).
  [[nodiscard]] static Tensor empty_pinned(const Shape& shape, DType dtype = DType::f32);
  // Copies `values`; throws ArgumentError unless their number is shape.numel().
  template <typename T>
  [[nodiscard]] static Tensor from_values(const Shape& shape, std::span<const T> values);
  template <typename T>
  [[nodiscard]] static Tensor from_values(const Shape& shape, const std::vector<T>& values) {
    return from_values<T>(shape, std::span<const T>(values));
  }

  // ---- identity and layout ----
  [[nodiscard]] bool defined() const { return impl_ != nullptr; }
  explicit operator bool() const { return defined(); }
  [[nodiscard]] const Shape& shape() const;
  [[nodiscard]] int rank() const { return shape().rank(); }
  [[nodiscard]] std::int64_t dim(int axis) const { return shape()[axis]; }
  [[nodiscard]] std::int64_t numel() const { return shape().numel(); }
  [[nodiscard]] std::size_t num_bytes() const;
  [[nodiscard]] DType dtype() const;
  [[nodiscard]] Device device() const;
  [[nodiscard]] bool is_pinned() const;
  // True when both refer to the same elements.
  [[nodiscard]] bool is_same(const Tensor& other) const;

  // ---- elements ----
  // CPU only; throws ArgumentError when T is not the dtype. The mutable form counts as a write for
  // the check of saved tensors (autograd/node.h) unless gradient mode is off and nothing saved it.
  template <typename T>
  [[nodiscard]] T* data();
  template <typename T>
  [[nodiscard]] const T* data() const;
  [[nodiscard]] void* raw();
  [[nodiscard]] const void* raw() const;
  template <typename T>
  [[nodiscard]] std::span<const T> values() const {
    return {data<T>(), static_cast<std::size_t>(numel())};
  }
  // The only element of a one-element tensor, as double.
  [[nodiscard]] double item() const;

  // ---- layout and copies (not differentiable; the differentiable ones are ops) ----
  // Same storage under another shape of as many elements.
  [[nodiscard]] Tensor view(const Shape& shape) const;
  // Rows [begin, end) of the first axis, sharing storage.
  [[nodiscard]] Tensor rows(std::int64_t begin, std::int64_t end) const;
  // A tensor within the bytes of this one, which is u8 [B], from `offset` (a multiple of 64) on.
  [[nodiscard]] Tensor carve(std::size_t offset, const Shape& shape, DType dtype) const;
  [[nodiscard]] Tensor clone() const;
  [[nodiscard]] Tensor to(DType dtype) const;    // itself when the dtype is that already
  [[nodiscard]] Tensor to(Device device) const;  // itself when on that device already
  // Writes the elements of `source` (same shape; converted to this dtype; any device) over this
  // tensor's. What comes to the CPU is there when the call returns.
  void copy_from(const Tensor& source);
  // The same, but takes over the memory of `source` when nothing else refers to it and it fits:
  // then no element is copied, and views of this tensor's elements made before keep the old ones.
  void take(Tensor&& source);
  void fill(double value);

  // ---- gradients ----
  [[nodiscard]] bool requires_grad() const;
  // Marks a leaf (a parameter, or an input under test). Returns *this.
  Tensor& set_requires_grad(bool value = true);
  [[nodiscard]] Tensor grad() const;  // undefined until backward reached this leaf
  void set_grad(const Tensor& grad);
  // A copy of a parameter's elements in 16 bits, for layers whose maps are bf16 or f16; undefined
  // where none was made. Kept with the tensor, so that whoever writes the parameter can write its
  // copy too: set_rounded() says that it did, and is_rounded() that nothing was written since.
  [[nodiscard]] Tensor rounded() const;
  [[nodiscard]] bool is_rounded() const;
  void set_rounded(const Tensor& copy);
  // Same elements, no history.
  [[nodiscard]] Tensor detach() const;
  // Gradients of this one-element tensor with respect to every leaf it came from are added to the
  // leaves' grad(). Frees the graph. Defined in engine/autograd.
  void backward() const;
  void backward(const Tensor& grad) const;

  // Number of writes to the storage so far, kept for the check of saved tensors.
  [[nodiscard]] std::uint64_t version() const;
  void bump_version();

  [[nodiscard]] const std::shared_ptr<autograd::Node>& grad_node() const;
  void set_grad_node(std::shared_ptr<autograd::Node> node);

 private:
  struct Storage;
  struct Impl;
  explicit Tensor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  static Tensor make(const Shape& shape, DType dtype, Device device, bool pinned);
  void copy_bytes(const Tensor& source);
  [[nodiscard]] Impl& impl() const;

  std::shared_ptr<Impl> impl_;
};

}  // namespace akimbo
