#include "kernels/cuda/vendor/cudnn_library.h"

#include <map>
#include <memory>

#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/device_runtime.h"

namespace akimbo::kernels::cuda::vendor {

const CudnnFunctions& cudnn_library() {
  static const CudnnFunctions* const instance = new CudnnFunctions;
  return *instance;
}

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw DeviceFailure(std::string("[cudnn] ") + what + ": " +
                      cudnn_library().cudnnGetErrorString(status));
}

cudnnHandle_t cudnn_handle(const Exec& exec) {
  struct Destroy {
    void operator()(cudnnHandle_t handle) const { cudnn_library().cudnnDestroy(handle); }
  };
  using Handle = std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, Destroy>;
  thread_local std::map<int, Handle> handles;
  Handle& handle = handles[current_device()];
  if (!handle) {
    cudnnHandle_t created = nullptr;
    check_cudnn(cudnn_library().cudnnCreate(&created), "cudnnCreate");
    handle.reset(created);
  }
  check_cudnn(cudnn_library().cudnnSetStream(handle.get(), static_cast<cudaStream_t>(exec.stream)),
              "cudnnSetStream");
  return handle.get();
}

cudnnDataType_t cudnn_data_type(DType dtype) {
  switch (dtype) {
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    case DType::f16: return CUDNN_DATA_HALF;
    default: return CUDNN_DATA_FLOAT;
  }
}

TensorDescriptor::TensorDescriptor(DType dtype, const Shape& nhwc) {
  check_cudnn(cudnn_library().cudnnCreateTensorDescriptor(&value_), "cudnnCreateTensorDescriptor");
  const auto extent = [&](int axis) { return static_cast<int>(nhwc[axis]); };
  check_cudnn(
      cudnn_library().cudnnSetTensor4dDescriptor(value_, CUDNN_TENSOR_NHWC, cudnn_data_type(dtype),
                                                 extent(0), extent(3), extent(1), extent(2)),
      "cudnnSetTensor4dDescriptor");
}

TensorDescriptor::~TensorDescriptor() { cudnn_library().cudnnDestroyTensorDescriptor(value_); }

std::string cudnn_version() {
  if (!cudnn_library().library.is_open()) return "";
  const std::size_t v = cudnn_library().cudnnGetVersion();
  return std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

std::string cudnn_unavailable_reason() { return cudnn_library().library.error(); }

}  // namespace akimbo::kernels::cuda::vendor
