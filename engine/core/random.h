// Random numbers as a function of (seed, stream, index): no state is shared, so a draw does not
// depend on threads, workers or the order of work. The generator is splitmix64 run as a counter:
// streams start at hashed positions of its 2^64 cycle.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

namespace akimbo {

// 64 mixed bits of a 64-bit input (the finaliser of splitmix64, Steele et al. 2014; a bijection).
[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// A stream number for a name ("layer1.0.conv1.weight"); FNV-1a.
[[nodiscard]] constexpr std::uint64_t stream_of(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

// One stream of draws: RandomStream(seed, epoch, sample_index). Copies continue independently from
// the same place; position() and seek() make it resumable.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t substream = 0)
      : key_(mix_bits(mix_bits(mix_bits(seed + kStep) + stream * 2 + 1) + substream * 2 + 1)) {}

  // 64 random bits, the draw at `index` whatever was drawn before.
  [[nodiscard]] std::uint64_t bits_at(std::uint64_t index) const {
    return mix_bits(key_ + (index + 1) * kStep);
  }
  std::uint64_t bits() { return bits_at(position_++); }

  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Uniform integer in [0, count), without bias; count > 0.
  std::uint64_t below(std::uint64_t count);
  // Standard normal (Box-Muller; takes two draws, so that draws stay a function of the index).
  double normal();
  double normal(double mean, double deviation) { return mean + deviation * normal(); }
  bool chance(double probability) { return uniform() < probability; }

  [[nodiscard]] std::uint64_t position() const { return position_; }
  void seek(std::uint64_t position) { position_ = position; }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;
  std::uint64_t key_;
  std::uint64_t position_ = 0;
};

// Shuffles [begin, end) in place (Fisher-Yates).
template <typename Iterator>
void shuffle(Iterator begin, Iterator end, RandomStream& random) {
  for (auto n = end - begin; n > 1; --n) {
    using std::swap;
    const auto j = static_cast<decltype(n)>(random.below(static_cast<std::uint64_t>(n)));
    swap(begin[n - 1], begin[j]);
  }
}

}  // namespace akimbo
