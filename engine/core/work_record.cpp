#include "engine/core/work_record.h"

#include <unordered_map>

#include "engine/core/device_allocator.h"
#include "engine/core/error.h"
#include "engine/core/work_watcher.h"
#include "kernels/common/exec.h"

namespace akimbo {
namespace {

class WorkRecorder final : public WorkWatcher {
 public:
  explicit WorkRecorder(Device device)
      : WorkWatcher(device), allocator_(device_allocator(device.index)) {}

  void* allocate(std::size_t bytes) override {
    void* pointer = allocator_.allocate(bytes);
    const int value = add_value({.bytes = bytes, .is_own = true, .outlives = true}, pointer);
    record_.events.push_back({WorkRecord::EventKind::allocation, value});
    if (in_op_) pending_.push_back({value, true});
    return pointer;
  }

  bool free(void* pointer) noexcept override {
    const auto found = value_at_.find(pointer);
    if (found == value_at_.end()) return false;
    WorkRecord::Value& value = record_.values[static_cast<std::size_t>(found->second)];
    if (value.is_own) {
      value.outlives = false;
      record_.events.push_back({WorkRecord::EventKind::release, found->second});
    }
    value_at_.erase(found);
    return false;
  }

  void access(const void* pointer, bool writes) override {
    const void* base = allocator_.block_of(pointer);
    if (base == nullptr) throw Error("[graph] an op names memory that is not the device's");
    const auto found = value_at_.find(base);
    const int value = found != value_at_.end() ? found->second : add_value({.base = base}, base);
    const auto offset = static_cast<std::size_t>(static_cast<const char*>(pointer) -
                                                 static_cast<const char*>(base));
    record_.notes.push_back({value, offset, writes});
    pending_.push_back({value, writes});
  }

  kernels::Exec begin_op(const kernels::Exec& exec) override {
    if (in_op_) throw Error("[graph] an op was begun inside another");
    in_op_ = true;
    record_.events.push_back({WorkRecord::EventKind::op, static_cast<int>(record_.ops.size())});
    return exec;
  }

  void end_op() noexcept override {
    in_op_ = false;
    record_.ops.push_back({std::move(pending_), record_.notes.size()});
    pending_.clear();
  }

  WorkRecord take() { return std::move(record_); }

 private:
  int add_value(const WorkRecord::Value& value, const void* base) {
    record_.values.push_back(value);
    const int index = static_cast<int>(record_.values.size()) - 1;
    value_at_[base] = index;
    return index;
  }

  DeviceAllocator& allocator_;
  WorkRecord record_;
  std::unordered_map<const void*, int> value_at_;  // of the blocks that are used now
  std::vector<WorkRecord::Access> pending_;        // since the last op
  bool in_op_ = false;
};

}  // namespace

WorkRecord record_work(Device device, const std::function<void()>& work) {
  WorkRecorder recorder(device);
  work();
  return recorder.take();
}

}  // namespace akimbo
