// What some work gives to a GPU, written down: its ops in order, the memory that each reads and
// writes, and the order in which memory was allocated and freed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "engine/core/device.h"

namespace akimbo {

struct WorkRecord {
  // A block of memory: of the work itself, or one that was there before (weights, inputs).
  struct Value {
    std::size_t bytes = 0;
    bool is_own = false;
    bool outlives = false;       // an own one that was not freed when the work ended
    const void* base = nullptr;  // of one that was there before
  };
  struct Access {
    int value = 0;
    bool writes = false;
  };
  struct Op {
    std::vector<Access> accesses;
    std::size_t num_notes = 0;  // in `notes` when the op had ended
  };
  // Every naming of memory, in order: what a second run of the work must repeat.
  struct Note {
    int value = 0;
    std::size_t offset = 0;  // bytes from the value's beginning
    bool writes = false;
  };
  enum class EventKind { allocation, release, op };
  struct Event {
    EventKind kind;
    int index;  // of the value or op
  };

  std::vector<Value> values;
  std::vector<Op> ops;
  std::vector<Note> notes;
  std::vector<Event> events;
};

// Runs `work`, which is being captured on this thread and so computes nothing.
[[nodiscard]] WorkRecord record_work(Device device, const std::function<void()>& work);

}  // namespace akimbo
