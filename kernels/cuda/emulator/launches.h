// Which kernels ran, and one that fails on request: tests see by the first what an op costs in
// launches, and by the second what is said of an op that went wrong.
#pragma once

#include <string>

namespace akimbo::kernels::cuda::emulator {

// Runs of kernels of that name since the process began; replays of graphs count.
[[nodiscard]] int num_runs(const std::string& kernel);
// From now on every run of that kernel ends in a DeviceFailure, as after a bad access; "": none.
void fail_kernel(const std::string& kernel);

// Called as a kernel begins.
void note_run(const char* kernel);

}  // namespace akimbo::kernels::cuda::emulator
