#include "kernels/cuda/emulator/fiber.h"

#include <sys/mman.h>

#include <boost/context/preallocated.hpp>
#include <memory>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace akimbo::kernels::device::emulator {
namespace {

// Kernels keep little on the stack (a few KB of accumulators); sanitizers and unoptimised builds
// make frames several times larger. Pages are committed when touched only.
constexpr std::size_t kStackBytes = std::size_t{256} << 10;
constexpr std::size_t kGuardBytes = 4096;

// The stack belongs to the Fiber object, so there is nothing to give back.
struct KeepStack {
  boost::context::stack_context allocate() { return {}; }
  void deallocate(boost::context::stack_context&) {}
};

}  // namespace

Fiber::Fiber() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  mprotect(memory_, kGuardBytes, PROT_NONE);
  boost::context::stack_context stack;
  stack.size = kStackBytes;
  stack.sp = memory_ + kGuardBytes + kStackBytes;
  inside_ = boost::context::fiber(std::allocator_arg,
                                  boost::context::preallocated(stack.sp, stack.size, stack),
                                  KeepStack{}, [this](boost::context::fiber&& outside) {
                                    outside_ = std::move(outside);
                                    run_bodies();
                                    return std::move(outside_);
                                  });
}

Fiber::~Fiber() {
  quit_ = true;
  resume();
  munmap(memory_, kGuardBytes + kStackBytes);
}

std::uintptr_t Fiber::stack_begin() const {
  return reinterpret_cast<std::uintptr_t>(memory_) + kGuardBytes;
}
std::uintptr_t Fiber::stack_end() const { return stack_begin() + kStackBytes; }

void Fiber::start(Body body, void* argument) {
  body_ = body;
  argument_ = argument;
  returned_ = false;
}

bool Fiber::resume() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&outside_fake_stack_, memory_ + kGuardBytes, kStackBytes);
#endif
  inside_ = std::move(inside_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(outside_fake_stack_, nullptr, nullptr);
#endif
  return returned_;
}

void Fiber::suspend() {
  leave(false);
  outside_ = std::move(outside_).resume();
  enter();
}

void Fiber::run_bodies() {
  enter();
  while (!quit_) {
    body_(argument_);
    returned_ = true;
    suspend();
  }
  leave(true);
}

void Fiber::enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(inside_fake_stack_, &outside_bottom_, &outside_bytes_);
#endif
}

void Fiber::leave([[maybe_unused]] bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &inside_fake_stack_, outside_bottom_,
                                 outside_bytes_);
#endif
}

}  // namespace akimbo::kernels::device::emulator
