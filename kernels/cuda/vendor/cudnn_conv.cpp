// cuDNN knows one convolution, from the big map to the small one with a filter [small, taps, big],
// and its two gradients; all six passes of ours are one of the three.
#include "kernels/cuda/vendor/cudnn_conv.h"

#include <cstddef>

#include "kernels/cuda/vendor/cudnn_library.h"
#include "kernels/cuda/vendor/vendor_finish.h"

namespace akimbo::kernels::cuda::vendor {
namespace {

// ---- the library ----

#define AKIMBO_CUDNN_CONV_FUNCTIONS(F)              \
  F(cudnnCreateFilterDescriptor)                    \
  F(cudnnDestroyFilterDescriptor)                   \
  F(cudnnSetFilter4dDescriptor)                     \
  F(cudnnCreateConvolutionDescriptor)               \
  F(cudnnDestroyConvolutionDescriptor)              \
  F(cudnnSetConvolution2dDescriptor)                \
  F(cudnnSetConvolutionMathType)                    \
  F(cudnnSetConvolutionGroupCount)                  \
  F(cudnnGetConvolutionForwardAlgorithm_v7)         \
  F(cudnnGetConvolutionBackwardDataAlgorithm_v7)    \
  F(cudnnGetConvolutionBackwardFilterAlgorithm_v7)  \
  F(cudnnGetConvolutionForwardWorkspaceSize)        \
  F(cudnnGetConvolutionBackwardDataWorkspaceSize)   \
  F(cudnnGetConvolutionBackwardFilterWorkspaceSize) \
  F(cudnnConvolutionForward)                        \
  F(cudnnConvolutionBackwardData)                   \
  F(cudnnConvolutionBackwardFilter)

AKIMBO_CUDNN_TABLE(ConvFunctions, AKIMBO_CUDNN_CONV_FUNCTIONS)

const ConvFunctions& cudnn() {
  static const ConvFunctions* const instance = new ConvFunctions;
  return *instance;
}

// ---- descriptions ----

// [small channels, kh, kw, big channels per group].
class FilterDescriptor {
 public:
  FilterDescriptor(const Shape& w, DType dtype) {
    check_cudnn(cudnn().cudnnCreateFilterDescriptor(&value_), "cudnnCreateFilterDescriptor");
    const auto extent = [&](int axis) { return static_cast<int>(w[axis]); };
    check_cudnn(
        cudnn().cudnnSetFilter4dDescriptor(value_, cudnn_data_type(dtype), CUDNN_TENSOR_NHWC,
                                           extent(0), extent(3), extent(1), extent(2)),
        "cudnnSetFilter4dDescriptor");
  }
  ~FilterDescriptor() { cudnn().cudnnDestroyFilterDescriptor(value_); }
  FilterDescriptor(const FilterDescriptor&) = delete;
  FilterDescriptor& operator=(const FilterDescriptor&) = delete;
  operator cudnnFilterDescriptor_t() const { return value_; }

 private:
  cudnnFilterDescriptor_t value_ = nullptr;
};

class ConvolutionDescriptor {
 public:
  ConvolutionDescriptor(const Exec& exec, DType dtype, const Conv2dParams& p) {
    check_cudnn(cudnn().cudnnCreateConvolutionDescriptor(&value_),
                "cudnnCreateConvolutionDescriptor");
    const int padding = static_cast<int>(p.padding), stride = static_cast<int>(p.stride);
    const int dilation = static_cast<int>(p.dilation);
    check_cudnn(cudnn().cudnnSetConvolution2dDescriptor(value_, padding, padding, stride, stride,
                                                        dilation, dilation, CUDNN_CROSS_CORRELATION,
                                                        CUDNN_DATA_FLOAT),
                "cudnnSetConvolution2dDescriptor");
    const bool exact = dtype == DType::f32 && !exec.tf32;
    check_cudnn(
        cudnn().cudnnSetConvolutionMathType(value_, exact ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH),
        "cudnnSetConvolutionMathType");
    check_cudnn(cudnn().cudnnSetConvolutionGroupCount(value_, static_cast<int>(p.groups)),
                "cudnnSetConvolutionGroupCount");
  }
  ~ConvolutionDescriptor() { cudnn().cudnnDestroyConvolutionDescriptor(value_); }
  ConvolutionDescriptor(const ConvolutionDescriptor&) = delete;
  ConvolutionDescriptor& operator=(const ConvolutionDescriptor&) = delete;
  operator cudnnConvolutionDescriptor_t() const { return value_; }

