// Kernels that a GPU uses by itself only after the self-test has passed on it with this program and
// driver (design decision: what no test machine has run is not trusted). There is one family, the
// convolutions of kernels/cuda/conv/conv_wgmma.h.
#pragma once

#include <string>
#include <vector>

namespace akimbo::kernels::cuda {

// What the self-test has to run on the current device, by names such as "wgmma 128x128/1"; empty
// where the device or the program has none, where AKIMBO_WGMMA=0, and in the emulator unless
// AKIMBO_WGMMA=1. Throws std::invalid_argument for another value.
[[nodiscard]] std::vector<std::string> guarded_kernels();
// For people: "wgmma" where they are used on the current device, "wgmma after selftest" where they
// wait for it, "" where there are none.
[[nodiscard]] std::string guarded_state();
// Of those names: from now on all convolutions and matrix products of this process that the
// kernel takes run on it.
// "": as ever. For the self-test, from one thread.
void force_guarded_kernel(const std::string& name);
// Whether a guarded kernel was launched since then: what it does not take runs on others.
[[nodiscard]] bool guarded_kernel_ran();
// Writes down whether all was right on the current device; from then on guarded kernels are used,
// or not. The file, in the folder of the autotuner's choices; "" where it could not be written.
std::string record_guarded_kernels(bool passed);

}  // namespace akimbo::kernels::cuda
