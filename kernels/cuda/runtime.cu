// The device runtime over the CUDA runtime library. Every call is checked; an error is reported
// with the call that saw it, and whether the process can go on.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/device_words.h"
#include "kernels/device_runtime.h"

#ifndef AKIMBO_CUDA_ARCHS
#define AKIMBO_CUDA_ARCHS ""
#endif

namespace akimbo::kernels::cuda {
namespace {

// Set by the first error after which the context is lost: every later call fails, whoever makes it.
bool is_sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable: return true;
    default: return false;
  }
}

bool is_synchronous() {
  static const bool value = [] {
    const char* text = std::getenv("AKIMBO_SYNC");
    return text != nullptr && std::strcmp(text, "0") != 0 && *text != '\0';
  }();
  return value;
}

[[noreturn]] void fail(cudaError_t error, const char* what) {
  throw DeviceFailure(failure_text({.what = what,
                                    .error = cudaGetErrorString(error),
                                    .error_name = cudaGetErrorName(error),
                                    .sticky = is_sticky(error),
                                    .synchronous = is_synchronous()}));
}

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();  // so that the next call does not report this error again
  fail(error, what);
}

cudaStream_t stream_of(Stream stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(Event event) { return static_cast<cudaEvent_t>(event); }

__global__ void probe_kernel() {}

template <typename T>
__global__ void __launch_bounds__(256) fill_kernel(T* to, T value, std::size_t count) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    to[i] = value;
  }
}

// What was found at the first question for devices.
struct Inventory {
  std::vector<int> usable;  // CUDA's number of our device i
  std::string reason;       // why there is none
};

DriverFacts ask_driver() {
  using Answer = DriverFacts::Answer;
  DriverFacts facts;
  (void)cudaRuntimeGetVersion(&facts.runtime);
  if (cudaDriverGetVersion(&facts.driver) != cudaSuccess) facts.driver = 0;
  const cudaError_t error = cudaGetDeviceCount(&facts.count);
  (void)cudaGetLastError();
  facts.answer = error == cudaSuccess                   ? Answer::counted
                 : error == cudaErrorInsufficientDriver ? Answer::too_old
                 : error == cudaErrorNoDevice           ? Answer::no_device
                                                        : Answer::failed;
  facts.failure = cudaGetErrorString(error);
  facts.visible_devices = std::getenv("CUDA_VISIBLE_DEVICES");
  return facts;
}

// Loading a kernel's code is what fails when none of the architectures built in will run.
cudaError_t load_a_kernel(int device) {
  cudaFuncAttributes attributes;
  const cudaError_t chosen = cudaSetDevice(device);
  return chosen == cudaSuccess
             ? cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&probe_kernel))
             : chosen;
}

RefusedDevice refused_device(int device, cudaError_t error) {
  RefusedDevice refused{.name = "device " + std::to_string(device),
                        .failure = cudaGetErrorString(error)};
  refused.wrong_code = error == cudaErrorNoKernelImageForDevice ||
                       error == cudaErrorInvalidDeviceFunction ||
                       error == cudaErrorUnsupportedPtxVersion;
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, device) == cudaSuccess) {
    refused.name = properties.name;
    refused.major = properties.major;
    refused.minor = properties.minor;
  }
  return refused;
}

Inventory take_inventory() {
  const DriverFacts facts = ask_driver();
  Inventory found{.usable = {}, .reason = why_no_device(facts)};
  if (!found.reason.empty()) return found;
  std::vector<RefusedDevice> refused;
  for (int i = 0; i < facts.count; ++i) {
    const cudaError_t loaded = load_a_kernel(i);
    if (loaded == cudaSuccess) {
      found.usable.push_back(i);
      continue;
    }
    (void)cudaGetLastError();
    refused.push_back(refused_device(i, loaded));
  }
  if (found.usable.empty()) {
    found.reason = why_none_is_usable(refused, AKIMBO_CUDA_ARCHS);
  } else {
    (void)cudaSetDevice(found.usable.front());
  }
  return found;
}

