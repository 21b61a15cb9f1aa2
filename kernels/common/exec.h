// How a kernel is to run: on which stream, with which scratch memory, how strictly.
#pragma once

#include <cstddef>

namespace akimbo::kernels {

// Scratch memory of the device that a kernel runs on, given back when the object ends. A kernel
// never allocates by itself.
class ScratchSource {
 public:
  virtual ~ScratchSource() = default;
  // At least `bytes` bytes, aligned to 64; throws when memory is out.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* pointer) noexcept = 0;
};

struct Exec {
  ScratchSource* scratch = nullptr;
  void* stream = nullptr;     // CUDA stream; unused on the CPU
  bool deterministic = true;  // CUDA: choose order-independent variants
  bool tf32 = false;          // CUDA: products of f32 may round their factors to tf32
};

template <typename T>
class Scratch {
 public:
  Scratch(const Exec& exec, std::size_t count)
      : source_(exec.scratch), data_(static_cast<T*>(source_->allocate(count * sizeof(T)))) {}
  ~Scratch() { source_->release(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] T* data() const { return data_; }
  T& operator[](std::size_t i) const { return data_[i]; }

 private:
  ScratchSource* source_;
  T* data_;
};

}  // namespace akimbo::kernels
