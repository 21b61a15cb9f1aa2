// How long a GPU's stream is busy with a stage, for stage_times.h. A time is asked for two uses
// later, when it is long known: nothing waits for it.
#pragma once

#include <array>

#include "engine/core/device.h"
#include "engine/core/stage_times.h"

namespace akimbo {

class DeviceTimer {
 public:
  // On the CPU does nothing.
  DeviceTimer(Device device, Stage stage);
  ~DeviceTimer();
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  // Around what is given to the stream; nullptr: the device's own.
  void begin(void* stream = nullptr);
  void end(void* stream = nullptr);

 private:
  struct Span {
    void* begin = nullptr;  // events
    void* end = nullptr;
    bool is_open = false;  // recorded, and not counted yet
  };
  void count(Span& span) const;
  [[nodiscard]] void* stream_or_own(void* stream) const;

  Device device_;
  Stage stage_;
  std::array<Span, 2> spans_;
  std::size_t next_ = 0;
};

}  // namespace akimbo
