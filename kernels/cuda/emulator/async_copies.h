// The asynchronous copies of one emulated thread: they land when they are waited for.
#pragma once

#include <cstddef>
#include <vector>

namespace akimbo::kernels::device::emulator {

struct Copy {
  void* to;
  const void* from;
  int bytes;
  bool valid;  // else zeros are written
};

class AsyncCopies {
 public:
  // The bytes may arrive at any time from now on: whoever still reads the old ones is wrong, and
  // finds `garbage`.
  void issue(const Copy& copy, unsigned char garbage);
  // Those issued since the last commit become a group.
  void commit();
  // All groups but the `newest` land.
  void wait(int newest);
  [[nodiscard]] std::size_t size() const { return copies_.size(); }
  void clear();

 private:
  std::vector<Copy> copies_;              // oldest first
  std::vector<std::size_t> group_sizes_;  // of committed copies
};

}  // namespace akimbo::kernels::device::emulator
