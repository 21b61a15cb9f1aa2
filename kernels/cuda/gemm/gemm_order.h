// How an operand of a matrix product lies in memory.
#pragma once

namespace akimbo::kernels {

// `k_contiguous` has the summed index last (A [M, K], B [N, K]), `k_strided` has it first (A [K,
// M], B [K, N]).
enum class Order { k_contiguous, k_strided };

}  // namespace akimbo::kernels
