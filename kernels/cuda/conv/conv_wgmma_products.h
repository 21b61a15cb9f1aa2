// The launchers of the sm_90a products, one source each (conv_wgmma_<pass>_<type>.cu).
#pragma once

#include "kernels/cuda/conv/conv_gather_products.h"
#include "kernels/cuda/conv/conv_weight_grad_products.h"

namespace akimbo::kernels::cuda {

// Of a problem that wgmma_takes and a tile that is_wgmma. False, and nothing done, where the driver
// refuses a tensor map after all.
using WgmmaGatherLauncher = bool(const Exec&, const device::GatherArguments&, GatherTile,
                                 std::int64_t tiles);
WgmmaGatherLauncher launch_wgmma_gather_bf16;
WgmmaGatherLauncher launch_wgmma_gather_f16;

using WgmmaWeightGradLauncher = bool(const Exec&, const device::WeightGradArguments&,
                                     WeightGradTile, std::int64_t tiles);
WgmmaWeightGradLauncher launch_wgmma_weight_grad_bf16;
WgmmaWeightGradLauncher launch_wgmma_weight_grad_f16;

}  // namespace akimbo::kernels::cuda
