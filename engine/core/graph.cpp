#include "engine/core/graph.h"

#include <vector>

#include "engine/core/allocator.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/core/write_recorder.h"
#include "kernels/device_runtime.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

thread_local std::vector<std::function<void()>>* t_effects = nullptr;

}  // namespace

struct Graph::Impl {
  explicit Impl(Device where) : device(where), pool(where) {}
  ~Impl() {
    if (graph == nullptr) return;
    // A replay may still be running on the pool's memory.
    try {
      synchronize(device);
    } catch (const std::exception&) {
      // The device is lost, and its work with it; the next call to it says so.
    }
    cuda::destroy_graph(graph);
  }

  Device device;
  MemoryPool pool;
  cuda::Graph graph = nullptr;
  std::unique_ptr<WriteRecorder> writes;
  std::vector<std::function<void()>> effects;
};

Graph::Graph(Device device) {
  if (!device.is_cuda()) {
    throw_error<ArgumentError>("[graph] graphs are for GPUs, not for {}", device.str());
  }
  impl_ = std::make_unique<Impl>(device);
}

Graph::~Graph() = default;

void Graph::capture(const std::function<void()>& work) {
  if (is_captured() || t_effects != nullptr) {
    throw Error("[graph] a graph captures once, and not inside another's capture");
  }
  const auto stream = exec_of(impl_->device).stream;
  const MemoryPool::Scope scope(impl_->pool);
  cuda::begin_capture(stream);
  impl_->writes = std::make_unique<WriteRecorder>();
  t_effects = &impl_->effects;
  const auto finish = [&] {
    impl_->writes->stop();
    t_effects = nullptr;
  };
  try {
    work();
  } catch (...) {
    finish();
    cuda::abort_capture(stream);
    impl_->effects.clear();
    throw;
  }
  finish();
  impl_->graph = cuda::end_capture(stream);
}

void Graph::replay() {
  if (!is_captured()) throw Error("[graph] nothing was captured yet");
  cuda::launch_graph(impl_->graph, exec_of(impl_->device).stream);
  impl_->writes->count_writes();
  for (const auto& effect : impl_->effects) effect();
}

bool Graph::is_captured() const { return impl_->graph != nullptr; }

std::size_t Graph::num_nodes() const { return cuda::num_graph_nodes(impl_->graph); }

std::size_t Graph::memory_bytes() const { return impl_->pool.size_bytes(); }

bool is_capturing(Device device) {
  return device.is_cuda() && cuda::is_capturing(exec_of(device).stream);
}

void each_pass(const std::function<void()>& effect) {
  if (t_effects != nullptr) {
    t_effects->push_back(effect);
  } else {
    effect();
  }
}

}  // namespace akimbo