 private:
  cudnnConvolutionDescriptor_t value_ = nullptr;
};

enum class Kernel { forward, backward_data, backward_filter };

// The filter of a convolution lies so; that of a transposed one is exchanged first.
bool is_exchanged(const GatherTask& t) {
  return (t.direction == Direction::small_to_big) != (t.filter_order == Order::k_contiguous);
}
Kernel kernel_of(const GatherTask& t) {
  return t.direction == Direction::small_to_big ? Kernel::forward : Kernel::backward_data;
}
Shape exchanged(const Shape& w, std::int64_t groups) {
  return {w[3] * groups, w[1], w[2], w[0] / groups};
}

// All descriptors of one product.
struct Product3 {
  TensorDescriptor small, big;
  FilterDescriptor filter;
  ConvolutionDescriptor convolution;
};

Product3 describe(const Exec& exec, const GatherTask& t) {
  const bool forward = kernel_of(t) == Kernel::forward;
  const ConstView y = t.y;
  return {TensorDescriptor(forward ? y : t.source), TensorDescriptor(forward ? t.source : y),
          FilterDescriptor(
              is_exchanged(t) ? exchanged(t.filter.shape, t.params.groups) : t.filter.shape,
              t.filter.dtype),
          ConvolutionDescriptor(exec, t.y.dtype, t.params)};
}

Shape filter_of(const WeightGradTask& t) {
  return t.order == WeightOrder::small_first ? t.grad_w.shape
                                             : exchanged(t.grad_w.shape, t.params.groups);
}

Product3 describe(const Exec& exec, const WeightGradTask& t) {
  return {TensorDescriptor(t.small), TensorDescriptor(t.big),
          FilterDescriptor(filter_of(t), t.small.dtype),
          ConvolutionDescriptor(exec, t.small.dtype, t.params)};
}

bool is_taken(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
}
bool fits(ConstView v) { return v.numel() > 0 && v.numel() < (std::int64_t{1} << 31); }

// ---- algorithms ----

constexpr int kMaxAlgorithms = 8;

template <typename Perf, typename Ask>
std::vector<int> ask_algorithms(const Exec& exec, const Ask& ask) {
  Perf results[kMaxAlgorithms];
  int count = 0;
  if (ask(kMaxAlgorithms, &count, results) != CUDNN_STATUS_SUCCESS) return {};
  std::vector<int> algorithms;
  for (int i = 0; i < count; ++i) {
    if (results[i].status != CUDNN_STATUS_SUCCESS) continue;
    if (exec.deterministic && results[i].determinism != CUDNN_DETERMINISTIC) continue;
    algorithms.push_back(static_cast<int>(results[i].algo));
  }
  return algorithms;
}

std::vector<int> algorithms_of(const Exec& exec, const GatherTask& t) {
  if (!cudnn().library.is_open() || !is_taken(t.y.dtype) || !fits(t.source) || !fits(t.y) ||
      t.epilogue.residual.pointer == t.y.pointer) {
    return {};
  }
  const Product3 d = describe(exec, t);
  const cudnnHandle_t handle = cudnn_handle(exec);
  if (kernel_of(t) == Kernel::forward) {
    return ask_algorithms<cudnnConvolutionFwdAlgoPerf_t>(exec, [&](int max, int* n, auto* perf) {
      return cudnn().cudnnGetConvolutionForwardAlgorithm_v7(handle, d.big, d.filter, d.convolution,
                                                            d.small, max, n, perf);
    });
  }
  return ask_algorithms<cudnnConvolutionBwdDataAlgoPerf_t>(exec, [&](int max, int* n, auto* perf) {
    return cudnn().cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, d.filter, d.small,
                                                               d.convolution, d.big, max, n, perf);
  });
}

std::vector<int> algorithms_of(const Exec& exec, const WeightGradTask& t) {
  // A gradient in f32 beside 16-bit maps is ours alone.
  if (!cudnn().library.is_open() || !is_taken(t.small.dtype) || t.grad_w.dtype != t.small.dtype ||
      !fits(t.small) || !fits(t.big)) {
    return {};
  }
  const Product3 d = describe(exec, t);
  const cudnnHandle_t handle = cudnn_handle(exec);
  return ask_algorithms<cudnnConvolutionBwdFilterAlgoPerf_t>(
      exec, [&](int max, int* n, auto* perf) {
        return cudnn().cudnnGetConvolutionBackwardFilterAlgorithm_v7(
            handle, d.big, d.small, d.convolution, d.filter, max, n, perf);
      });
}

}  // namespace

