// ldmatrix and mma.sync: how the 32 lanes of a warp share the elements of small matrices, as the
// PTX ISA draws it ("Warp-level matrix load instruction", "Matrix fragments for mma").
#pragma once

#include <cstdint>

#include "kernels/cuda/emulator/block.h"

namespace akimbo::kernels::device::emulator {

// r [count] of this lane, count 2 or 4; `row` are 16 bytes of shared memory: lane l names row l % 8
// of matrix l / 8.
void load_matrix(const char* what, std::uint32_t* r, int count, const void* row, bool transposed,
                 const Where& where);

enum class Fragment { bf16, f16, tf32 };
// d [4] += product of the warp's fragments a [4], b [2].
void multiply_add(Fragment type, float* d, const std::uint32_t* a, const std::uint32_t* b,
                  const Where& where);

}  // namespace akimbo::kernels::device::emulator
