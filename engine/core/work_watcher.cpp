#include "engine/core/work_watcher.h"

#include "engine/core/error.h"

namespace akimbo {
namespace {

thread_local WorkWatcher* t_watcher = nullptr;

}  // namespace

WorkWatcher::WorkWatcher(Device device) : device_(device) {
  if (t_watcher != nullptr) throw Error("[graph] this thread's work is watched already");
  t_watcher = this;
}

WorkWatcher::~WorkWatcher() { t_watcher = nullptr; }

WorkWatcher* work_watcher(Device device) {
  return t_watcher != nullptr && t_watcher->device() == device ? t_watcher : nullptr;
}

}  // namespace akimbo