const Inventory& inventory() {
  static const Inventory found = take_inventory();
  return found;
}

int cuda_index(int device) {
  const auto& usable = inventory().usable;
  if (device < 0 || static_cast<std::size_t>(device) >= usable.size()) {
    throw DeviceFailure("[cuda] there is no device cuda:" + std::to_string(device) + "; " +
                        std::to_string(usable.size()) + " can be used");
  }
  return usable[static_cast<std::size_t>(device)];
}

thread_local int t_current = -1;

struct CapturedGraph {
  cudaGraphExec_t ready = nullptr;
  std::size_t num_nodes = 0;
};

// Memory may be asked for while a stream of this thread is being captured; CUDA forbids that in
// the strict modes because a captured graph must not depend on it, which ours does not.
class RelaxedCapture {
 public:
  RelaxedCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~RelaxedCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

template <typename T>
void fill_elements(void* to, const void* element, std::size_t count, Stream stream) {
  T value;
  std::memcpy(&value, element, sizeof(T));
  // 8 blocks for each of 132 multiprocessors keep any GPU busy; a stride loop does the rest.
  const std::size_t blocks = (count + 255) / 256 < 1056 ? (count + 255) / 256 : 1056;
  fill_kernel<T><<<static_cast<unsigned>(blocks), 256, 0, stream_of(stream)>>>(static_cast<T*>(to),
                                                                               value, count);
  check_launch("fill", stream);
}

}  // namespace

bool is_emulated() { return false; }
std::string toolkit_version() { return version_text(CUDART_VERSION); }
std::string built_architectures() { return AKIMBO_CUDA_ARCHS; }

int device_count() noexcept {
  try {
    return static_cast<int>(inventory().usable.size());
  } catch (const std::exception&) {
    return 0;  // out of host memory while writing the reason
  }
}

std::string unavailable_reason() { return inventory().reason; }

DeviceProperties device_properties(int device) {
  const int index = cuda_index(device);
  cudaDeviceProp p;
  check(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
  int driver = 0, clock_khz = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, index), "cudaDeviceGetAttribute");
  return {.name = p.name,
          .major = p.major,
          .minor = p.minor,
          .num_multiprocessors = p.multiProcessorCount,
          .memory_bytes = p.totalGlobalMem,
          .l2_bytes = static_cast<std::size_t>(p.l2CacheSize),
          .shared_bytes_per_block = p.sharedMemPerBlockOptin,
          .clock_khz = clock_khz,
          .driver_version = version_text(driver)};
}

void set_device(int device) {
  if (t_current == device) return;
  check(cudaSetDevice(cuda_index(device)), "cudaSetDevice");
  t_current = device;
}

int current_device() { return t_current < 0 ? 0 : t_current; }

void* allocate(int device, std::size_t bytes) {
  set_device(device);
  const RelaxedCapture relaxed;
  void* pointer = nullptr;
  const cudaError_t error = cudaMalloc(&pointer, bytes > 0 ? bytes : 1);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  check(error, "cudaMalloc");
  return pointer;
}

void free(int device, void* pointer) noexcept {
  // A failure here means that the context is lost, which the next checked call reports.
  const RelaxedCapture relaxed;
  if (device != t_current && cudaSetDevice(inventory().usable[device]) == cudaSuccess) {
    t_current = device;
  }
  (void)cudaFree(pointer);
}

MemoryInfo memory_info(int device) {
  set_device(device);
  MemoryInfo info;
  check(cudaMemGetInfo(&info.free_bytes, &info.total_bytes), "cudaMemGetInfo");
  return info;
}

