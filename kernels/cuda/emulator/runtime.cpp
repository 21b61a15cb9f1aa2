// The device runtime over host memory. Device memory is one exact heap block per allocation, full
// of NaN patterns at first, so that AddressSanitizer sees an access past its end and a test sees
// what was never written; copies check that device addresses are the device's. Streams: see
// stream.h.
#include "kernels/device_runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "kernels/cuda/emulator/block.h"
#include "kernels/cuda/emulator/stream.h"

namespace akimbo::kernels::cuda {
namespace {

using Work = std::function<void()>;
using Clock = std::chrono::steady_clock;

// Work recorded by a capture, and then the graph itself.
struct EmulatedGraph {
  struct Node {
    Work work;
    std::vector<std::size_t> after;  // nodes that come before it
  };
  std::vector<Node> nodes;
  std::uint64_t num_launches = 0;
};

struct EmulatedStream {
  std::deque<Work> queue;
  std::uint64_t num_enqueued = 0;
  std::uint64_t num_done = 0;
  EmulatedGraph* capture = nullptr;
  bool began_capture = false;       // else it joined through an event
  std::vector<std::size_t> latest;  // nodes of the capture that its next node comes after
};

struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
  std::uint64_t position = 0;        // num_enqueued of the stream when recorded
  EmulatedGraph* capture = nullptr;  // recorded inside this capture
  std::vector<std::size_t> latest;   // nodes of the capture before it
  Clock::time_point time;
};

struct State {
  std::recursive_mutex mutex;
  std::map<std::uintptr_t, std::size_t> allocations;  // of the device
  std::map<std::uintptr_t, std::size_t> pinned;
  std::size_t used_bytes = 0;
  std::vector<EmulatedStream*> streams;
  bool lazy = false;
};

bool is_set(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' && std::strcmp(text, "0") != 0;
}

State& state() {
  static auto* value = [] {  // never destroyed: static tensors may outlive any other order
    auto* made = new State;
    made->lazy = is_set("AKIMBO_EMULATOR_LAZY");
    return made;
  }();
  return *value;
}

// Read at every use, so that a test can take memory away for a while.
std::size_t memory_limit() {
  const char* text = std::getenv("AKIMBO_EMULATED_MEMORY");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : std::size_t{16} << 30;
}

bool contains(const std::map<std::uintptr_t, std::size_t>& blocks, const void* pointer,
              std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto it = blocks.upper_bound(address);
  if (it == blocks.begin()) return false;
  --it;
  return address + bytes <= it->first + it->second;
}

bool is_pinned(const void* pointer, std::size_t bytes) {
  const std::lock_guard lock(state().mutex);
  return contains(state().pinned, pointer, bytes);
}

void* allocate_block(std::size_t bytes) {
  void* pointer = nullptr;
  const std::size_t size = bytes > 0 ? bytes : 1;
  if (posix_memalign(&pointer, 256, size) != 0) return nullptr;
  std::memset(pointer, 0xff, size);
  return pointer;
}

EmulatedStream& stream_of(Stream stream) {
  if (stream == nullptr) throw DeviceFailure("[cuda] a stream was wanted, nullptr was given");
  return *static_cast<EmulatedStream*>(stream);
}

// Does the work of a stream up to `position`.
void drain(EmulatedStream& stream, std::uint64_t position) {
  const std::lock_guard lock(state().mutex);
  while (stream.num_done < position && !stream.queue.empty()) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    ++stream.num_done;
    work();
  }
}

void drain_all() noexcept {
  for (EmulatedStream* stream : state().streams) {
    try {
      drain(*stream, UINT64_MAX);
    } catch (const std::exception&) {
      stream->queue.clear();  // as after a sticky error: nothing that follows is done
    }
  }
}

// Whether the stream that began a capture comes after all that was recorded.
bool has_joined(const EmulatedGraph& graph, const std::vector<std::size_t>& latest) {
  std::vector<bool> reached(graph.nodes.size(), false);
  std::vector<std::size_t> stack = latest;
  while (!stack.empty()) {
    const std::size_t i = stack.back();
    stack.pop_back();
    if (reached[i]) continue;
    reached[i] = true;
    stack.insert(stack.end(), graph.nodes[i].after.begin(), graph.nodes[i].after.end());
  }
  return std::find(reached.begin(), reached.end(), false) == reached.end();
}

// One that the edges allow, another at each launch: what streams that forked do not wait for may
// come in any order.
std::vector<std::size_t> order_of(EmulatedGraph& graph) {
  std::mt19937_64 random(device::emulator::seed() + graph.num_launches++);
  std::vector<std::size_t> missing, ready, order;
  std::vector<std::vector<std::size_t>> followers(graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    missing.push_back(graph.nodes[i].after.size());
    for (const std::size_t before : graph.nodes[i].after) followers[before].push_back(i);
    if (missing.back() == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    const std::size_t i = ready.back();
    ready.pop_back();
    order.push_back(i);
    for (const std::size_t follower : followers[i]) {
      if (--missing[follower] == 0) ready.push_back(follower);
    }
  }
  return order;
}

void require_not_capturing(EmulatedStream& stream, const char* what) {
  if (stream.capture != nullptr) {
    throw DeviceFailure(std::string("[cuda] ") + what +
                        " is not allowed while a graph is captured");
  }
}

}  // namespace

