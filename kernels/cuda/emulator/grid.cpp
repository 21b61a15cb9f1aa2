// Launches: blocks one after another, in an order of the seed.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/running_block.h"

namespace akimbo::kernels::device::emulator {
namespace {

std::uint64_t seed_of_environment() {
  const char* text = std::getenv("AKIMBO_EMULATOR_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

std::uint64_t& seed_value() {
  static std::uint64_t value = seed_of_environment();
  return value;
}

thread_local Block* running = nullptr;

Index3 index_of(std::uint64_t linear, const Extent3& extent) {
  const auto x = static_cast<std::uint64_t>(extent.x), y = static_cast<std::uint64_t>(extent.y);
  return {static_cast<unsigned>(linear % x), static_cast<unsigned>(linear / x % y),
          static_cast<unsigned>(linear / x / y)};
}

Index3 index_of(const Extent3& extent) {
  return {static_cast<unsigned>(extent.x), static_cast<unsigned>(extent.y),
          static_cast<unsigned>(extent.z)};
}

void begin_race_check() {
  forget_races();
  race_context.launch_start = next_race_time();
  const auto [first, last] = std::minmax({&threadIdx, &blockIdx, &blockDim, &gridDim});
  race_context.index_begin = reinterpret_cast<std::uintptr_t>(first);
  race_context.index_end = reinterpret_cast<std::uintptr_t>(last + 1);
}

// Leaves no trace of a launch behind, however it ends.
struct LaunchScope {
  explicit LaunchScope(Block& block) { running = &block; }
  ~LaunchScope() { running = nullptr; }
};

}  // namespace

Block& running_block() {
  if (running == nullptr) throw DeviceFailure("[emulator] a device function outside a kernel");
  return *running;
}

std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

void set_seed(std::uint64_t seed) { seed_value() = seed; }
std::uint64_t seed() { return seed_value(); }

void run_grid(const char* name, const LaunchShape& shape, const std::function<void()>& body) {
  if (running != nullptr) throw DeviceFailure(std::string("[") + name + "] a launch in a kernel");
  Block block(name, shape, body);
  const LaunchScope scope(block);
  begin_race_check();
  gridDim = index_of(shape.grid);
  blockDim = index_of(shape.block);
  // Blocks come in no order that a kernel may rely on: i -> stride i + offset modulo their number.
  const auto count = static_cast<std::uint64_t>(shape.grid.volume());
  const std::uint64_t random = mix(seed_value() ^ count);
  std::uint64_t stride = count > 2 ? 1 + random % (count - 1) : 1;
  while (std::gcd(stride, count) != 1) ++stride;
  std::uint64_t at = (random >> 32) % count;
  for (std::uint64_t i = 0; i < count; ++i) {
    block.run(index_of(at, shape.grid));
    at = (at + stride) % count;
  }
}

}  // namespace akimbo::kernels::device::emulator
