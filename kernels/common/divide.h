// Integer division that rounds up. Of non-negative numbers.
#pragma once

#include <cstdint>

namespace akimbo::kernels {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

}  // namespace akimbo::kernels
