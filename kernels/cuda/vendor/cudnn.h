// cuDNN as a second provider: cudnn_conv.h, cudnn_batch_norm.h. Its library is opened at run time;
// without it (or built without its headers, or emulated) it takes nothing, and our own kernels run.
#pragma once

#include <string>

namespace akimbo::kernels::cuda::vendor {

// "9.14.0", or "" with the reason below.
[[nodiscard]] std::string cudnn_version();
[[nodiscard]] std::string cudnn_unavailable_reason();

}  // namespace akimbo::kernels::cuda::vendor
