#include "kernels/cuda/vendor/cudnn_batch_norm.h"

#include <cstddef>

#include "kernels/cuda/vendor/batch_norm_rules.h"
#include "kernels/cuda/vendor/cudnn_library.h"
#include "kernels/cuda/vendor/vendor_finish.h"

namespace akimbo::kernels::cuda::vendor {
namespace {

#define AKIMBO_CUDNN_BATCH_NORM_FUNCTIONS(F)                  \
  F(cudnnDeriveBNTensorDescriptor)                            \
  F(cudnnCreateActivationDescriptor)                          \
  F(cudnnDestroyActivationDescriptor)                         \
  F(cudnnSetActivationDescriptor)                             \
  F(cudnnBatchNormalizationForwardInference)                  \
  F(cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize) \
  F(cudnnGetBatchNormalizationTrainingExReserveSpaceSize)     \
  F(cudnnBatchNormalizationForwardTrainingEx)                 \
  F(cudnnGetBatchNormalizationBackwardExWorkspaceSize)        \
  F(cudnnBatchNormalizationBackward)                          \
  F(cudnnBatchNormalizationBackwardEx)

AKIMBO_CUDNN_TABLE(BatchNormFunctions, AKIMBO_CUDNN_BATCH_NORM_FUNCTIONS)

const BatchNormFunctions& cudnn() {
  static const BatchNormFunctions* const instance = new BatchNormFunctions;
  return *instance;
}

// Of gamma, beta, the statistics and their gradients: f32, one value per channel.
class VectorDescriptor {
 public:
  VectorDescriptor(const TensorDescriptor& x, cudnnBatchNormMode_t mode)
      : value_(DType::f32, Shape{1, 1, 1, 1}) {
    check_cudnn(cudnn().cudnnDeriveBNTensorDescriptor(value_, x, mode),
                "cudnnDeriveBNTensorDescriptor");
  }
  operator cudnnTensorDescriptor_t() const { return value_; }

 private:
  TensorDescriptor value_;
};

class ReluDescriptor {
 public:
  ReluDescriptor() {
    check_cudnn(cudnn().cudnnCreateActivationDescriptor(&value_),
                "cudnnCreateActivationDescriptor");
    check_cudnn(
        cudnn().cudnnSetActivationDescriptor(value_, CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0),
        "cudnnSetActivationDescriptor");
  }
  ~ReluDescriptor() { cudnn().cudnnDestroyActivationDescriptor(value_); }
  ReluDescriptor(const ReluDescriptor&) = delete;
  ReluDescriptor& operator=(const ReluDescriptor&) = delete;
  operator cudnnActivationDescriptor_t() const { return value_; }

 private:
  cudnnActivationDescriptor_t value_ = nullptr;
};

constexpr float kOne = 1, kZero = 0;

cudnnBatchNormMode_t mode_of(DType dtype) {
  return is_persistent(dtype) ? CUDNN_BATCHNORM_SPATIAL_PERSISTENT : CUDNN_BATCHNORM_SPATIAL;
}

cudnnBatchNormOps_t ops_of(BatchNormFusion fusion) {
  switch (fusion) {
    case BatchNormFusion::relu: return CUDNN_BATCHNORM_OPS_BN_ACTIVATION;
    case BatchNormFusion::residual_relu: return CUDNN_BATCHNORM_OPS_BN_ADD_ACTIVATION;
    default: return CUDNN_BATCHNORM_OPS_BN;
  }
}

TensorDescriptor rows_descriptor(ConstView x) {
  return TensorDescriptor(x.dtype, batch_norm_extents(x.shape));
}

// y = norm(x), with what `fusion` adds. What cuDNN leaves for a fused gradient is not kept.
cudnnStatus_t train(const Exec& exec, const BatchNormTrainingArgs& a,
                    const BatchNormTrainingOutputs& out, BatchNormFusion fusion) {
  const cudnnHandle_t handle = cudnn_handle(exec);
  const cudnnBatchNormMode_t mode = mode_of(a.x.dtype);
  const cudnnBatchNormOps_t ops = ops_of(fusion);
  const TensorDescriptor rows = rows_descriptor(a.x);
  const VectorDescriptor vectors(rows, mode);
  const ReluDescriptor relu;
  const bool adds = fusion == BatchNormFusion::residual_relu;
  const cudnnTensorDescriptor_t residual = adds ? cudnnTensorDescriptor_t(rows) : nullptr;
  const auto activation =
      fusion == BatchNormFusion::none ? nullptr : cudnnActivationDescriptor_t(relu);
  std::size_t work_bytes = 0, reserve_bytes = 0;
  cudnnStatus_t status = cudnn().cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
      handle, mode, ops, rows, residual, rows, vectors, activation, &work_bytes);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  status = cudnn().cudnnGetBatchNormalizationTrainingExReserveSpaceSize(
      handle, mode, ops, activation, rows, &reserve_bytes);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  const Scratch<std::byte> work(exec, work_bytes), reserve(exec, reserve_bytes);
  return cudnn().cudnnBatchNormalizationForwardTrainingEx(
      handle, mode, ops, &kOne, &kZero, rows, a.x.pointer, residual,
      adds ? a.residual.pointer : nullptr, rows, out.y.pointer, vectors, a.gamma.pointer,
      a.beta.pointer, a.params.momentum, out.running_mean.pointer, out.running_var.pointer,
      a.params.eps, out.mean.pointer, out.invstd.pointer, activation, work.data(), work_bytes,
      reserve.data(), reserve_bytes);
}

// The operands of a gradient in cuDNN's terms.
struct GradOperands {
  const void* grad_y;  // behind the mask
  void *grad_gamma, *grad_beta;
};

// With saved statistics eps is not used; cuDNN checks its range only.
constexpr double kAnyEps = 1e-5;

void backward(const Exec& exec, const BatchNormGradArgs& a, const GradOperands& g) {
  const cudnnHandle_t handle = cudnn_handle(exec);
  const cudnnBatchNormMode_t mode = mode_of(a.x.dtype);
  const TensorDescriptor rows = rows_descriptor(a.x);
  const VectorDescriptor vectors(rows, mode);
  std::size_t work_bytes = 0, reserve_bytes = 0;
  check_cudnn(cudnn().cudnnGetBatchNormalizationTrainingExReserveSpaceSize(
                  handle, mode, CUDNN_BATCHNORM_OPS_BN, nullptr, rows, &reserve_bytes),
              "cudnnGetBatchNormalizationTrainingExReserveSpaceSize");
  if (reserve_bytes > 0) {  // the extended function would read what we have not kept
    check_cudnn(cudnn().cudnnBatchNormalizationBackward(
                    handle, mode, &kOne, &kZero, &kOne, &kZero, rows, a.x.pointer, rows, g.grad_y,
                    rows, a.grad_x.pointer, vectors, a.gamma.pointer, g.grad_gamma, g.grad_beta,
                    kAnyEps, a.mean.pointer, a.invstd.pointer),
                "cudnnBatchNormalizationBackward");
    return;
  }
  check_cudnn(cudnn().cudnnGetBatchNormalizationBackwardExWorkspaceSize(
                  handle, mode, CUDNN_BATCHNORM_OPS_BN, rows, nullptr, rows, nullptr, rows, vectors,
                  nullptr, &work_bytes),
              "cudnnGetBatchNormalizationBackwardExWorkspaceSize");
  const Scratch<std::byte> work(exec, work_bytes);
  check_cudnn(
      cudnn().cudnnBatchNormalizationBackwardEx(
          handle, mode, CUDNN_BATCHNORM_OPS_BN, &kOne, &kZero, &kOne, &kZero, rows, a.x.pointer,
          nullptr, nullptr, rows, g.grad_y, nullptr, nullptr, rows, a.grad_x.pointer, vectors,
          a.gamma.pointer, nullptr, g.grad_gamma, g.grad_beta, kAnyEps, a.mean.pointer,
          a.invstd.pointer, nullptr, work.data(), work_bytes, nullptr, 0),
      "cudnnBatchNormalizationBackwardEx");
}

bool is_open() { return cudnn_library().library.is_open() && cudnn().library.is_open(); }

}  // namespace

