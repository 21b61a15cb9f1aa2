// Threads of the CPU kernels. Work is cut into chunks whose bounds depend on the problem only, never
// on the number of threads, so results do not depend on it either.
#pragma once

#include <cstdint>
#include <functional>

namespace akimbo::kernels {

// Number of threads that parallel_for uses; 0 restores the default (all cores, or OMP_NUM_THREADS).
void set_num_threads(int num_threads);
[[nodiscard]] int num_threads();

// Calls body(begin, end) for chunks [begin, end) of [0, count), each `grain` long but the last.
// Serial when there is one chunk, inside another parallel_for, or under a SerialScope. The first
// exception of a body is rethrown after all chunks ended.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

// While one lives, parallel_for of this thread is serial: data workers must not each start a team.
class SerialScope {
 public:
  SerialScope();
  ~SerialScope();
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  bool previous_;
};

}  // namespace akimbo::kernels
