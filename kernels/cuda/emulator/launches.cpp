#include "kernels/cuda/emulator/launches.h"

#include <map>
#include <mutex>

#include "kernels/common/device_failure.h"

namespace akimbo::kernels::cuda::emulator {
namespace {

struct Launches {
  std::mutex mutex;
  std::map<std::string, int> runs;
  std::string failing;
};

Launches& launches() {
  static Launches value;
  return value;
}

}  // namespace

int num_runs(const std::string& kernel) {
  const std::lock_guard lock(launches().mutex);
  const auto found = launches().runs.find(kernel);
  return found == launches().runs.end() ? 0 : found->second;
}

void fail_kernel(const std::string& kernel) {
  const std::lock_guard lock(launches().mutex);
  launches().failing = kernel;
}

void note_run(const char* kernel) {
  const std::lock_guard lock(launches().mutex);
  ++launches().runs[kernel];
  if (launches().failing == kernel) {
    throw DeviceFailure("[cuda] kernel " + launches().failing + " failed, as a test wanted it");
  }
}

}  // namespace akimbo::kernels::cuda::emulator
