// Ops name all the memory that their kernels touch: streams that run side by side wait for what is
// named and for nothing else (engine/core/work_watcher.h). The emulator knows what is touched.
#include <map>
#include <string>

#include "engine/core/device_allocator.h"
#include "engine/core/work_watcher.h"
#include "kernels/common/exec.h"
#include "kernels/cuda/emulator/access_watch.h"
#include "kernels/cuda/emulator/race.h"
#include "tests/apps/device/tiny_training.h"

namespace akimbo::apps {
namespace {

namespace emulator = kernels::device::emulator;

// Lets ops run at once, and holds each access of their kernels against what they named.
class OperandCheck final : public WorkWatcher {
 public:
  OperandCheck() : WorkWatcher(kGpu), allocator_(device_allocator(0)) {
    current_ = this;
    emulator::watch_accesses([](const void* pointer, std::size_t, bool is_write) {
      current_->touch(pointer, is_write);
    });
  }
  ~OperandCheck() override { emulator::watch_accesses(nullptr); }

  void* allocate(std::size_t bytes) override {
    void* pointer = allocator_.allocate(bytes);
    if (in_op_) named_[pointer] = true;
    return pointer;
  }
  bool free(void* pointer) noexcept override {
    latest_ = nullptr;
    named_.erase(pointer);
    return false;
  }
  void access(const void* pointer, bool writes) override {
    bool& may_write = named_[allocator_.block_of(pointer)];
    may_write = may_write || writes;
  }
  kernels::Exec begin_op(const kernels::Exec& exec) override {
    in_op_ = true;
    ++num_ops;
    return exec;
  }
  void end_op() noexcept override {
    in_op_ = false;
    latest_ = nullptr;
    named_.clear();
  }

  int num_ops = 0;
  std::size_t num_accesses = 0;
  std::string problem;

 private:
  void touch(const void* pointer, bool is_write) {
    const auto at = static_cast<const char*>(pointer);
    if (latest_ != nullptr && at >= latest_ && at < latest_ + 64 && is_write <= latest_may_write_) {
      return;
    }
    const void* block = allocator_.block_of(pointer);
    if (block == nullptr) return;  // shared memory, arguments
    ++num_accesses;
    const auto found = named_.find(block);
    if (found != named_.end() && (found->second || !is_write)) {
      latest_ = block == allocator_.block_of(at + 63) ? at : nullptr;
      latest_may_write_ = found->second;
    } else if (problem.empty()) {
      problem = "op " + std::to_string(num_ops) + (is_write ? " writes" : " reads") +
                " memory that it does not name";
    }
  }

  static inline OperandCheck* current_ = nullptr;
  DeviceAllocator& allocator_;
  std::map<const void*, bool> named_;  // blocks, and whether the op may write to them
  bool in_op_ = false;
  const char* latest_ = nullptr;  // 64 bytes of a block that was found last
  bool latest_may_write_ = false;
};

class DeviceOperands : public DeviceTraining {};

void expect_all_named(const Config& config) {
  if (!emulator::can_check_races()) GTEST_SKIP() << "kernels are not compiled to be watched";
  TinyTraining run(config, kGpu);
  OperandCheck check;
  (void)run.train(0, 1);
  EXPECT_GT(check.num_ops, 150);
  EXPECT_GT(check.num_accesses, 1000u);
  EXPECT_EQ(check.problem, "");
}

TEST_F(DeviceOperands, AreNamedResnet) {
  Config config = tiny_config();
  config.train.clip_norm = 0.1;
  config.train.ema_decay = 0.9;
  expect_all_named(config);
}
TEST_F(DeviceOperands, AreNamedHrnetBf16) {
  Config config = tiny_hrnet_config();
  config.train.precision = "bf16";
  config.train.optimizer.type = "sgd";
  expect_all_named(config);
}
TEST_F(DeviceOperands, AreNamedResnetF16) {
  Config config = tiny_config();
  config.train.precision = "f16";
  config.train.deterministic = false;
  expect_all_named(config);
}

}  // namespace
}  // namespace akimbo::apps
