// Contract of the device runtime: which devices there are, their memory, streams, events, graphs.
// Three implementations share it: kernels/cuda/runtime.cu (CUDA), kernels/cuda/emulator/runtime.cpp
// (host memory, for tests) and kernels/cuda/absent/runtime.cpp (programs built without CUDA, which
// have no device). Failures are thrown as DeviceFailure that names the call. A device is current
// for a thread once set_device() chose it; calls that take none use the thread's current device.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/common/device_failure.h"

namespace akimbo::kernels::cuda {

// ---- devices ----

// True when "devices" are the emulator of the tests, which no one should pick for work.
[[nodiscard]] bool is_emulated();
// "13.0", the toolkit that the kernels were built with; "" without CUDA; "emulated".
[[nodiscard]] std::string toolkit_version();
// Architectures built in, as the build was told ("sm_90a compute_80"); "" without CUDA.
[[nodiscard]] std::string built_architectures();
// Devices that the kernels of this program can run on. Never throws. When it is 0,
// unavailable_reason() says why in plain words (no driver, driver too old, no device, wrong
// architecture, built without CUDA), with what to do about it.
[[nodiscard]] int device_count() noexcept;
[[nodiscard]] std::string unavailable_reason();

struct DeviceProperties {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int num_multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::size_t l2_bytes = 0;
  std::size_t shared_bytes_per_block = 0;  // the largest that a kernel may opt in to
  int clock_khz = 0;
  std::string driver_version;  // of CUDA that the driver supports: "13.0"
};
[[nodiscard]] DeviceProperties device_properties(int device);

// Makes `device` current for the calling thread. Cheap when it is already.
void set_device(int device);
// What set_device() chose on this thread; 0 before.
[[nodiscard]] int current_device();

// ---- memory ----

// nullptr when the device has no more; aligned to 256.
[[nodiscard]] void* allocate(int device, std::size_t bytes);
// Waits for the device's work first.
void free(int device, void* pointer) noexcept;

struct MemoryInfo {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
};
[[nodiscard]] MemoryInfo memory_info(int device);

// Host memory that the device reads and writes beside its computation; nullptr when there is no
// more.
[[nodiscard]] void* allocate_pinned(std::size_t bytes);
void free_pinned(void* pointer) noexcept;

// ---- streams and events ----

using Stream = void*;  // nullptr is none of ours: every call wants a created one
using Event = void*;

[[nodiscard]] Stream create_stream(int device);
void destroy_stream(Stream stream) noexcept;
void synchronize(Stream stream);

[[nodiscard]] Event create_event(int device);
void destroy_event(Event event) noexcept;
void record_event(Event event, Stream stream);
// Later work of `stream` starts after what was recorded.
void wait_event(Stream stream, Event event);
void synchronize_event(Event event);
// Between two recorded events that are done.
[[nodiscard]] double elapsed_ms(Event begin, Event end);

// ---- copies, in the order of the stream ----

// From host memory. Pinned: the bytes are read later, until the stream comes by; pageable: they
// have been read when the call returns.
void copy_to_device(void* to, const void* from, std::size_t bytes, Stream stream);
// To host memory; there when the stream was synchronised.
void copy_to_host(void* to, const void* from, std::size_t bytes, Stream stream);
// Between two places of one device, not overlapping, or of two devices.
void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream);
// `count` elements of element_bytes = 1, 2, 4 or 8, each a copy of *element.
void fill(void* to, const void* element, std::size_t element_bytes, std::size_t count,
          Stream stream);

// ---- graphs ----

// Work given to the stream between begin and end is recorded, not done; launches replay it with
// the same addresses. Host copies and synchronisation are errors meanwhile (copies from pinned
// memory and on the device are recorded).
using Graph = void*;  // ready to launch
void begin_capture(Stream stream);
[[nodiscard]] Graph end_capture(Stream stream);
void abort_capture(Stream stream) noexcept;
[[nodiscard]] bool is_capturing(Stream stream);
void launch_graph(Graph graph, Stream stream);
[[nodiscard]] std::size_t num_graph_nodes(Graph graph);
void destroy_graph(Graph graph) noexcept;

// ---- errors ----

// After a launch: throws when it failed, naming the kernel. With AKIMBO_SYNC=1 waits for it first,
// so that an error found later names the kernel that made it.
void check_launch(const char* kernel, Stream stream);

}  // namespace akimbo::kernels::cuda
