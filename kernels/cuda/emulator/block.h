// One block of an emulated grid: its threads as fibers, its shared memory, its barriers. What the
// device functions of emulator/device.h call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>

#include "kernels/cuda/launch_shape.h"

namespace akimbo::kernels::device::emulator {

using Where = std::source_location;

// The order in which threads run between barriers, and blocks in a grid, is a function of the seed,
// the kernel's name and the block. AKIMBO_EMULATOR_SEED sets it at start (default 1).
void set_seed(std::uint64_t seed);
[[nodiscard]] std::uint64_t seed();

// Runs body() for every thread of every block, one block after another. Throws DeviceFailure that
// names kernel, block and thread when the kernel breaks a rule.
void run_grid(const char* name, const LaunchShape& shape, const std::function<void()>& body);

// ---- inside a kernel ----

[[noreturn]] void fault(const std::string& what, const Where& where);

void wait_for_block(const Where& where);
void fence_device();

// Returns when all 32 lanes of the warp have come with the same operation from the same line. The
// last to arrive calls complete once, with every lane's operand, while the others stand still.
using Complete = void (*)(void* const* operands);
void meet_warp(const char* what, void* operand, Complete complete, const Where& where);
// The same of the 128 threads of a warpgroup.
void meet_warpgroup(const char* what, void* operand, Complete complete, const Where& where);
// Barrier 1 to 15 of `count` threads, of whichever come first.
void wait_for_threads(int id, int count, const Where& where);

// The block's static shared array of a declaration, known by its tag; garbage at first.
void* shared_array(const void* tag, const char* name, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory(std::size_t alignment, const Where& where);

void issue_copy(const char* what, void* to, const void* from, int bytes, bool valid,
                const Where& where);
void commit_copies();
void wait_copies(int newest);

}  // namespace akimbo::kernels::device::emulator