namespace emulator {

void enqueue(void* stream, std::function<void()> work) {
  if (stream == nullptr) return work();
  EmulatedStream& s = stream_of(stream);
  {
    const std::lock_guard lock(state().mutex);
    if (s.capture != nullptr) {
      s.capture->nodes.push_back({std::move(work), std::move(s.latest)});
      s.latest = {s.capture->nodes.size() - 1};
      return;
    }
    ++s.num_enqueued;
    if (state().lazy) {
      s.queue.push_back(std::move(work));
      return;
    }
    ++s.num_done;
  }
  work();
}

void set_lazy_streams(bool lazy) {
  const std::lock_guard lock(state().mutex);
  drain_all();
  state().lazy = lazy;
}

void require_device_memory(const void* pointer, std::size_t bytes, const char* what) {
  const std::lock_guard lock(state().mutex);
  if (!contains(state().allocations, pointer, bytes)) {
    throw DeviceFailure(std::string("[cuda] ") + what + ": " + std::to_string(bytes) +
                        " bytes are not inside one allocation of the device");
  }
}

}  // namespace emulator

bool is_emulated() { return true; }
std::string toolkit_version() { return "emulated"; }
std::string built_architectures() { return "emulated"; }
int device_count() noexcept { return 1; }
std::string unavailable_reason() { return ""; }

DeviceProperties device_properties(int device) {
  set_device(device);
  return {.name = "emulated GPU",
          .major = 8,
          .minor = 0,
          .num_multiprocessors = 4,
          .memory_bytes = memory_limit(),
          .l2_bytes = std::size_t{1} << 20,
          .shared_bytes_per_block = 163 << 10,
          .clock_khz = 1000,
          .driver_version = "emulated"};
}

void set_device(int device) {
  if (device != 0) {
    throw DeviceFailure("[cuda] there is no device cuda:" + std::to_string(device) +
                        "; 1 can be used");
  }
}

int current_device() { return 0; }

void* allocate(int device, std::size_t bytes) {
  set_device(device);
  const std::lock_guard lock(state().mutex);
  if (state().used_bytes + bytes > memory_limit()) return nullptr;
  void* pointer = allocate_block(bytes);
  if (pointer == nullptr) return nullptr;
  state().allocations.emplace(reinterpret_cast<std::uintptr_t>(pointer), bytes);
  state().used_bytes += bytes;
  return pointer;
}

void free(int, void* pointer) noexcept {
  const std::lock_guard lock(state().mutex);
  drain_all();
  const auto it = state().allocations.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (it == state().allocations.end()) return;
  state().used_bytes -= it->second;
  state().allocations.erase(it);
  std::free(pointer);
}

MemoryInfo memory_info(int device) {
  set_device(device);
  const std::lock_guard lock(state().mutex);
  const std::size_t total = memory_limit(), used = state().used_bytes;
  return {.free_bytes = total > used ? total - used : 0, .total_bytes = total};
}

void* allocate_pinned(std::size_t bytes) {
  void* pointer = allocate_block(bytes);
  if (pointer == nullptr) return nullptr;
  const std::lock_guard lock(state().mutex);
  state().pinned.emplace(reinterpret_cast<std::uintptr_t>(pointer), bytes);
  return pointer;
}

void free_pinned(void* pointer) noexcept {
  const std::lock_guard lock(state().mutex);
  drain_all();
  if (state().pinned.erase(reinterpret_cast<std::uintptr_t>(pointer)) > 0) std::free(pointer);
}

Stream create_stream(int device) {
  set_device(device);
  const std::lock_guard lock(state().mutex);
  return state().streams.emplace_back(new EmulatedStream);
}

void destroy_stream(Stream stream) noexcept {
  if (stream == nullptr) return;
  const std::lock_guard lock(state().mutex);
  drain_all();
  std::erase(state().streams, static_cast<EmulatedStream*>(stream));
  delete static_cast<EmulatedStream*>(stream);
}

void synchronize(Stream stream) {
  require_not_capturing(stream_of(stream), "synchronisation");
  drain(stream_of(stream), UINT64_MAX);
}

Event create_event(int device) {
  set_device(device);
  return new EmulatedEvent;
}

void destroy_event(Event event) noexcept { delete static_cast<EmulatedEvent*>(event); }

void record_event(Event event, Stream stream) {
  const std::lock_guard lock(state().mutex);
  auto* e = static_cast<EmulatedEvent*>(event);
  EmulatedStream& s = stream_of(stream);
  e->capture = s.capture;
  if (s.capture != nullptr) {
    e->latest = s.latest;
    return;
  }
  emulator::enqueue(stream, [e] { e->time = Clock::now(); });
  e->stream = &s;
  e->position = s.num_enqueued;
}

