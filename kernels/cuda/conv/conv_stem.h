// The first convolution of a network: few channels (the 3 of a picture), 16-bit. A product over
// (tap, channel) would fetch element by element; here a block keeps a patch of the source in shared
// memory and feeds the tensor cores from it, reading the source about once.
#pragma once

#include "kernels/cuda/conv/conv_own.h"

namespace akimbo::kernels::cuda {

[[nodiscard]] bool stem_takes(const GatherTask& task);
void run_stem(const Exec& exec, const GatherTask& task);

}  // namespace akimbo::kernels::cuda
