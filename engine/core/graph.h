// Work of a GPU recorded once and given to it again and again with one call (a CUDA graph): a
// network is hundreds of small kernels, and launching them one by one is what costs.
//
// Replays run on the same addresses: what the work reads must still be there, and new inputs are
// written into the old ones. It must not need the host: no values read back, no shapes that depend
// on values, no tensors sent from the CPU. Memory that the work allocated belongs to the graph, as
// do the tensors that it made; the next replay overwrites them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "engine/core/device.h"

namespace akimbo {

class MemoryPool;
struct LanePlan;
struct WorkRecord;

struct LaneOptions {
  int max_lanes = 8;
  // Sees the plan, and may change it, before it is carried out.
  std::function<void(const WorkRecord&, LanePlan&)> inspect = nullptr;
};

class Graph {
 public:
  explicit Graph(Device device);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Calls `work`, which records what it gives to the device; nothing is computed yet. What was run
  // once before without a graph is safe to record: lazily made things are there then. Throws what
  // `work` throws, the recording being dropped.
  void capture(const std::function<void()>& work);
  // The same, but ops that do not need each other are recorded side by side, in up to `max_lanes`
  // streams, so that small kernels fill the GPU together. Results have the same bits; the memory is
  // at most a 32nd more than that of ops in a row. `work` is called twice and must ask for the same
  // ops and memory both times: `prepare` is called before each, outside of the recording, to put
  // back what it changed on the host.
  void capture_side_by_side(const std::function<void()>& prepare, const std::function<void()>& work,
                            const LaneOptions& options);
  void replay();

  [[nodiscard]] bool is_captured() const;
  [[nodiscard]] int num_lanes() const;
  [[nodiscard]] std::size_t num_nodes() const;     // kernels, copies and fills
  [[nodiscard]] std::size_t memory_bytes() const;  // that it keeps

 private:
  void require_none() const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether what the device is given now is recorded.
[[nodiscard]] bool is_capturing(Device device);

// Of the graph that this thread captures: scratch memory for one lane (lanes.h) alone.
[[nodiscard]] MemoryPool& lane_memory(Device device, int lane);

// For what a layer does on the host at each pass (counting batches): does it now, or, while this
// thread captures a graph, at each of its replays.
void each_pass(const std::function<void()>& effect);

}  // namespace akimbo