bool cudnn_takes(const BatchNormForwardArgs& args, ConstView y) {
  return cudnn_may_take(args, y) && is_open();
}
bool cudnn_takes(const BatchNormTrainingArgs& args) { return cudnn_may_take(args) && is_open(); }
bool cudnn_takes(const BatchNormGradArgs& args) { return cudnn_may_take(args) && is_open(); }

void cudnn_batch_norm_forward(const Exec& exec, const BatchNormForwardArgs& a, View y) {
  const cudnnHandle_t handle = cudnn_handle(exec);
  const TensorDescriptor rows = rows_descriptor(a.x);
  const VectorDescriptor vectors(rows, CUDNN_BATCHNORM_SPATIAL);
  const std::int64_t channels = a.invstd.numel();
  const Scratch<float> var(exec, static_cast<std::size_t>(channels));
  variance_of_invstd(exec, a.invstd, {var.data(), DType::f32, {channels}});
  check_cudnn(
      cudnn().cudnnBatchNormalizationForwardInference(
          handle, CUDNN_BATCHNORM_SPATIAL, &kOne, &kZero, rows, a.x.pointer, rows, y.pointer,
          vectors, a.gamma.pointer, a.beta.pointer, a.mean.pointer, var.data(), /*epsilon=*/0.0),
      "cudnnBatchNormalizationForwardInference");
  finish_in_place(exec, {.residual = a.residual, .relu = a.relu}, y);
}

void cudnn_batch_norm_training(const Exec& exec, const BatchNormTrainingArgs& a,
                               const BatchNormTrainingOutputs& out) {
  const BatchNormFusion best = best_fusion(a);
  // What it does not fuse after all (of bf16, say) it refuses before it has written anything.
  if (best != BatchNormFusion::none && train(exec, a, out, best) == CUDNN_STATUS_SUCCESS) return;
  check_cudnn(train(exec, a, out, BatchNormFusion::none),
              "cudnnBatchNormalizationForwardTrainingEx");
  finish_in_place(exec, {.residual = a.residual, .relu = a.relu}, out.y);
}

void cudnn_batch_norm_grad(const Exec& exec, const BatchNormGradArgs& a) {
  const bool masks = a.y || a.beta || a.grad_residual;
  const auto channels = static_cast<std::size_t>(a.gamma.numel());
  const std::size_t masked_bytes =
      masks && !a.grad_residual ? static_cast<std::size_t>(a.x.numel()) * dtype_bytes(a.x.dtype)
                                : 0;
  const Scratch<std::byte> apart(exec, masked_bytes);
  const Scratch<float> gamma(exec, a.grad_gamma ? 0 : channels);
  const Scratch<float> beta(exec, a.grad_beta ? 0 : channels);
  const View masked = a.grad_residual ? a.grad_residual : View{apart.data(), a.x.dtype, a.x.shape};
  if (masks) masked_gradient(exec, a, masked);
  backward(exec, a,
           {masks ? masked.pointer : a.grad_y.pointer,
            a.grad_gamma ? a.grad_gamma.pointer : gamma.data(),
            a.grad_beta ? a.grad_beta.pointer : beta.data()});
}

}  // namespace akimbo::kernels::cuda::vendor
