// The mbarriers of an emulated block: PTX ISA, "Parallel synchronization and communication
// instructions: mbarrier". A phase is over when no arrivals and no bytes are outstanding any more;
// the next begins with all arrivals outstanding again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/ordering.h"

namespace akimbo::kernels::device::emulator {

struct MBarrier {
  std::uint64_t* word = nullptr;  // in shared memory; holds word_of()
  int arrivals = 0;               // of each phase
  int missing_arrivals = 0;
  std::int64_t missing_bytes = 0;
  std::uint32_t phase = 0;
  bool is_fenced = false;  // fence_barrier_init() came after barrier_init()
  int owner = 0;           // who initialised it, and when
  std::uint32_t time = 0, stamp = 0;
  Clock arriving, released;  // of this phase's arrivals, and of all before
  std::vector<int> waiting;  // threads

  // Says what is outstanding: "1 of 4 arrivals and 512 bytes".
  [[nodiscard]] std::string missing() const;
};

class MBarriers {
 public:
  void start_over() { barriers_.clear(); }
  // nullptr when there is none at `word`.
  [[nodiscard]] MBarrier* find(const std::uint64_t* word);
  MBarrier& add(std::uint64_t* word, int arrivals, int owner);
  void fence(int owner);
  // True when the phase is over, which begins the next; `waiting` threads may then look again.
  static bool finish_phase(MBarrier& barrier);

  // What an initialised barrier's memory holds, so that whatever else is written there shows.
  [[nodiscard]] static std::uint64_t word_of(const std::uint64_t* word) {
    return 0x6d62617272696572u ^ reinterpret_cast<std::uintptr_t>(word);
  }

 private:
  std::vector<MBarrier> barriers_;
};

}  // namespace akimbo::kernels::device::emulator
