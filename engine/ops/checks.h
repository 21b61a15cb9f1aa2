// Argument checks that ops share. Every message starts with the op's name.
#pragma once

#include <cstdint>

#include "engine/core/error.h"
#include "engine/core/tensor.h"

namespace akimbo::ops {

// Dtype of what goes with maps of `dtype` once per channel (a bias, a mean): f32 beside 16 bits.
[[nodiscard]] inline DType vector_dtype(DType dtype) { return is_half(dtype) ? DType::f32 : dtype; }

// f32 or f64, on a GPU also bf16 or f16: what kernels compute in.
inline void require_floating(const char* op, const char* name, const Tensor& t) {
  if (t.dtype() == DType::f32 || t.dtype() == DType::f64) return;
  if (is_half(t.dtype()) && t.device().is_cuda()) return;
  throw_error<ArgumentError>("[{}] {} is {}, but the op computes in f32 or f64{}; call to()", op,
                             name, dtype_name(t.dtype()),
                             is_half(t.dtype()) ? " on the CPU (bf16 and f16 need a GPU)" : "");
}

inline void require_rank(const char* op, const char* name, const Tensor& t, int rank,
                         const char* layout) {
  if (t.rank() != rank) {
    throw_error<ArgumentError>("[{}] {} has shape {}; wanted {}", op, name, t.shape().str(),
                               layout);
  }
}

inline void require_device(const char* op, const char* name, const Tensor& t, const char* like_name,
                           const Tensor& like) {
  if (t.device() == like.device()) return;
  throw_error<ArgumentError>("[{}] {} is on {}, but {} is on {}; call to()", op, name,
                             t.device().str(), like_name, like.device().str());
}

// `t` has the shape, dtype and device of `like`.
inline void require_like(const char* op, const char* name, const Tensor& t, const char* like_name,
                         const Tensor& like) {
  if (!(t.shape() == like.shape()) || t.dtype() != like.dtype()) {
    throw_error<ArgumentError>(
        "[{}] {} is {} {}, but {} is {} {}; both must have one shape, "
        "dtype and device",
        op, name, dtype_name(t.dtype()), t.shape().str(), like_name, dtype_name(like.dtype()),
        like.shape().str());
  }
  require_device(op, name, t, like_name, like);
}

// `t` is a vector [channels] on the device of `like`, of the dtype that goes with it.
inline void require_channels(const char* op, const char* name, const Tensor& t,
                             std::int64_t channels, const Tensor& like) {
  const DType wanted = vector_dtype(like.dtype());
  if (t.rank() != 1 || t.dim(0) != channels || t.dtype() != wanted) {
    throw_error<ArgumentError>("[{}] {} is {} {}; wanted {} [{}], one value per channel of x {}",
                               op, name, dtype_name(t.dtype()), t.shape().str(), dtype_name(wanted),
                               channels, like.shape().str());
  }
  require_device(op, name, t, "x", like);
}

// The axis counted from the front; throws when there is none.
inline int require_axis(const char* op, int axis, const Shape& shape) {
  if (axis < -shape.rank() || axis >= shape.rank()) {
    throw_error<ArgumentError>("[{}] axis {} was given for shape {}; wanted {} to {}", op, axis,
                               shape.str(), -shape.rank(), shape.rank() - 1);
  }
  return axis < 0 ? axis + shape.rank() : axis;
}

}  // namespace akimbo::ops
