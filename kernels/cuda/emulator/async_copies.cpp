#include "kernels/cuda/emulator/async_copies.h"

#include <cstring>

#include "kernels/cuda/emulator/race.h"

namespace akimbo::kernels::device::emulator {

namespace {

void note_copy(const Copy& copy) {
  const auto bytes = static_cast<std::size_t>(copy.bytes);
  access_of_device(copy.to, bytes, true);
  if (copy.valid) access_of_device(copy.from, bytes, false);
}

void land(const Copy& copy) {
  note_copy(copy);
  if (copy.valid) {
    std::memcpy(copy.to, copy.from, static_cast<std::size_t>(copy.bytes));
  } else {
    std::memset(copy.to, 0, static_cast<std::size_t>(copy.bytes));
  }
}

}  // namespace

void AsyncCopies::issue(const Copy& copy, unsigned char garbage) {
  std::memset(copy.to, garbage, static_cast<std::size_t>(copy.bytes));
  note_copy(copy);
  copies_.push_back(copy);
}

void AsyncCopies::commit() {
  std::size_t committed = 0;
  for (const std::size_t size : group_sizes_) committed += size;
  group_sizes_.push_back(copies_.size() - committed);
}

void AsyncCopies::wait(int newest) {
  if (group_sizes_.size() <= static_cast<std::size_t>(newest)) return;
  const auto num_groups = static_cast<std::ptrdiff_t>(group_sizes_.size()) - newest;
  std::size_t num_copies = 0;
  for (std::ptrdiff_t i = 0; i < num_groups; ++i) {
    num_copies += group_sizes_[static_cast<std::size_t>(i)];
  }
  for (std::size_t i = 0; i < num_copies; ++i) land(copies_[i]);
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(num_copies));
  group_sizes_.erase(group_sizes_.begin(), group_sizes_.begin() + num_groups);
}

void AsyncCopies::clear() {
  copies_.clear();
  group_sizes_.clear();
}

}  // namespace akimbo::kernels::device::emulator
