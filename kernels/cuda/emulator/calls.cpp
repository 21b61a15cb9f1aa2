// The calls that kernels and the race checker make, handed to the block that runs.
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/running_block.h"
#include "kernels/cuda/emulator/sites.h"

namespace akimbo::kernels::device::emulator {

void fault(const std::string& what, const Where& where) {
  const Untracked untracked;
  running_block().fault(what, where);
}
void wait_for_block(const Where& where) {
  const Untracked untracked;
  running_block().wait_for_block(where);
}
void meet_warp(const char* what, void* operand, Complete complete, const Where& where) {
  const Untracked untracked;
  running_block().meet_warp(what, operand, complete, where);
}
void fence_device() { race_context.has_fenced = true; }
void* shared_array(const void* tag, const char* name, std::size_t bytes, std::size_t alignment) {
  const Untracked untracked;
  return running_block().shared_array(tag, name, bytes, alignment);
}
void* dynamic_shared_memory(std::size_t alignment, const Where& where) {
  const Untracked untracked;
  return running_block().dynamic_shared_memory(alignment, where);
}
void issue_copy(const char* what, void* to, const void* from, int bytes, bool valid,
                const Where& where) {
  const Untracked untracked;
  valid = valid || is_mutated(what, where);
  running_block().issue_copy({to, from, bytes, valid}, where);
}
void commit_copies() {
  const Untracked untracked;
  running_block().copies().commit();
}
void wait_copies(int newest) {
  const Untracked untracked;
  running_block().copies().wait(newest);
}

void report_race(const void* pointer, bool is_write, bool was_write, int other_thread) {
  running_block().report_race(pointer, is_write, was_write, other_thread);
}
bool is_shared_memory(const void* pointer) {
  return running_block().shared().at(pointer) != nullptr;
}

bool is_ordered(int other_thread, std::uint32_t stamp) {
  return running_block().is_ordered(other_thread, stamp);
}
bool is_fenced(int thread, std::uint32_t stamp) {
  return running_block().ordering().is_fenced(thread, stamp);
}

}  // namespace akimbo::kernels::device::emulator