void wait_event(Stream stream, Event event) {
  const std::lock_guard lock(state().mutex);
  auto* e = static_cast<EmulatedEvent*>(event);
  EmulatedStream& s = stream_of(stream);
  if (e->capture != nullptr) {
    if (s.capture == nullptr) s.latest.clear();
    s.capture = e->capture;  // forks into the capture
    s.latest.insert(s.latest.end(), e->latest.begin(), e->latest.end());
    return;
  }
  require_not_capturing(s, "waiting for an event from outside");
  if (e->stream == nullptr) return;  // never recorded: nothing to wait for, as in CUDA
  emulator::enqueue(stream, [from = e->stream, position = e->position] { drain(*from, position); });
}

void synchronize_event(Event event) {
  auto* e = static_cast<EmulatedEvent*>(event);
  if (e->stream != nullptr) drain(*e->stream, e->position);
}

double elapsed_ms(Event begin, Event end) {
  const auto span =
      static_cast<EmulatedEvent*>(end)->time - static_cast<EmulatedEvent*>(begin)->time;
  return std::chrono::duration<double, std::milli>(span).count();
}

void copy_to_device(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  emulator::require_device_memory(to, bytes, "the copy to the device");
  if (is_pinned(from, bytes)) {
    return emulator::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
  }
  require_not_capturing(stream_of(stream), "a copy from pageable memory");
  const auto* first = static_cast<const std::byte*>(from);
  emulator::enqueue(stream, [to, kept = std::vector<std::byte>(first, first + bytes)] {
    std::memcpy(to, kept.data(), kept.size());
  });
}

void copy_to_host(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  emulator::require_device_memory(from, bytes, "the copy to the host");
  if (!is_pinned(to, bytes)) {
    require_not_capturing(stream_of(stream), "a copy to pageable memory");
  }
  emulator::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}

void copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  emulator::require_device_memory(to, bytes, "the copy on the device");
  emulator::require_device_memory(from, bytes, "the copy on the device");
  emulator::enqueue(stream, [=] { std::memmove(to, from, bytes); });
}

void fill(void* to, const void* element, std::size_t element_bytes, std::size_t count,
          Stream stream) {
  if (count == 0) return;
  emulator::require_device_memory(to, element_bytes * count, "fill");
  const auto* first = static_cast<const std::byte*>(element);
  emulator::enqueue(stream,
                    [to, count, kept = std::vector<std::byte>(first, first + element_bytes)] {
                      auto* place = static_cast<std::byte*>(to);
                      for (std::size_t i = 0; i < count; ++i, place += kept.size()) {
                        std::memcpy(place, kept.data(), kept.size());
                      }
                    });
}

void begin_capture(Stream stream) {
  const std::lock_guard lock(state().mutex);
  EmulatedStream& s = stream_of(stream);
  require_not_capturing(s, "a second capture");
  s.capture = new EmulatedGraph;
  s.latest.clear();
  s.began_capture = true;
}

Graph end_capture(Stream stream) {
  const std::lock_guard lock(state().mutex);
  EmulatedStream& s = stream_of(stream);
  if (!s.began_capture) throw DeviceFailure("[cuda] no capture was begun on this stream");
  EmulatedGraph* graph = s.capture;
  s.began_capture = false;
  for (EmulatedStream* other : state().streams) {
    if (other->capture == graph) other->capture = nullptr;
  }
  if (!has_joined(*graph, s.latest)) {
    delete graph;
    throw DeviceFailure("[cuda] a stream that joined the capture did not come back to it");
  }
  return graph;
}

void abort_capture(Stream stream) noexcept {
  const std::lock_guard lock(state().mutex);
  auto* s = static_cast<EmulatedStream*>(stream);
  try {
    if (s != nullptr && s->began_capture) destroy_graph(end_capture(stream));
  } catch (const DeviceFailure&) {
    // What was recorded is dropped, finished or not.
  }
}

bool is_capturing(Stream stream) { return stream_of(stream).capture != nullptr; }

void launch_graph(Graph graph, Stream stream) {
  auto& launched = *static_cast<EmulatedGraph*>(graph);
  for (const std::size_t i : order_of(launched)) emulator::enqueue(stream, launched.nodes[i].work);
}

std::size_t num_graph_nodes(Graph graph) {
  return static_cast<EmulatedGraph*>(graph)->nodes.size();
}

void destroy_graph(Graph graph) noexcept { delete static_cast<EmulatedGraph*>(graph); }

// AKIMBO_SYNC is read each time: a test sets it for a while.
void check_launch(const char*, Stream stream) {
  if (stream != nullptr && is_set("AKIMBO_SYNC") && !is_capturing(stream)) synchronize(stream);
}

}  // namespace akimbo::kernels::cuda
