#include "kernels/common/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

namespace akimbo::kernels {
namespace {

std::atomic<int> g_num_threads{0};
thread_local bool t_serial = false;

}  // namespace

void set_num_threads(int num_threads) { g_num_threads = std::max(0, num_threads); }

int num_threads() {
  const int n = g_num_threads;
  return n > 0 ? n : omp_get_max_threads();
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t num_chunks = (count + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<std::int64_t>(num_threads(), num_chunks));
  if (threads <= 1 || t_serial || omp_in_parallel()) {
    for (std::int64_t i = 0; i < count; i += grain) body(i, std::min(count, i + grain));
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::int64_t chunk = 0; chunk < num_chunks; ++chunk) {
    try {
      const std::int64_t begin = chunk * grain;
      body(begin, std::min(count, begin + grain));
    } catch (...) {
#pragma omp critical
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

SerialScope::SerialScope() : previous_(t_serial) { t_serial = true; }
SerialScope::~SerialScope() { t_serial = previous_; }

}  // namespace akimbo::kernels
