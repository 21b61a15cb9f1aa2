#include "engine/core/lanes.h"

#include <vector>

#include "engine/core/allocator.h"
#include "engine/core/dispatch.h"
#include "engine/core/graph.h"
#include "kernels/device_runtime.h"

namespace akimbo {

namespace cuda = kernels::cuda;

struct Lanes::Impl {
  explicit Impl(Device where) : device(where) {}
  ~Impl() {
    for (cuda::Event event : events) cuda::destroy_event(event);
    for (std::size_t i = 1; i < streams.size(); ++i) cuda::destroy_stream(streams[i]);
  }
  // An event at the end of a lane's work so far; its number.
  int record(int lane) {
    if (num_used == events.size()) events.push_back(cuda::create_event(device.index));
    cuda::record_event(events[num_used], streams[static_cast<std::size_t>(lane)]);
    return static_cast<int>(num_used++);
  }

  Device device;
  std::vector<cuda::Stream> streams;
  std::vector<cuda::Event> events;
  std::size_t num_used = 0;  // events since fork()
};

Lanes::Lanes(Device device, int count) : impl_(std::make_unique<Impl>(device)) {
  impl_->streams.push_back(stream_of(device));
  for (int lane = 1; lane < count; ++lane) {
    impl_->streams.push_back(cuda::create_stream(device.index));
  }
}

Lanes::~Lanes() = default;

Device Lanes::device() const { return impl_->device; }

void Lanes::fork() {
  impl_->num_used = 0;
  const int start = impl_->record(0);
  for (std::size_t lane = 1; lane < impl_->streams.size(); ++lane) {
    wait(static_cast<int>(lane), start);
  }
}

void Lanes::run(int lane, const std::function<void()>& work) {
  if (lane == 0) return work();
  const MemoryPool::Scope memory(lane_memory(impl_->device, lane));
  const ExecScope scope(impl_->device, stream(lane));
  work();
}

void* Lanes::stream(int lane) const { return impl_->streams[static_cast<std::size_t>(lane)]; }

int Lanes::mark(int lane) { return impl_->record(lane); }

void Lanes::wait(int lane, int mark) {
  cuda::wait_event(stream(lane), impl_->events[static_cast<std::size_t>(mark)]);
}

void Lanes::join() {
  for (std::size_t lane = 1; lane < impl_->streams.size(); ++lane) {
    wait(0, mark(static_cast<int>(lane)));
  }
}

}  // namespace akimbo
