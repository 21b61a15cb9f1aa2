// Remembers which tensors were written to, for work that is repeated without running its code (a
// graph's replay): the check of saved tensors and prepared forms of weights go by the number of
// writes.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace akimbo {

class WriteRecorder {
 public:
  // Records the writes of this thread, until stop(), to tensors that were there before.
  WriteRecorder();
  ~WriteRecorder();
  WriteRecorder(const WriteRecorder&) = delete;
  WriteRecorder& operator=(const WriteRecorder&) = delete;

  void stop();
  // One more write to each recorded tensor, which is kept alive till then.
  void count_writes();

  // Called by Tensor.
  [[nodiscard]] std::uint64_t id() const { return id_; }
  void add(std::uint64_t* version, std::shared_ptr<void> owner);

 private:
  std::uint64_t id_ = 0;  // from 1 on
  WriteRecorder* previous_;
  std::unordered_map<std::uint64_t*, std::shared_ptr<void>> written_;
};

}  // namespace akimbo
