#include "kernels/cpu/simd_target.h"

#include <stdexcept>

#include <hwy/highway.h>

namespace akimbo::kernels::cpu {
namespace {

// What the SIMD sources of this folder are compiled for (their HWY_DISABLED_TARGETS).
constexpr std::int64_t kCompiled = HWY_TARGETS & ~(HWY_AVX3_DL | HWY_SSSE3);

std::vector<std::int64_t> supported() {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<std::int64_t> targets;
  std::int64_t left = (hwy::SupportedTargets() | HWY_SCALAR) & (kCompiled | HWY_SCALAR);
  for (; left != 0; left &= left - 1) targets.push_back(left & ~(left - 1));
  return targets;  // a better target has a lower bit
}

}  // namespace

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (const std::int64_t target : supported()) names.emplace_back(hwy::TargetName(target));
  return names;
}

void use_simd_target(const std::string& name) {
  std::int64_t mask = 0;
  for (const std::int64_t target : supported()) {
    if (hwy::TargetName(target) == name) mask = target;
  }
  if (mask == 0 && !name.empty()) throw std::logic_error("no SIMD target " + name);
  hwy::SetSupportedTargetsForTest(mask);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace akimbo::kernels::cpu
