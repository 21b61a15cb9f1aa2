// Batches on their way to a GPU while it computes: copies run on a stream of their own, into one of
// two sets of buffers, from pinned memory (Tensor::empty_pinned).
#pragma once

#include <memory>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo {

class Uploader {
 public:
  // On the CPU sets pass through as they are.
  explicit Uploader(Device device);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // Begins to copy a set (undefined tensors allowed), which is kept until the copy is done. One set
  // may be on its way at a time: throws Error before the last one was taken.
  void start(std::vector<Tensor> sources);
  [[nodiscard]] bool has_started() const;
  // The set, on the device. Good until the start() after the next take().
  [[nodiscard]] std::vector<Tensor> take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akimbo
