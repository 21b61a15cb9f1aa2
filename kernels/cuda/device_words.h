// What the runtime says when there is no device, or when one fails: words made of plain facts, so
// that they are tested on machines without a driver.
#pragma once

#include <string>
#include <vector>

namespace akimbo::kernels::cuda {

// As CUDA counts versions: 13020 is 13.2.
[[nodiscard]] std::string version_text(int version);

struct DriverFacts {
  int driver = 0;   // the newest CUDA that it supports; 0: there is no driver
  int runtime = 0;  // that this program was built with
  // What the question for the number of devices gave.
  enum class Answer { counted, too_old, no_device, failed } answer = Answer::counted;
  int count = 0;
  std::string failure;                    // CUDA's words, with `failed`
  const char* visible_devices = nullptr;  // CUDA_VISIBLE_DEVICES
};
// "" when there are devices to be asked.
[[nodiscard]] std::string why_no_device(const DriverFacts& facts);

// A device that cannot run this program's kernels.
struct RefusedDevice {
  std::string name;  // "NVIDIA T4", or "device 0" where even that is not known
  int major = 0, minor = 0;
  bool wrong_code = false;  // none of the architectures that were built in runs on it
  std::string failure;      // else CUDA's words
};
[[nodiscard]] std::string why_none_is_usable(const std::vector<RefusedDevice>& refused,
                                             const std::string& architectures);

struct CallFailure {
  std::string what;  // the call, or the kernel that was launched
  std::string error, error_name;
  bool sticky = false;       // every later call will fail too
  bool synchronous = false;  // AKIMBO_SYNC=1: `what` made it
};
[[nodiscard]] std::string failure_text(const CallFailure& failure);

}  // namespace akimbo::kernels::cuda
