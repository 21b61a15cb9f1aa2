// Streams of the emulated device, for the emulator's launch(): work is run at once, in order, or
// recorded while the stream is capturing a graph. With lazy streams (set_lazy_streams, or
// AKIMBO_EMULATOR_LAZY=1) it waits until someone synchronises, as it may on a GPU: what forgets to
// synchronise, or reuses a host buffer too early, then sees wrong values.
#pragma once

#include <cstddef>
#include <functional>

namespace akimbo::kernels::cuda::emulator {

// stream nullptr: at once.
void enqueue(void* stream, std::function<void()> work);
void set_lazy_streams(bool lazy);
// Throws DeviceFailure unless [pointer, pointer + bytes) lies in one allocation of the device.
void require_device_memory(const void* pointer, std::size_t bytes, const char* what);

}  // namespace akimbo::kernels::cuda::emulator
