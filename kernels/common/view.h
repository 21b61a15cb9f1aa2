// What a kernel sees of a tensor: a pointer, a dtype and a shape. Contiguous, row-major, not owned.
#pragma once

#include <cassert>
#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/common/shape.h"

namespace akimbo::kernels {

struct ConstView {
  const void* pointer = nullptr;
  DType dtype = DType::f32;
  Shape shape;

  // False for an absent optional operand (a missing bias, say).
  explicit operator bool() const { return pointer != nullptr; }
  [[nodiscard]] std::int64_t numel() const { return shape.numel(); }
  [[nodiscard]] std::int64_t dim(int axis) const { return shape[axis]; }
  template <typename T>
  [[nodiscard]] const T* data() const {
    assert(pointer == nullptr || dtype == DTypeOf<T>::value);
    return static_cast<const T*>(pointer);
  }
};

struct View {
  void* pointer = nullptr;
  DType dtype = DType::f32;
  Shape shape;

  explicit operator bool() const { return pointer != nullptr; }
  operator ConstView() const { return {pointer, dtype, shape}; }
  [[nodiscard]] std::int64_t numel() const { return shape.numel(); }
  [[nodiscard]] std::int64_t dim(int axis) const { return shape[axis]; }
  template <typename T>
  [[nodiscard]] T* data() const {
    assert(pointer == nullptr || dtype == DTypeOf<T>::value);
    return static_cast<T*>(pointer);
  }
};

}  // namespace akimbo::kernels
