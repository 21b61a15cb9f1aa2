// threadIdx and its like under the emulator.
#pragma once

namespace akimbo::kernels::device::emulator {
struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};
}  // namespace akimbo::kernels::device::emulator

// In the global namespace, as CUDA has them; the scheduler sets them at every switch.
inline constinit thread_local akimbo::kernels::device::emulator::Index3 threadIdx, blockIdx,
    blockDim, gridDim;

namespace akimbo::kernels::device::emulator {
inline int current_lane() {
  return static_cast<int>(((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x) %
                          32);
}
}  // namespace akimbo::kernels::device::emulator
