// Tensor maps by the driver. Its functions are asked for at run time, so that programs start where
// there is no driver, or one from before Hopper.
#include <cuda.h>
#include <cuda_runtime.h>

#include <cstring>

#include "kernels/cuda/tensor_map.h"

namespace akimbo::kernels::device {
namespace {

// Present in the program as code of each architecture that it was built for.
__global__ void architecture_kernel() {}

// Function `name` of the driver as of CUDA 12.0; nullptr when it has none.
template <typename Function>
Function* driver_function(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  if (cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &result) !=
      cudaSuccess) {
    (void)cudaGetLastError();
    return nullptr;
  }
  return result == cudaDriverEntryPointSuccess ? reinterpret_cast<Function*>(found) : nullptr;
}

CUtensorMapDataType type_of(DType dtype) {
  switch (dtype) {
    case DType::bf16: return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case DType::f16: return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    default: return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  }
}

CUtensorMapSwizzle mode_of(Swizzle swizzle) {
  switch (swizzle) {
    case Swizzle::bytes_32: return CU_TENSOR_MAP_SWIZZLE_32B;
    case Swizzle::bytes_64: return CU_TENSOR_MAP_SWIZZLE_64B;
    case Swizzle::bytes_128: return CU_TENSOR_MAP_SWIZZLE_128B;
    default: return CU_TENSOR_MAP_SWIZZLE_NONE;
  }
}

// Extents, strides and element strides in the driver's types.
struct DriverShape {
  DriverShape(int rank, const std::int64_t* extents, const std::int64_t* strides) {
    for (int i = 0; i < rank; ++i) dims[i] = static_cast<cuuint64_t>(extents[i]);
    for (int i = 0; i < rank - 1; ++i) pitches[i] = static_cast<cuuint64_t>(strides[i]);
  }
  cuuint64_t dims[5] = {}, pitches[5] = {};
};

bool keep(TensorMap& map, CUresult result, const CUtensorMap& made) {
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap));
  if (result != CUDA_SUCCESS) return false;
  std::memcpy(map.bytes, &made, sizeof(made));
  return true;
}

}  // namespace

bool make_tiled_map(TensorMap& map, const TiledMapShape& s) {
  static auto* const encode =
      driver_function<decltype(cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
  if (encode == nullptr || !refusal_of(s).empty() || !runs_hopper_code()) return false;
  const DriverShape shape(s.rank, s.extents, s.strides);
  cuuint32_t box[5], steps[5];
  for (int i = 0; i < s.rank; ++i) {
    box[i] = static_cast<cuuint32_t>(s.box[i]);
    steps[i] = static_cast<cuuint32_t>(s.element_strides[i]);
  }
  CUtensorMap made;
  const CUresult result = encode(
      &made, type_of(s.dtype), static_cast<cuuint32_t>(s.rank), const_cast<void*>(s.data),
      shape.dims, shape.pitches, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, mode_of(s.swizzle),
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return keep(map, result, made);
}

bool make_im2col_map(TensorMap& map, const Im2colMapShape& s) {
  static auto* const encode =
      driver_function<decltype(cuTensorMapEncodeIm2col)>("cuTensorMapEncodeIm2col");
  if (encode == nullptr || !refusal_of(s).empty() || !runs_hopper_code()) return false;
  const DriverShape shape(4, s.extents, s.strides);
  // In the order of the extents: W, H. cuda.h speaks of {D, H, W}, but what works (CUTLASS's
  // copy_traits_sm90_im2col, PyTorch's Triton) passes W first.
  const int lower[2] = {s.lower_w, s.lower_h}, upper[2] = {s.upper_w, s.upper_h};
  const cuuint32_t steps[4] = {1, static_cast<cuuint32_t>(s.stride_w),
                               static_cast<cuuint32_t>(s.stride_h), 1};
  CUtensorMap made;
  const CUresult result = encode(
      &made, type_of(s.dtype), 4, const_cast<void*>(s.data), shape.dims, shape.pitches, lower,
      upper, static_cast<cuuint32_t>(s.channels_per_pixel),
      static_cast<cuuint32_t>(s.pixels_per_column), steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      mode_of(s.swizzle), CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return keep(map, result, made);
}

bool runs_hopper_code() {
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, architecture_kernel) != cudaSuccess) {
    (void)cudaGetLastError();
    return false;
  }
  // Code that runs on sm_90 and was compiled for it: elsewhere the PTX of compute_80 is translated,
  // and ptxVersion is 80. Of the architectures of 9.0 only sm_90a can be built (gpu_archs).
  return attributes.binaryVersion == 90 && attributes.ptxVersion == 90;
}

}  // namespace akimbo::kernels::device
