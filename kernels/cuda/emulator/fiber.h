// A stack of its own on which a function runs, stops in its middle and goes on later. Stacks are
// mapped once and used again; the sanitizers are told of every switch.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <cstdint>

namespace akimbo::kernels::device::emulator {

class Fiber {
 public:
  using Body = void (*)(void* argument);

  Fiber();
  ~Fiber();  // the body must have returned
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Outside: the next resume() calls body(argument).
  void start(Body body, void* argument);
  // Outside: runs the body until it suspends or returns; true when it returned.
  bool resume();
  // Inside the body: back to resume(), until that is called again.
  void suspend();

  [[nodiscard]] std::uintptr_t stack_begin() const;
  [[nodiscard]] std::uintptr_t stack_end() const;

 private:
  void run_bodies();
  void enter();
  void leave(bool for_good);

  std::byte* memory_ = nullptr;  // lowest page is a guard
  boost::context::fiber inside_, outside_;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  bool returned_ = true, quit_ = false;
  // What AddressSanitizer keeps of the stack that is left, and the bounds of the one returned to.
  void* outside_fake_stack_ = nullptr;
  void* inside_fake_stack_ = nullptr;
  const void* outside_bottom_ = nullptr;
  std::size_t outside_bytes_ = 0;
};

}  // namespace akimbo::kernels::device::emulator
