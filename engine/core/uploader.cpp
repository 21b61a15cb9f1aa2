#include "engine/core/uploader.h"

#include <array>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/device_runtime.h"

namespace akimbo {

namespace cuda = kernels::cuda;

struct Uploader::Impl {
  struct Slot {
    std::vector<Tensor> sources, targets;
    cuda::Event copied = nullptr;    // by the copy stream
    cuda::Event released = nullptr;  // by the computation: its last reader was given before
  };

  explicit Impl(Device where) : device(where) {
    if (!device.is_cuda()) return;
    stream = cuda::create_stream(device.index);
    for (Slot& slot : slots) {
      slot.copied = cuda::create_event(device.index);
      slot.released = cuda::create_event(device.index);
    }
  }
  ~Impl() {
    if (!device.is_cuda()) return;
    try {
      cuda::synchronize(stream);  // the sources are still being read
    } catch (const std::exception&) {
      // The device is lost; the next call to it says so.
    }
    for (Slot& slot : slots) {
      cuda::destroy_event(slot.copied);
      cuda::destroy_event(slot.released);
    }
    cuda::destroy_stream(stream);
  }

  // Buffers like the sources. New ones may lie where work given earlier is still reading.
  void fit(Slot& slot) const {
    slot.targets.resize(slot.sources.size());
    bool made = false;
    for (std::size_t i = 0; i < slot.sources.size(); ++i) {
      const Tensor& source = slot.sources[i];
      Tensor& target = slot.targets[i];
      if (!source.defined()) {
        target = Tensor();
      } else if (!target.defined() || !(target.shape() == source.shape()) ||
                 target.dtype() != source.dtype()) {
        target = Tensor::empty(source.shape(), source.dtype(), device);
        made = true;
      }
    }
    if (made) cuda::record_event(slot.released, exec_of(device).stream);
  }

  void copy(Slot& slot) const {
    cuda::wait_event(stream, slot.released);
    for (std::size_t i = 0; i < slot.sources.size(); ++i) {
      if (!slot.sources[i].defined()) continue;
      slot.targets[i].bump_version();
      cuda::copy_to_device(slot.targets[i].raw(), slot.sources[i].raw(),
                           slot.sources[i].num_bytes(), stream);
    }
    cuda::record_event(slot.copied, stream);
  }

  Device device;
  cuda::Stream stream = nullptr;
  std::array<Slot, 2> slots;
  std::size_t next = 0;  // slot of the next start()
  bool started = false;
};

Uploader::Uploader(Device device) : impl_(std::make_unique<Impl>(device)) {}
Uploader::~Uploader() = default;

void Uploader::start(std::vector<Tensor> sources) {
  if (impl_->started) throw Error("[upload] the last set was not taken yet");
  Impl::Slot& slot = impl_->slots[impl_->next];
  if (impl_->device.is_cuda()) cuda::synchronize_event(slot.copied);  // long done
  slot.sources = std::move(sources);
  impl_->started = true;
  if (!impl_->device.is_cuda()) return;
  (void)exec_of(impl_->device);  // makes the device current
  impl_->fit(slot);
  impl_->copy(slot);
}

bool Uploader::has_started() const { return impl_->started; }

std::vector<Tensor> Uploader::take() {
  if (!impl_->started) throw Error("[upload] no set was started");
  Impl::Slot& slot = impl_->slots[impl_->next];
  impl_->started = false;
  if (!impl_->device.is_cuda()) return std::move(slot.sources);
  const auto compute = exec_of(impl_->device).stream;
  cuda::wait_event(compute, slot.copied);
  // All readers of the other set have been given to the device by now.
  impl_->next = 1 - impl_->next;
  cuda::record_event(impl_->slots[impl_->next].released, compute);
  return slot.targets;
}

}  // namespace akimbo
