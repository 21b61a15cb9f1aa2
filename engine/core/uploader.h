// Batches on their way to a GPU while it computes: copies run on a stream of their own, into one of
// two sets of buffers, from pinned memory (Tensor::empty_pinned).
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo {

// What is to be sent of a tensor: all of it, or the first bytes of one that is u8 [B].
struct UploadPart {
  UploadPart(Tensor whole) : tensor(std::move(whole)) {}  // NOLINT: a tensor is such a part
  UploadPart(Tensor block, std::size_t front_bytes)
      : tensor(std::move(block)), num_bytes(front_bytes), is_front(true) {}
  Tensor tensor;
  std::size_t num_bytes = 0;
  bool is_front = false;
};

class Uploader {
 public:
  // On the CPU sets pass through as they are.
  explicit Uploader(Device device);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // Begins to copy a set (undefined tensors allowed), which is kept until the copy is done. One set
  // may be on its way at a time: throws Error before the last one was taken.
  void start(std::vector<UploadPart> sources);
  [[nodiscard]] bool has_started() const;
  // The set, on the device; of a front, u8 [num_bytes or more]. Good until the start() after the
  // next take().
  [[nodiscard]] std::vector<Tensor> take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akimbo
