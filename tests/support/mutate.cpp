#include "tests/support/mutate.h"

#include <algorithm>
#include <random>

namespace akimbo::test_support {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) { return bound > 0 ? random() % bound : 0; }

// Numbers at which size arithmetic breaks.
void put_number(std::string& bytes, Random& random) {
  constexpr std::uint64_t kNumbers[] = {
      0,          1,          0x7f,       0xff,       0x100, 0xffff,    0x7fffffff, 0x80000000,
      0xffffffff, 1ull << 32, 1ull << 62, ~0ull >> 1, ~0ull, ~0ull - 7, 64,         1000000};
  const std::uint64_t number = kNumbers[below(random, std::size(kNumbers))];
  const std::size_t width = std::size_t{1} << below(random, 4);
  const std::size_t at = below(random, bytes.size());
  for (std::size_t i = 0; i < width && at + i < bytes.size(); ++i) {
    bytes[at + i] = static_cast<char>(number >> (8 * i) & 0xff);
  }
}

void change(std::string& bytes, Random& random) {
  const std::size_t at = below(random, bytes.size());
  const std::size_t length = 1 + below(random, std::min<std::size_t>(64, bytes.size() - at));
  switch (below(random, 8)) {
    case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(random, 8))); break;
    case 1: bytes[at] = static_cast<char>(random()); break;
    case 2: put_number(bytes, random); break;
    case 3: bytes.erase(at, length); break;
    case 4: bytes.insert(at, bytes.substr(at, length)); break;
    case 5: {
      const std::string piece = bytes.substr(at, length);
      const std::size_t to = below(random, bytes.size() - piece.size() + 1);
      bytes.replace(to, piece.size(), piece);
      break;
    }
    case 6: std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), length, '\0'); break;
    default:
      // Cutting the end off is the commonest damage but soon found: less often.
      if (below(random, 4) == 0) bytes.resize(at);
      break;
  }
}

}  // namespace

std::string mutate(const std::string& original, std::uint64_t seed) {
  Random random(seed * 0x9e3779b97f4a7c15ull + 1);
  std::string bytes = original;
  // Mostly few: a file with many faults is refused for the first and the others are never met.
  const std::size_t num_changes = 1 + below(random, 1 + below(random, 8));
  for (std::size_t i = 0; i < num_changes && !bytes.empty(); ++i) change(bytes, random);
  return bytes;
}

}  // namespace akimbo::test_support
