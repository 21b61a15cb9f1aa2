// Which thread of an emulated block goes on next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace akimbo::kernels::device::emulator {

inline constexpr int kLanes = 32;

struct Random {
  std::uint64_t state;
  // In [0, count).
  std::uint32_t below(std::uint32_t count) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<std::uint32_t>(((state >> 32) * count) >> 32);
  }
};

// The threads that can go on, and who does. Drawing threads evenly would keep all warps in step,
// and hide that one may run far ahead: so in each interval between barriers it is drawn anew how
// long one warp is kept to.
class ReadyThreads {
 public:
  explicit ReadyThreads(std::size_t num_threads)
      : lanes_((num_threads + kLanes - 1) / kLanes), num_threads_(static_cast<int>(num_threads)) {}

  void add_all(Random& random) {
    warps_.clear();
    for (auto& lanes : lanes_) lanes.clear();
    for (int thread = 0; thread < num_threads_; ++thread) add(thread);
    constexpr std::uint32_t kChances[] = {0, 250, 256, 256, 256, 256, 256, 256};  // of 256
    chance_to_stay_ = kChances[random.below(8)];
    at_ = 0;
  }
  void add(int thread) {
    auto& lanes = lanes_[static_cast<std::size_t>(thread / kLanes)];
    if (lanes.empty()) warps_.push_back(thread / kLanes);
    lanes.push_back(thread);
  }
  [[nodiscard]] bool empty() const { return warps_.empty(); }
  int take(Random& random) {
    const bool stays = at_ < warps_.size() && warps_[at_] == warp_ &&
                       (chance_to_stay_ == 256 || random.below(256) < chance_to_stay_);
    if (!stays) at_ = random.below(static_cast<std::uint32_t>(warps_.size()));
    warp_ = warps_[at_];
    auto& lanes = lanes_[static_cast<std::size_t>(warp_)];
    const auto lane = random.below(static_cast<std::uint32_t>(lanes.size()));
    const int thread = lanes[lane];
    lanes[lane] = lanes.back();
    lanes.pop_back();
    if (lanes.empty()) {
      // Where the warp is found when the thread just taken makes it ready again.
      warps_[at_] = warps_.back();
      warps_.pop_back();
      at_ = warps_.size();
    }
    return thread;
  }

 private:
  std::vector<std::vector<int>> lanes_;  // ready ones of each warp
  std::vector<int> warps_;               // that have any
  int num_threads_;
  std::uint32_t chance_to_stay_ = 0;
  std::size_t at_ = 0;  // place in warps_ of the warp taken from last
  int warp_ = -1;
};

}  // namespace akimbo::kernels::device::emulator