void* allocate_pinned(std::size_t bytes) {
  const RelaxedCapture relaxed;
  void* pointer = nullptr;
  const cudaError_t error = cudaHostAlloc(&pointer, bytes > 0 ? bytes : 1, cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  check(error, "cudaHostAlloc");
  return pointer;
}

void free_pinned(void* pointer) noexcept {
  const RelaxedCapture relaxed;
  (void)cudaFreeHost(pointer);
}

Stream create_stream(int device) {
  set_device(device);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

void destroy_stream(Stream stream) noexcept { (void)cudaStreamDestroy(stream_of(stream)); }

void synchronize(Stream stream) {
  check(cudaStreamSynchronize(stream_of(stream)), "cudaStreamSynchronize");
}

Event create_event(int device) {
  set_device(device);
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  return event;
}

void destroy_event(Event event) noexcept { (void)cudaEventDestroy(event_of(event)); }

void record_event(Event event, Stream stream) {
  check(cudaEventRecord(event_of(event), stream_of(stream)), "cudaEventRecord");
}

void wait_event(Stream stream, Event event) {
  check(cudaStreamWaitEvent(stream_of(stream), event_of(event), 0), "cudaStreamWaitEvent");
}

void synchronize_event(Event event) {
  check(cudaEventSynchronize(event_of(event)), "cudaEventSynchronize");
}

double elapsed_ms(Event begin, Event end) {
  float ms = 0;
  check(cudaEventElapsedTime(&ms, event_of(begin), event_of(end)), "cudaEventElapsedTime");
  return ms;
}

void copy_to_device(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(stream)),
        "the copy to the device");
}

void copy_to_host(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(stream)),
        "the copy to the host");
}

void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)),
        "the copy on the device");
}

void fill(void* to, const void* element, std::size_t element_bytes, std::size_t count,
          Stream stream) {
  if (count == 0) return;
  const auto* bytes = static_cast<const unsigned char*>(element);
  if (std::count(bytes, bytes + element_bytes, bytes[0]) ==
      static_cast<std::ptrdiff_t>(element_bytes)) {  // zeros, most of all
    check(cudaMemsetAsync(to, bytes[0], element_bytes * count, stream_of(stream)), "a fill");
    return;
  }
  switch (element_bytes) {
    case 2: return fill_elements<unsigned short>(to, element, count, stream);
    case 4: return fill_elements<unsigned int>(to, element, count, stream);
    case 8: return fill_elements<unsigned long long>(to, element, count, stream);
    default: throw DeviceFailure("[cuda] fill knows elements of 1, 2, 4 and 8 bytes");
  }
}

void begin_capture(Stream stream) {
  // Thread-local: what loader threads do meanwhile is none of the capture's business.
  check(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
}

Graph end_capture(Stream stream) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_of(stream), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t ready = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&ready, graph, 0);
  if (error != cudaSuccess) (void)cudaGraphDestroy(graph);
  check(error, "cudaGraphInstantiate");
  std::size_t num_nodes = 0;
  check(cudaGraphGetNodes(graph, nullptr, &num_nodes), "cudaGraphGetNodes");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  return new CapturedGraph{ready, num_nodes};
}

void abort_capture(Stream stream) noexcept {
  cudaGraph_t graph = nullptr;
  (void)cudaStreamEndCapture(stream_of(stream), &graph);
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
}

bool is_capturing(Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream_of(stream), &status), "cudaStreamIsCapturing");
  return status != cudaStreamCaptureStatusNone;
}

void launch_graph(Graph graph, Stream stream) {
  check(cudaGraphLaunch(static_cast<CapturedGraph*>(graph)->ready, stream_of(stream)),
        "cudaGraphLaunch");
  if (is_synchronous()) check(cudaStreamSynchronize(stream_of(stream)), "a graph's replay");
}

std::size_t num_graph_nodes(Graph graph) { return static_cast<CapturedGraph*>(graph)->num_nodes; }

void destroy_graph(Graph graph) noexcept {
  auto* captured = static_cast<CapturedGraph*>(graph);
  if (captured == nullptr) return;
  (void)cudaGraphExecDestroy(captured->ready);
  delete captured;
}

void check_launch(const char* kernel, Stream stream) {
  cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess && is_synchronous() && !is_capturing(stream)) {
    error = cudaStreamSynchronize(stream_of(stream));
  }
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();
  fail(error, (std::string("kernel ") + kernel).c_str());
}

}  // namespace akimbo::kernels::cuda
