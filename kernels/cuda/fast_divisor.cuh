// Division by a number known at launch, as a multiplication: index arithmetic of the kernels
// divides by extents that are the same for all threads.
#pragma once

#include <cstdint>

#include "kernels/common/host_device.h"

namespace akimbo::kernels::device {

// Exact for dividends below 2^31 and divisors from 1 to 2^31. With 2^(s-1) < d <= 2^s and
// m = floor(2^32 (2^s - d) / d) + 1, n / d = (floor(m n / 2^32) + n) >> s (Granlund, Montgomery
// 1994, figure 4.1); the sum stays below 2^32 because n is below 2^31.
class FastDivisor {
 public:
  FastDivisor() = default;
  explicit FastDivisor(std::int64_t divisor) : divisor_(static_cast<std::uint32_t>(divisor)) {
    while ((std::uint64_t{1} << shift_) < divisor_) ++shift_;
    const std::uint64_t excess = (std::uint64_t{1} << shift_) - divisor_;
    multiplier_ = static_cast<std::uint32_t>((excess << 32) / divisor_ + 1);
  }
  [[nodiscard]] AKIMBO_HD int divisor() const { return static_cast<int>(divisor_); }
  [[nodiscard]] AKIMBO_HD int quotient(int dividend) const {
    const auto n = static_cast<std::uint32_t>(dividend);
    const auto high =
        static_cast<std::uint32_t>((static_cast<std::uint64_t>(multiplier_) * n) >> 32);
    return static_cast<int>((high + n) >> shift_);
  }

 private:
  std::uint32_t divisor_ = 1, multiplier_ = 1, shift_ = 0;
};

}  // namespace akimbo::kernels::device
