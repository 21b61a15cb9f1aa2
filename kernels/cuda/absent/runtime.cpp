// The device runtime of a program that was built without CUDA: there is no device, and the reason
// is said. Nothing else here can be reached.
#include "kernels/device_runtime.h"
#include "kernels/guarded.h"

namespace akimbo::kernels::cuda {
namespace {

constexpr const char* kReason =
    "this program was built without CUDA; build it with the CUDA toolkit installed (-Dcuda=on)";

[[noreturn]] void fail() { throw DeviceFailure(kReason); }

}  // namespace

bool is_emulated() { return false; }
std::string toolkit_version() { return ""; }
std::string built_architectures() { return ""; }
int device_count() noexcept { return 0; }
std::string unavailable_reason() { return kReason; }
DeviceProperties device_properties(int) { fail(); }
void set_device(int) { fail(); }
int current_device() { fail(); }

void* allocate(int, std::size_t) { fail(); }
void free(int, void*) noexcept {}
MemoryInfo memory_info(int) { fail(); }
void* allocate_pinned(std::size_t) { fail(); }
void free_pinned(void*) noexcept {}

Stream create_stream(int) { fail(); }
void destroy_stream(Stream) noexcept {}
void synchronize(Stream) { fail(); }
Event create_event(int) { fail(); }
void destroy_event(Event) noexcept {}
void record_event(Event, Stream) { fail(); }
void wait_event(Stream, Event) { fail(); }
void synchronize_event(Event) { fail(); }
double elapsed_ms(Event, Event) { fail(); }

std::vector<std::string> guarded_kernels() { return {}; }
std::string guarded_state() { return ""; }
void force_guarded_kernel(const std::string&) {}
bool guarded_kernel_ran() { return false; }
std::string record_guarded_kernels(bool) { return ""; }

void copy_to_device(void*, const void*, std::size_t, Stream) { fail(); }
void copy_to_host(void*, const void*, std::size_t, Stream) { fail(); }
void copy_on_device(void*, const void*, std::size_t, Stream) { fail(); }
void fill(void*, const void*, std::size_t, std::size_t, Stream) { fail(); }

void begin_capture(Stream) { fail(); }
Graph end_capture(Stream) { fail(); }
void abort_capture(Stream) noexcept {}
bool is_capturing(Stream) { return false; }
void launch_graph(Graph, Stream) { fail(); }
std::size_t num_graph_nodes(Graph) { fail(); }
void destroy_graph(Graph) noexcept {}
void check_launch(const char*, Stream) { fail(); }

}  // namespace akimbo::kernels::cuda
