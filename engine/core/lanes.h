// Streams beside each other inside a captured graph (graph.h), for work of which the parts do not
// need each other: small kernels leave most of a GPU idle, and the branches of a network can fill
// it together.
#pragma once

#include <functional>
#include <memory>

#include "engine/core/device.h"

namespace akimbo {

// Lane 0 is the device's own stream. Used while this thread captures a graph; not needed for its
// replays.
class Lanes {
 public:
  Lanes(Device device, int count);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  [[nodiscard]] Device device() const;

  // From now on the lanes run side by side.
  void fork();
  // In a lane other than 0 the graph has scratch memory for this lane alone, which no other lane's
  // work is given; what lanes read and write beside that must be in memory that none of them
  // allocated meanwhile.
  void run(int lane, const std::function<void()>& work);
  [[nodiscard]] void* stream(int lane) const;
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
