// Damaged copies of good files, the same for the same seed.
#pragma once

#include <cstdint>
#include <string>

namespace akimbo::test_support {

// One to eight changes of `original`: bits flipped, bytes and little-endian numbers replaced by
// telling ones (0, 255, lengths, huge), pieces removed, doubled, exchanged, the end cut off.
[[nodiscard]] std::string mutate(const std::string& original, std::uint64_t seed);

}  // namespace akimbo::test_support
