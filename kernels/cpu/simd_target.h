// The instruction sets that SIMD kernels may be run with. The best one is taken by itself; tests
// and selftest walk through all.
#pragma once

#include <string>
#include <vector>

namespace akimbo::kernels::cpu {

// Those of this machine for which there is code, best first: "AVX3" (AVX-512), "AVX2", ...
[[nodiscard]] std::vector<std::string> simd_targets();

// Runs every SIMD kernel of the process with this target, one of simd_targets(); "" goes back to
// the best. Not while kernels run; weights packed before are in the wrong order afterwards.
void use_simd_target(const std::string& name);

}  // namespace akimbo::kernels::cpu
