#include "bench/gpu/providers.h"

#include <cstdlib>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/guarded.h"
#if AKIMBO_CUDA
#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/cuda/vendor/cudnn_conv.h"
#endif

namespace akimbo::bench {

void use_conv_provider(ConvProvider provider) {
  setenv("AKIMBO_TUNE_CACHE", "", 0);
  constexpr const char* kModes[] = {"own", "cudnn", "auto"};
  setenv("AKIMBO_CONV", kModes[static_cast<int>(provider)], 1);
}

bool has_wgmma(Device device) {
  synchronize(device);  // makes it the current one
  return !kernels::cuda::guarded_kernels().empty();
}
void use_wgmma(bool use) { setenv("AKIMBO_WGMMA", use ? "1" : "0", 1); }

KeepWgmmaSetting::KeepWgmmaSetting() {
  if (const char* before = std::getenv("AKIMBO_WGMMA")) before_ = before;
}
KeepWgmmaSetting::~KeepWgmmaSetting() {
  before_ ? setenv("AKIMBO_WGMMA", before_->c_str(), 1) : unsetenv("AKIMBO_WGMMA");
}

#if AKIMBO_CUDA

namespace cuda = kernels::cuda;

std::string cudnn_version() { return cuda::vendor::cudnn_version(); }
std::string cudnn_unavailable_reason() { return cuda::vendor::cudnn_unavailable_reason(); }

namespace {

// As kernels/cuda/conv/conv.cpp maps passes to tasks.
cuda::GatherTask gather_task(ConvCall& c) {
  const bool forward = c.pass == ConvPass::forward;
  const auto order = forward ? kernels::Order::k_contiguous : kernels::Order::k_strided;
  const auto direction =
      forward == c.transposed ? cuda::Direction::big_to_small : cuda::Direction::small_to_big;
  Tensor& result = forward ? c.y : c.x;
  return {direction, order,    view_of(forward ? c.x : c.y), view_of(c.w),
          {},        c.params, mutable_view_of(result)};
}

cuda::WeightGradTask weight_grad_task(ConvCall& c) {
  return c.transposed
             ? cuda::WeightGradTask{view_of(c.x), view_of(c.y), cuda::WeightOrder::big_first,
                                    c.params, mutable_view_of(c.w)}
             : cuda::WeightGradTask{view_of(c.y), view_of(c.x), cuda::WeightOrder::small_first,
                                    c.params, mutable_view_of(c.w)};
}

}  // namespace

std::vector<int> cudnn_algorithms(const ConvCall& call) {
  ConvCall c = call;
  const kernels::Exec& exec = exec_of(c.x.device());
  return c.pass == ConvPass::weight_grad ? cuda::vendor::cudnn_algorithms(exec, weight_grad_task(c))
                                         : cuda::vendor::cudnn_algorithms(exec, gather_task(c));
}

void run_cudnn(ConvCall& c, int algorithm) {
  const kernels::Exec& exec = exec_of(c.x.device());
  c.pass == ConvPass::weight_grad
      ? cuda::vendor::cudnn_weight_grad(exec, weight_grad_task(c), algorithm)
      : cuda::vendor::cudnn_gather(exec, gather_task(c), algorithm);
}

#else

std::string cudnn_version() { return ""; }
std::string cudnn_unavailable_reason() { return "this program was built without CUDA"; }
std::vector<int> cudnn_algorithms(const ConvCall&) { return {}; }
void run_cudnn(ConvCall&, int) { throw DeviceError("[gpu_bench] built without CUDA"); }

#endif

}  // namespace akimbo::bench
