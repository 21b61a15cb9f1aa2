#include "kernels/cuda/emulator/mbarrier.h"

namespace akimbo::kernels::device::emulator {

std::string MBarrier::missing() const {
  std::string text = std::to_string(missing_arrivals) + " of " + std::to_string(arrivals) +
                     " arrivals and " + std::to_string(missing_bytes) + " bytes";
  return text;
}

MBarrier* MBarriers::find(const std::uint64_t* word) {
  for (MBarrier& barrier : barriers_) {
    if (barrier.word == word) return &barrier;
  }
  return nullptr;
}

MBarrier& MBarriers::add(std::uint64_t* word, int arrivals, int owner) {
  *word = word_of(word);
  MBarrier& barrier = barriers_.emplace_back();
  barrier.word = word;
  barrier.arrivals = barrier.missing_arrivals = arrivals;
  barrier.owner = owner;
  barrier.time = race_context.time;
  barrier.stamp = race_context.stamp;
  return barrier;
}

void MBarriers::fence(int owner) {
  for (MBarrier& barrier : barriers_) {
    if (barrier.owner == owner) barrier.is_fenced = true;
  }
}

bool MBarriers::finish_phase(MBarrier& barrier) {
  if (barrier.missing_arrivals > 0 || barrier.missing_bytes != 0) return false;
  ++barrier.phase;
  barrier.missing_arrivals = barrier.arrivals;
  merge(barrier.released, barrier.arriving);
  barrier.arriving.clear();
  return true;
}

}  // namespace akimbo::kernels::device::emulator
