#include "kernels/warp.h"

namespace akimbo::kernels::cpu {

void warp_forward(const Exec& exec, ConstView x, const WarpParams& params, View y) {
  warp_forward_plain(exec, x, params, y);
}

void crop_forward(const Exec& exec, ConstView x, const CropParams& params, View y) {
  crop_forward_plain(exec, x, params, y);
}

}  // namespace akimbo::kernels::cpu
