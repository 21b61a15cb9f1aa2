#include "kernels/cuda/device_words.h"

namespace akimbo::kernels::cuda {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string why_no_device(const DriverFacts& facts) {
  using Answer = DriverFacts::Answer;
  if (facts.driver == 0) {
    return "no NVIDIA driver is installed (or this container was started without it); install a "
           "driver for CUDA " +
           version_text(facts.runtime) + " or newer";
  }
  // A minor version needs no newer driver than the first of its major version.
  if (facts.answer == Answer::too_old || facts.driver / 1000 < facts.runtime / 1000) {
    return "the NVIDIA driver is too old: it supports CUDA " + version_text(facts.driver) +
           ", this program was built with CUDA " + version_text(facts.runtime) +
           "; update the driver";
  }
  if (facts.answer == Answer::failed) return "the driver reports: " + facts.failure;
  if (facts.answer == Answer::counted && facts.count > 0) return "";
  std::string reason = "the driver sees no NVIDIA GPU";
  if (facts.visible_devices != nullptr) {
    reason += " (CUDA_VISIBLE_DEVICES is '" + std::string(facts.visible_devices) + "')";
  }
  return reason;
}

std::string why_none_is_usable(const std::vector<RefusedDevice>& refused,
                               const std::string& architectures) {
  std::string text;
  for (const RefusedDevice& device : refused) {
    text += (text.empty() ? "" : "; ") + device.name;
    if (device.major > 0) {
      text += " (sm_" + std::to_string(device.major) + std::to_string(device.minor) + ")";
    }
    text += ": " + (device.wrong_code ? "this program has code for " + architectures +
                                            " only; build it with -Dgpu_archs of this GPU"
                                      : device.failure);
  }
  return "no GPU can run this program's kernels: " + text;
}

std::string failure_text(const CallFailure& f) {
  std::string text = "[cuda] " + f.what + " failed: " + f.error + " (" + f.error_name + ")";
  if (!f.sticky) return text;
  text += "; the device is lost to this process, start it again";
  if (!f.synchronous) text += ", with AKIMBO_SYNC=1 to learn which kernel did it";
  return text;
}

}  // namespace akimbo::kernels::cuda
