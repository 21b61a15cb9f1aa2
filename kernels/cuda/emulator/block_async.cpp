// What runs beside a block's threads, and the barriers that tell them of it: mbarriers, copies by
// TMA, wgmma. When a copy lands or a product runs is drawn anew for each: at once, some time, or
// only when all threads wait.
#include <cstring>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/running_block.h"

namespace akimbo::kernels::device::emulator {
namespace {

constexpr int kMaxArrivals = (1 << 20) - 1;  // PTX ISA, "mbarrier.init"
constexpr std::int64_t kMaxBytes = (1 << 20) - 1;

}  // namespace

// ---- mbarriers ----

MBarrier& Block::barrier_at(const char* what, std::uint64_t* word, const Where& where) {
  MBarrier* barrier = mbarriers_.find(word);
  if (barrier == nullptr) {
    fault(std::string(what) + " of a barrier that was not initialised", where);
  }
  if (*word != MBarriers::word_of(word)) {
    fault(std::string(what) + " of a barrier whose memory was written by others", where);
  }
  if (barrier->owner != current_thread() && barrier->time == race_context.time &&
      !ordering_.knows(current_thread(), barrier->owner, barrier->stamp)) {
    fault(std::string(what) + " of a barrier that thread " +
              str(threads_[static_cast<std::size_t>(barrier->owner)].index) +
              " initialised, with no sync_block() since",
          where);
  }
  return *barrier;
}

void Block::init_barrier(std::uint64_t* word, int arrivals, const Where& where) {
  if (reinterpret_cast<std::uintptr_t>(word) % 8 != 0 || shared_.at(word, 8) == nullptr) {
    fault("barrier_init outside shared memory, or not aligned to 8 bytes", where);
  }
  if (arrivals < 1 || arrivals > kMaxArrivals) {
    fault("barrier_init for " + std::to_string(arrivals) + " arrivals", where);
  }
  if (mbarriers_.find(word) != nullptr) fault("barrier_init of a barrier in use", where);
  mbarriers_.add(word, arrivals, current_thread());
}

void Block::arrive(std::uint64_t* word, int bytes, const Where& where) {
  MBarrier& barrier = barrier_at("barrier_arrive", word, where);
  if (barrier.missing_arrivals == 0) {
    fault("barrier_arrive beyond the " + std::to_string(barrier.arrivals) +
              " arrivals of the barrier's phase",
          where);
  }
  barrier.missing_bytes += bytes;
  if (bytes < 0 || barrier.missing_bytes > kMaxBytes) {
    fault("barrier_arrive_expect of " + std::to_string(bytes) + " bytes, beyond 2^20 - 1", where);
  }
  --barrier.missing_arrivals;
  ordering_.release(current_thread(), barrier.arriving);
  finish_phase(barrier);
}

void Block::finish_phase(MBarrier& barrier) {
  if (!MBarriers::finish_phase(barrier)) return;
  std::vector<int> waiting;
  waiting.swap(barrier.waiting);
  for (const int thread : waiting) make_ready(threads_[static_cast<std::size_t>(thread)]);
}

// A thread that comes late may find the phase after the one it waits for over as well, and then
// waits on, as the hardware does.
void Block::wait_for_barrier(std::uint64_t* word, int parity, const Where& where) {
  if (parity != 0 && parity != 1) {
    fault("barrier_wait for parity " + std::to_string(parity), where);
  }
  Thread& thread = *current_;
  const int index = current_thread();
  for (;;) {
    MBarrier& barrier = barrier_at("barrier_wait", word, where);
    if ((barrier.phase & 1) != static_cast<unsigned>(parity)) {
      ordering_.acquire(index, barrier.released);
      return;
    }
    thread.state = Thread::State::at_mbarrier;
    thread.what = "barrier_wait";
    thread.where = where;
    thread.operand = word;
    barrier.waiting.push_back(index);
    suspend();
  }
}

// ---- copies by TMA ----

void Block::copy_tensor(const char* what, void* to, const TensorMap* map, std::uint64_t* word,
                        const TensorPlace& place, const Where& where) {
  const auto complain = [&](const std::string& rest) {
    fault(std::string(what) + " " + rest, where);
  };
  TensorCopy copy{.map = {},
                  .place = place,
                  .to = static_cast<unsigned char*>(to),
                  .address = 0,
                  .word = word,
                  .thread = current_thread(),
                  .chance = 0,
                  .what = what,
                  .where = where};
  std::string wrong = read_map(map, copy.map);
  if (wrong.empty()) wrong = fault_of_place(copy.map, place);
  if (!wrong.empty()) complain(wrong);
  const auto bytes = static_cast<std::size_t>(copied_bytes(copy.map));
  const SharedMemory* array = shared_.at(to, bytes);
  if (array == nullptr) complain("to outside shared memory");
  if (reinterpret_cast<std::uintptr_t>(to) % 128 != 0) {
    complain("to an address that is not a multiple of 128");
  }
  for (const TensorCopy& other : tensor_copies_) {
    const auto other_bytes = static_cast<std::size_t>(copied_bytes(other.map));
    if (other.to < copy.to + bytes && copy.to < other.to + other_bytes) {
      complain("to memory that another copy under way writes");
    }
  }
  const MBarrier& barrier = barrier_at(what, word, where);
  if (!barrier.is_fenced)
    complain("by a barrier with no fence_barrier_init() after barrier_init()");
  if (unfenced_writer(to, bytes) >= 0) {
    complain("over ordinary writes with no fence_async_shared() after them");
  }
  copy.address = array->address() +
                 static_cast<std::uint32_t>(copy.to - static_cast<unsigned char*>(array->data()));
  constexpr std::uint32_t kChances[] = {256, 16, 1, 0};
  copy.chance = kChances[random_.below(4)];
  access_of_device(to, bytes, true, true);
  std::memset(to, garbage_, bytes);
  tensor_copies_.push_back(copy);
}

void Block::land(std::size_t index) {
  const TensorCopy copy = tensor_copies_[index];
  tensor_copies_.erase(tensor_copies_.begin() + static_cast<std::ptrdiff_t>(index));
  copy_box(copy.map, copy.place, copy.to, copy.address);
  MBarrier& barrier = *mbarriers_.find(copy.word);
  barrier.missing_bytes -= copied_bytes(copy.map);
  ordering_.release(copy.thread, barrier.arriving);
  finish_phase(barrier);
}

// ---- products ----

void Block::issue_product(const ProductOperand* const* operands, const Where& where) {
  constexpr std::uint32_t kChances[] = {256, 256, 1, 0};
  const auto group = static_cast<std::size_t>(current_thread()) / kGroupThreads;
  const std::string wrong =
      warpgroup().issue(operands, shared_, kChances[random_.below(4)], thread_of_products(group));
  if (!wrong.empty()) fault("wgmma " + wrong, where);
  while (warpgroup().chance_to_run() == 256) warpgroup().run_next();
}

// For one warp, by its last lane to come. What the products have read may be written from now on.
void Block::wait_for_products(int newest, const Where& where) {
  const auto thread = static_cast<std::size_t>(current_thread());
  const int warp = static_cast<int>(thread % kGroupThreads / kLanes);
  const std::uint32_t stamp = warpgroup().stamp_of(warp, newest);
  for (std::size_t lane = 0; stamp > 0 && lane < kLanes; ++lane) {
    ordering_.acquire(static_cast<int>(thread / kLanes * kLanes + lane),
                      thread_of_products(thread / kGroupThreads), stamp);
  }
  const std::string wrong = warpgroup().wait(warp, newest);
  if (!wrong.empty()) fault("wgmma_wait " + wrong, where);
}

// ---- both ----

void Block::do_async_work() {
  for (std::size_t i = tensor_copies_.size(); i-- > 0;) {
    if (random_.below(256) < tensor_copies_[i].chance) land(i);
  }
  for (Warpgroup& group : warpgroups_) {
    const std::uint32_t chance = group.chance_to_run();
    if (chance > 0 && random_.below(256) < chance) group.run_next();
  }
}

bool Block::do_one_async_work() {
  if (tensor_copies_.empty()) return false;
  land(random_.below(static_cast<std::uint32_t>(tensor_copies_.size())));
  return true;
}

}  // namespace akimbo::kernels::device::emulator
