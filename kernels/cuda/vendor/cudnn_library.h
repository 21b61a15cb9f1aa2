// What the wrappers of cuDNN's families share: the library, opened at run time, its errors, handles
// and descriptions of tensors.
#pragma once

#include <cudnn.h>

#include <string>

#include "kernels/common/device_failure.h"
#include "kernels/common/exec.h"
#include "kernels/common/view.h"
#include "kernels/cuda/vendor/shared_library.h"

// Its convolutions and batch norm carry the mark "deprecated" for the graph interface, but are what
// version 9 runs.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace akimbo::kernels::cuda::vendor {

// A struct with a pointer to each function of FUNCTIONS(F), by the functions' own names. Each table
// opens the library for itself, so that a version without one family still serves the others.
#define AKIMBO_CUDNN_MEMBER(name) decltype(::name)* name = nullptr;
#define AKIMBO_CUDNN_FIND(name) library.find(#name, name);
#define AKIMBO_CUDNN_TABLE(Name, FUNCTIONS)                \
  struct Name {                                            \
    SharedLibrary library{"libcudnn.so.9", "libcudnn.so"}; \
    FUNCTIONS(AKIMBO_CUDNN_MEMBER)                         \
    Name() { FUNCTIONS(AKIMBO_CUDNN_FIND) }                \
  };

#define AKIMBO_CUDNN_FUNCTIONS(F) \
  F(cudnnGetVersion)              \
  F(cudnnGetErrorString)          \
  F(cudnnCreate)                  \
  F(cudnnDestroy)                 \
  F(cudnnSetStream)               \
  F(cudnnCreateTensorDescriptor)  \
  F(cudnnDestroyTensorDescriptor) \
  F(cudnnSetTensor4dDescriptor)

AKIMBO_CUDNN_TABLE(CudnnFunctions, AKIMBO_CUDNN_FUNCTIONS)

// Lives as long as the process: longer than the threads that use it.
[[nodiscard]] const CudnnFunctions& cudnn_library();

// Throws DeviceFailure with cuDNN's own words.
void check_cudnn(cudnnStatus_t status, const char* what);

// One per thread and device, on the stream of the call.
[[nodiscard]] cudnnHandle_t cudnn_handle(const Exec& exec);

// Of f32, bf16 and f16.
[[nodiscard]] cudnnDataType_t cudnn_data_type(DType dtype);

// [N, H, W, C], packed in this order.
class TensorDescriptor {
 public:
  TensorDescriptor(DType dtype, const Shape& nhwc);
  explicit TensorDescriptor(ConstView v) : TensorDescriptor(v.dtype, v.shape) {}
  ~TensorDescriptor();
  TensorDescriptor(const TensorDescriptor&) = delete;
  TensorDescriptor& operator=(const TensorDescriptor&) = delete;
  operator cudnnTensorDescriptor_t() const { return value_; }

 private:
  cudnnTensorDescriptor_t value_ = nullptr;
};

}  // namespace akimbo::kernels::cuda::vendor
