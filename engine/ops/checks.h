// Argument checks that ops share. Every message starts with the op's name.
#pragma once

#include <cstdint>

#include "engine/core/error.h"
#include "engine/core/tensor.h"

namespace akimbo::ops {

// f32 or f64: what kernels compute in.
inline void require_floating(const char* op, const char* name, const Tensor& t) {
  if (t.dtype() != DType::f32 && t.dtype() != DType::f64) {
    throw_error<ArgumentError>("[{}] {} is {}, but the op computes in f32 or f64; call to()", op,
                               name, dtype_name(t.dtype()));
  }
}

inline void require_rank(const char* op, const char* name, const Tensor& t, int rank,
                         const char* layout) {
  if (t.rank() != rank) {
    throw_error<ArgumentError>("[{}] {} has shape {}; wanted {}", op, name, t.shape().str(),
                               layout);
  }
}

// `t` has the shape, dtype and device of `like`.
inline void require_like(const char* op, const char* name, const Tensor& t, const char* like_name,
                         const Tensor& like) {
  if (!(t.shape() == like.shape()) || t.dtype() != like.dtype() || t.device() != like.device()) {
    throw_error<ArgumentError>(
        "[{}] {} is {} {}, but {} is {} {}; both must have one shape, "
        "dtype and device",
        op, name, dtype_name(t.dtype()), t.shape().str(), like_name, dtype_name(like.dtype()),
        like.shape().str());
  }
}

// `t` is a vector [channels] of the dtype and device of `like`.
inline void require_channels(const char* op, const char* name, const Tensor& t,
                             std::int64_t channels, const Tensor& like) {
  if (t.rank() != 1 || t.dim(0) != channels || t.dtype() != like.dtype() ||
      t.device() != like.device()) {
    throw_error<ArgumentError>("[{}] {} is {} {}; wanted {} [{}], one value per channel of x {}",
                               op, name, dtype_name(t.dtype()), t.shape().str(),
                               dtype_name(like.dtype()), channels, like.shape().str());
  }
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