// A library that cannot work here (another driver's, say) refuses when asked: it has no algorithms.
std::vector<int> cudnn_algorithms(const Exec& exec, const GatherTask& t) {
  try {
    return algorithms_of(exec, t);
  } catch (const DeviceFailure&) {
    return {};
  }
}

std::vector<int> cudnn_algorithms(const Exec& exec, const WeightGradTask& t) {
  try {
    return algorithms_of(exec, t);
  } catch (const DeviceFailure&) {
    return {};
  }
}

void cudnn_gather(const Exec& exec, const GatherTask& t, int algorithm) {
  const Product3 d = describe(exec, t);
  const cudnnHandle_t handle = cudnn_handle(exec);
  const float one = 1, zero = 0;
  const std::size_t filter_bytes =
      is_exchanged(t) ? static_cast<std::size_t>(t.filter.numel()) * dtype_bytes(t.filter.dtype)
                      : 0;
  const Scratch<std::byte> exchanged_filter(exec, filter_bytes);
  const void* filter = t.filter.pointer;
  if (is_exchanged(t)) {
    exchange_filter(
        exec, t.filter, t.params.groups,
        {exchanged_filter.data(), t.filter.dtype, exchanged(t.filter.shape, t.params.groups)});
    filter = exchanged_filter.data();
  }
  std::size_t bytes = 0;
  if (kernel_of(t) == Kernel::forward) {
    const auto algo = static_cast<cudnnConvolutionFwdAlgo_t>(algorithm);
    check_cudnn(cudnn().cudnnGetConvolutionForwardWorkspaceSize(
                    handle, d.big, d.filter, d.convolution, d.small, algo, &bytes),
                "cudnnGetConvolutionForwardWorkspaceSize");
    const Scratch<std::byte> workspace(exec, bytes);
    check_cudnn(cudnn().cudnnConvolutionForward(handle, &one, d.big, t.source.pointer, d.filter,
                                                filter, d.convolution, algo, workspace.data(),
                                                bytes, &zero, d.small, t.y.pointer),
                "cudnnConvolutionForward");
  } else {
    const auto algo = static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm);
    check_cudnn(cudnn().cudnnGetConvolutionBackwardDataWorkspaceSize(
                    handle, d.filter, d.small, d.convolution, d.big, algo, &bytes),
                "cudnnGetConvolutionBackwardDataWorkspaceSize");
    const Scratch<std::byte> workspace(exec, bytes);
    check_cudnn(cudnn().cudnnConvolutionBackwardData(
                    handle, &one, d.filter, filter, d.small, t.source.pointer, d.convolution, algo,
                    workspace.data(), bytes, &zero, d.big, t.y.pointer),
                "cudnnConvolutionBackwardData");
  }
  finish_in_place(exec, t.epilogue, t.y);
}

void cudnn_weight_grad(const Exec& exec, const WeightGradTask& t, int algorithm) {
  const Product3 d = describe(exec, t);
  const cudnnHandle_t handle = cudnn_handle(exec);
  const float one = 1, zero = 0;
  const bool exchange = t.order == WeightOrder::big_first;
  const Scratch<std::byte> apart(
      exec,
      exchange ? static_cast<std::size_t>(t.grad_w.numel()) * dtype_bytes(t.grad_w.dtype) : 0);
  void* grad = exchange ? static_cast<void*>(apart.data()) : t.grad_w.pointer;
  const auto algo = static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm);
  std::size_t bytes = 0;
  check_cudnn(cudnn().cudnnGetConvolutionBackwardFilterWorkspaceSize(
                  handle, d.big, d.small, d.convolution, d.filter, algo, &bytes),
              "cudnnGetConvolutionBackwardFilterWorkspaceSize");
  const Scratch<std::byte> workspace(exec, bytes);
  check_cudnn(cudnn().cudnnConvolutionBackwardFilter(
                  handle, &one, d.big, t.big.pointer, d.small, t.small.pointer, d.convolution, algo,
                  workspace.data(), bytes, &zero, d.filter, grad),
              "cudnnConvolutionBackwardFilter");
  if (exchange) {
    exchange_filter(exec, {grad, t.grad_w.dtype, filter_of(t)}, t.params.groups, t.grad_w);
  }
}

}  // namespace akimbo::kernels::cuda::vendor
