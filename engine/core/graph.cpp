#include "engine/core/graph.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "engine/core/allocator.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/core/lane_arena.h"
#include "engine/core/lane_player.h"
#include "engine/core/write_recorder.h"
#include "kernels/device_runtime.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

struct Captured {
  cuda::Graph graph = nullptr;
  std::unique_ptr<WriteRecorder> writes;
  std::vector<std::function<void()>> effects;
  std::map<int, MemoryPool> lane_pools;
};

thread_local Captured* t_captured = nullptr;  // what this thread captures

// While one lives, this thread's work for a stream is recorded; what was recorded is dropped unless
// finish() takes it.
class Capture {
 public:
  explicit Capture(cuda::Stream stream) : stream_(stream) {
    cuda::begin_capture(stream);
    captured_.writes = std::make_unique<WriteRecorder>();
    t_captured = &captured_;
  }
  ~Capture() {
    if (stream_ == nullptr) return;
    stop();
    cuda::abort_capture(stream_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Captured finish() {
    stop();
    captured_.graph = cuda::end_capture(std::exchange(stream_, nullptr));
    return std::move(captured_);
  }

 private:
  void stop() {
    captured_.writes->stop();
    t_captured = nullptr;
  }

  cuda::Stream stream_;
  Captured captured_;
};

// What the work leaves in the block that its own memory lay in: blocks for the tensors that outlive
// it. Returns what lies between them.
std::vector<void*> keep_outliving(MemoryPool& pool, void* memory, const WorkRecord& record,
                                  const LanePlan& plan) {
  std::vector<MemoryPool::Part> parts;
  for (std::size_t v = 0; v < record.values.size(); ++v) {
    if (!record.values[v].outlives) continue;
    parts.push_back({plan.offsets[v], LaneArena::round_up(record.values[v].bytes)});
  }
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return pool.cut(memory, parts);
}

}  // namespace

struct Graph::Impl {
  explicit Impl(Device where) : device(where), pool(where) {}
  ~Impl() {
    // A replay may still be running on the pool's memory.
    try {
      if (captured.graph != nullptr) synchronize(device);
    } catch (const std::exception&) {
      // The device is lost, and its work with it; the next call to it says so.
    }
    cuda::destroy_graph(captured.graph);
    for (void* block : kept) free_memory(device, block);
  }

  Device device;
  MemoryPool pool;
  std::vector<void*> kept;  // blocks of the pool that no tensor owns
  Captured captured;
  int num_lanes = 1;
};

Graph::Graph(Device device) {
  if (!device.is_cuda()) {
    throw_error<ArgumentError>("[graph] graphs are for GPUs, not for {}", device.str());
  }
  impl_ = std::make_unique<Impl>(device);
}

Graph::~Graph() = default;

void Graph::capture(const std::function<void()>& work) {
  require_none();
  const MemoryPool::Scope scope(impl_->pool);
  Capture capture(stream_of(impl_->device));
  work();
  impl_->captured = capture.finish();
}

void Graph::capture_side_by_side(const std::function<void()>& prepare,
                                 const std::function<void()>& work, const LaneOptions& options) {
  require_none();
  const Device device = impl_->device;
  WorkRecord record;
  prepare();
  {
    MemoryPool pool(device);
    const MemoryPool::Scope scope(pool);
    const Capture dropped(stream_of(device));
    record = record_work(device, work);
  }
  prepare();
  LanePlan plan = plan_lanes(record, options.max_lanes);
  if (options.inspect) options.inspect(record, plan);
  const MemoryPool::Scope scope(impl_->pool);
  void* memory = impl_->kept.emplace_back(allocate_memory(device, plan.total_bytes));
  Lanes lanes(device, plan.schedule.num_lanes);
  Capture capture(stream_of(device));
  lanes.fork();
  {
    LanePlayer player(lanes, record, plan, memory);
    work();
    player.finish();
  }
  lanes.join();
  impl_->captured = capture.finish();
  impl_->num_lanes = plan.schedule.num_lanes;
  impl_->kept = keep_outliving(impl_->pool, memory, record, plan);
}

void Graph::require_none() const {
  if (is_captured() || t_captured != nullptr) {
    throw Error("[graph] a graph captures once, and not inside another's capture");
  }
}

void Graph::replay() {
  if (!is_captured()) throw Error("[graph] nothing was captured yet");
  cuda::launch_graph(impl_->captured.graph, stream_of(impl_->device));
  impl_->captured.writes->count_writes();
  for (const auto& effect : impl_->captured.effects) effect();
}

bool Graph::is_captured() const { return impl_->captured.graph != nullptr; }

int Graph::num_lanes() const { return impl_->num_lanes; }

std::size_t Graph::num_nodes() const { return cuda::num_graph_nodes(impl_->captured.graph); }

std::size_t Graph::memory_bytes() const {
  std::size_t bytes = impl_->pool.size_bytes();
  for (const auto& [lane, pool] : impl_->captured.lane_pools) bytes += pool.size_bytes();
  return bytes;
}

MemoryPool& lane_memory(Device device, int lane) {
  if (t_captured == nullptr) throw Error("[lanes] lanes are for the capture of a graph");
  return t_captured->lane_pools.try_emplace(lane, device).first->second;
}

bool is_capturing(Device device) {
  return device.is_cuda() && cuda::is_capturing(stream_of(device));
}

void each_pass(const std::function<void()>& effect) {
  if (t_captured != nullptr) {
    t_captured->effects.push_back(effect);
  } else {
    effect();
  }
}

}  // namespace akimbo
