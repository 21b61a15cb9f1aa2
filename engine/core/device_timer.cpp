#include "engine/core/device_timer.h"

#include <exception>

#include "engine/core/dispatch.h"
#include "kernels/device_runtime.h"

namespace akimbo {

namespace cuda = kernels::cuda;

DeviceTimer::DeviceTimer(Device device, Stage stage) : device_(device), stage_(stage) {
  if (!device.is_cuda()) return;
  for (Span& span : spans_) {
    span.begin = cuda::create_event(device.index);
    span.end = cuda::create_event(device.index);
  }
}

DeviceTimer::~DeviceTimer() {
  if (!device_.is_cuda()) return;
  for (Span& span : spans_) {
    try {
      count(span);
    } catch (const std::exception&) {
      // The device is lost; the next call to it says so.
    }
    cuda::destroy_event(span.begin);
    cuda::destroy_event(span.end);
  }
}

void* DeviceTimer::stream_or_own(void* stream) const {
  return stream != nullptr ? stream : stream_of(device_);
}

void DeviceTimer::count(Span& span) const {
  if (!span.is_open) return;
  span.is_open = false;
  cuda::synchronize_event(span.end);
  add_device_seconds(stage_, 1e-3 * cuda::elapsed_ms(span.begin, span.end));
}

void DeviceTimer::begin(void* stream) {
  if (!device_.is_cuda()) return;
  count(spans_[next_]);
  cuda::record_event(spans_[next_].begin, stream_or_own(stream));
}

void DeviceTimer::end(void* stream) {
  if (!device_.is_cuda()) return;
  cuda::record_event(spans_[next_].end, stream_or_own(stream));
  spans_[next_].is_open = true;
  next_ = 1 - next_;
}

}  // namespace akimbo
