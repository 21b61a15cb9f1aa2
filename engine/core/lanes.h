// Streams beside each other inside a captured graph (graph.h), for work of which the parts do not
// need each other: small kernels leave most of a GPU idle, and the branches of a network can fill
// it together.
#pragma once

#include <functional>
#include <memory>

#include "engine/core/device.h"

namespace akimbo {

// Lane 0 is the device's own stream. Each other lane has scratch memory of its own, which no other
// lane's work is given; what they read and write beside that must be in memory that no lane
// allocated meanwhile. Must outlive the graphs that were captured with it.
class Lanes {
 public:
  Lanes(Device device, int count);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // While this thread captures a graph: from now on the lanes run side by side.
  void fork();
  void run(int lane, const std::function<void()>& work);
  // The place in a lane's work so far, and that a lane's later work comes after such a place.
  [[nodiscard]] int mark(int lane);
  void wait(int lane, int mark);
  // What the device is given next comes after all lanes' work.
  void join();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akimbo
