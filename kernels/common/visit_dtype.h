// Turns a run-time dtype into a template argument:
//   visit_floating(x.dtype, [&]<typename T>() { relu<T>(...); });
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/common/dtype.h"

namespace akimbo::kernels {

[[noreturn]] inline void unsupported_dtype(DType dtype) {
  throw std::logic_error("kernel has no variant for dtype " + std::string(dtype_name(dtype)));
}

// f32 and f64: what the CPU computes in.
template <typename F>
decltype(auto) visit_floating(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f.template operator()<float>();
    case DType::f64: return f.template operator()<double>();
    default: unsupported_dtype(dtype);
  }
}

// f32, f64, bf16 and f16: what CUDA kernels compute on (16-bit types in f32).
template <typename F>
decltype(auto) visit_any_floating(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f.template operator()<float>();
    case DType::f64: return f.template operator()<double>();
    case DType::bf16: return f.template operator()<BFloat16>();
    case DType::f16: return f.template operator()<Float16>();
    default: unsupported_dtype(dtype);
  }
}

// Every dtype.
template <typename F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64: return f.template operator()<double>();
    case DType::f32: return f.template operator()<float>();
    case DType::bf16: return f.template operator()<BFloat16>();
    case DType::f16: return f.template operator()<Float16>();
    case DType::i32: return f.template operator()<std::int32_t>();
    case DType::i64: return f.template operator()<std::int64_t>();
    case DType::u8: return f.template operator()<std::uint8_t>();
  }
  unsupported_dtype(dtype);
}

}  // namespace akimbo::kernels
