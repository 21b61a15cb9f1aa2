#include "engine/core/uploader.h"

#include <algorithm>
#include <array>
#include <optional>

#include "engine/core/device_timer.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/device_runtime.h"

namespace akimbo {

namespace cuda = kernels::cuda;

struct Uploader::Impl {
  struct Slot {
    std::vector<UploadPart> sources;
    std::vector<Tensor> targets;
    cuda::Event copied = nullptr;    // by the copy stream
    cuda::Event released = nullptr;  // by the computation: its last reader was given before
  };

  explicit Impl(Device where) : device(where) {
    if (!device.is_cuda()) return;
    stream = cuda::create_stream(device.index);
    timer.emplace(device, Stage::upload);
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
    timer.reset();  // asks for events of the stream
    for (Slot& slot : slots) {
      cuda::destroy_event(slot.copied);
      cuda::destroy_event(slot.released);
    }
    cuda::destroy_stream(stream);
  }

  // A buffer for the part: as it is, or for a front somewhat longer than asked, because the next
  // one will not be of the same length.
  [[nodiscard]] Tensor target_for(const UploadPart& part) const {
    const Tensor& source = part.tensor;
    if (!part.is_front) return Tensor::empty(source.shape(), source.dtype(), device);
    const std::size_t room = std::min(part.num_bytes + part.num_bytes / 4, source.num_bytes());
    return Tensor::empty({static_cast<std::int64_t>(room)}, DType::u8, device);
  }

  static bool fits(const UploadPart& part, const Tensor& target) {
    if (!target.defined() || target.dtype() != part.tensor.dtype()) return false;
    if (part.is_front) return target.num_bytes() >= part.num_bytes;
    return target.shape() == part.tensor.shape();
  }

  // New buffers may lie where work given earlier is still reading.
  void fit(Slot& slot) const {
    slot.targets.resize(slot.sources.size());
    bool made = false;
    for (std::size_t i = 0; i < slot.sources.size(); ++i) {
      const UploadPart& part = slot.sources[i];
      if (!part.tensor.defined()) {
        slot.targets[i] = Tensor();
      } else if (!fits(part, slot.targets[i])) {
        slot.targets[i] = target_for(part);
        made = true;
      }
    }
    if (made) cuda::record_event(slot.released, stream_of(device));
  }

  void copy(Slot& slot) {
    cuda::wait_event(stream, slot.released);
    timer->begin(stream);
    for (std::size_t i = 0; i < slot.sources.size(); ++i) {
      const UploadPart& part = slot.sources[i];
      if (!part.tensor.defined()) continue;
      slot.targets[i].bump_version();
      cuda::copy_to_device(slot.targets[i].raw(), part.tensor.raw(),
                           part.is_front ? part.num_bytes : part.tensor.num_bytes(), stream);
    }
    timer->end(stream);
    cuda::record_event(slot.copied, stream);
  }

  Device device;
  cuda::Stream stream = nullptr;
  std::optional<DeviceTimer> timer;
  std::array<Slot, 2> slots;
  std::size_t next = 0;  // slot of the next start()
  bool started = false;
};

Uploader::Uploader(Device device) : impl_(std::make_unique<Impl>(device)) {}
Uploader::~Uploader() = default;

void Uploader::start(std::vector<UploadPart> sources) {
  if (impl_->started) throw Error("[upload] the last set was not taken yet");
  Impl::Slot& slot = impl_->slots[impl_->next];
  if (impl_->device.is_cuda()) cuda::synchronize_event(slot.copied);  // long done
  slot.sources = std::move(sources);
  impl_->started = true;
  if (!impl_->device.is_cuda()) return;
  (void)stream_of(impl_->device);  // makes the device current
  impl_->fit(slot);
  impl_->copy(slot);
}

bool Uploader::has_started() const { return impl_->started; }

std::vector<Tensor> Uploader::take() {
  if (!impl_->started) throw Error("[upload] no set was started");
  Impl::Slot& slot = impl_->slots[impl_->next];
  impl_->started = false;
  if (!impl_->device.is_cuda()) {
    std::vector<Tensor> tensors;
    for (UploadPart& part : slot.sources) tensors.push_back(std::move(part.tensor));
    return tensors;
  }
  const auto compute = stream_of(impl_->device);
  cuda::wait_event(compute, slot.copied);
  // All readers of the other set have been given to the device by now.
  impl_->next = 1 - impl_->next;
  cuda::record_event(impl_->slots[impl_->next].released, compute);
  return slot.targets;
}

}  // namespace akimbo
