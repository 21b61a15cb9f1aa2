// Does this machine compute what it should? Every op, forward and gradient, in every dtype of a
// device, against the plain loops of the CPU in double.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "engine/core/device.h"

namespace akimbo::selftest {

// One op in one dtype: the output or gradient that is worst in relation to its tolerance. Errors
// are shares of the largest expected magnitude.
struct Result {
  std::string op;     // "conv2d 3x3 64->64"
  std::string dtype;  // "bf16", "tf32"
  std::string worst;  // "y", "gradient of w"
  double error = 0;
  double tolerance = 0;
  std::string failure;  // what was thrown, or "" when all was computed

  [[nodiscard]] bool passed() const { return failure.empty() && error <= tolerance; }
};

struct Options {
  bool small = false;  // a few pixels and channels instead of the sizes of real networks
  std::string filter;  // only ops whose name contains it
  std::function<void(const Result&)> on_result;
};

struct Summary {
  int num_passed = 0, num_failed = 0;
  // Guarded kernels (kernels/guarded.h) that computed a case, with the dtype: "wgmma ... bf16".
  std::set<std::string> guarded;
};

// An op that throws counts as failed, and the run goes on. On the CPU the fast paths (f32) are
// compared; on a GPU f32, tf32, bf16, f16 and f64.
Summary run(Device device, const Options& options);

// A GPU uses some kernels by itself only after all of this passed on it (kernels/guarded.h): writes
// down whether it did. What came of it, in a line; "" where there are no such kernels, or only a
// part of the self-test was run.
std::string record(Device device, const Options& options, const Summary& summary);

}  // namespace akimbo::selftest
