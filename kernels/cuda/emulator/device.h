// The device header under g++: the names of CUDA and of hardware.cuh, run by fibers. See
// kernels/cuda/device.cuh for the list and docs/cuda.md for how it works.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/common/dtype.h"
#include "kernels/common/exec.h"
#include "kernels/cuda/emulator/block.h"
#include "kernels/cuda/emulator/fragments.h"
#include "kernels/cuda/emulator/indices.h"
#include "kernels/cuda/emulator/launches.h"
#include "kernels/cuda/emulator/sites.h"
#include "kernels/cuda/emulator/stream.h"
#include "kernels/cuda/launch_shape.h"
#include "kernels/device_runtime.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

#define AKIMBO_SHARED_ARRAY(T, name, count)                                          \
  T* const name = static_cast<T*>(::akimbo::kernels::device::emulator::shared_array( \
      [] {                                                                           \
        static const char tag = 0;                                                   \
        return &tag;                                                                 \
      }(),                                                                           \
      #name, sizeof(T) * (count), 16))

namespace akimbo::kernels::device {

using emulator::Where;

// ---- memory ----

template <typename T>
T* dynamic_shared(const Where& where = Where::current()) {
  return static_cast<T*>(emulator::dynamic_shared_memory(128, where));
}

template <int Bytes>
void require_aligned(const void* pointer, const Where& where) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % Bytes != 0) {
    emulator::fault("an access of " + std::to_string(Bytes) + " bytes at an address that is not" +
                        " a multiple of it",
                    where);
  }
}

template <int Bytes>
inline void load_bytes(void* to, const void* from, const Where& where = Where::current()) {
  require_aligned<Bytes>(from, where);
  std::memcpy(to, from, Bytes);
}
template <int Bytes>
inline void store_bytes(void* to, const void* from, const Where& where = Where::current()) {
  require_aligned<Bytes>(to, where);
  std::memcpy(to, from, Bytes);
}

// ---- element types ----

inline float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
inline std::uint16_t float_to_bf16(float value) { return BFloat16(value).bits; }
inline float f16_to_float(std::uint16_t bits) {
  Float16 half;
  half.bits = bits;
  return static_cast<float>(half);
}
inline std::uint16_t float_to_f16(float value) { return Float16(value).bits; }
inline std::uint32_t to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;  // NaN
  // Ties go away from zero: half of the last kept bit is added to the magnitude.
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

// ---- barriers and warp collectives ----

inline void sync_block(const Where& where = Where::current()) {
  if (!emulator::is_mutated("sync_block", where)) emulator::wait_for_block(where);
}
inline void sync_warp(const Where& where = Where::current()) {
  if (emulator::is_mutated("sync_warp", where)) return;
  emulator::meet_warp(
      "sync_warp", nullptr, [](void* const*) {}, where);
}

struct ShuffleOperand {
  std::uint64_t value, result;
  int source;
};

template <typename T>
T shuffle_from(const char* what, T value, int source, const Where& where) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  ShuffleOperand operand{.value = 0, .result = 0, .source = source};
  if (emulator::is_mutated(what, where)) return value;
  std::memcpy(&operand.value, &value, sizeof(T));
  emulator::meet_warp(
      what, &operand,
      [](void* const* operands) {
        for (int lane = 0; lane < 32; ++lane) {
          auto& mine = *static_cast<ShuffleOperand*>(operands[lane]);
          mine.result = static_cast<const ShuffleOperand*>(operands[mine.source])->value;
        }
      },
      where);
  std::memcpy(&value, &operand.result, sizeof(T));
  return value;
}

template <typename T>
T shuffle(T value, int lane, const Where& where = Where::current()) {
  return shuffle_from("shuffle", value, lane & 31, where);
}
template <typename T>
T shuffle_xor(T value, int lane_mask, const Where& where = Where::current()) {
  return shuffle_from("shuffle_xor", value, (emulator::current_lane() ^ lane_mask) & 31, where);
}
template <typename T>
T shuffle_down(T value, int delta, const Where& where = Where::current()) {
  const int lane = emulator::current_lane();
  return shuffle_from("shuffle_down", value, lane + delta < 32 ? lane + delta : lane, where);
}
template <typename T>
T shuffle_up(T value, int delta, const Where& where = Where::current()) {
  const int lane = emulator::current_lane();
  return shuffle_from("shuffle_up", value, lane >= delta ? lane - delta : lane, where);
}

inline std::uint32_t vote(const char* what, bool value, const Where& where) {
  struct Operand {
    bool value;
    std::uint32_t result;
  } operand{value, 0};
  emulator::meet_warp(
      what, &operand,
      [](void* const* operands) {
        std::uint32_t mask = 0;
        for (int lane = 0; lane < 32; ++lane) {
          mask |= static_cast<std::uint32_t>(static_cast<const Operand*>(operands[lane])->value)
                  << lane;
        }
        for (int lane = 0; lane < 32; ++lane) {
          static_cast<Operand*>(operands[lane])->result = mask;
        }
      },
      where);
  return operand.result;
}
inline std::uint32_t ballot(bool value, const Where& where = Where::current()) {
  return vote("ballot", value, where);
}
inline bool any(bool value, const Where& where = Where::current()) {
  return vote("any", value, where) != 0;
}
inline bool all(bool value, const Where& where = Where::current()) {
  return vote("all", value, where) == 0xffffffffu;
}

// ---- atomics: all return the old value ----

template <typename T>
T atomic_add(T* target, T value) {
  return std::atomic_ref<T>(*target).fetch_add(value, std::memory_order_relaxed);
}
inline int atomic_max(int* target, int value) {
  std::atomic_ref<int> reference(*target);
  int old = reference.load(std::memory_order_relaxed);
  while (old < value && !reference.compare_exchange_weak(old, value, std::memory_order_relaxed)) {
  }
  return old;
}
inline std::uint32_t atomic_cas(std::uint32_t* target, std::uint32_t expected,
                                std::uint32_t value) {
  std::atomic_ref<std::uint32_t>(*target).compare_exchange_strong(expected, value,
                                                                  std::memory_order_relaxed);
  return expected;
}
inline void fence_device() { emulator::fence_device(); }

// ---- asynchronous copies ----

inline void copy_async_16(void* to, const void* from, bool valid = true,
                          const Where& where = Where::current()) {
  emulator::issue_copy("copy_async_16", to, from, 16, valid, where);
}
inline void copy_async_8(void* to, const void* from, bool valid = true,
                         const Where& where = Where::current()) {
  emulator::issue_copy("copy_async_8", to, from, 8, valid, where);
}
inline void copy_async_4(void* to, const void* from, bool valid = true,
                         const Where& where = Where::current()) {
  emulator::issue_copy("copy_async_4", to, from, 4, valid, where);
}
inline void commit_copies(const Where& where = Where::current()) {
  if (!emulator::is_mutated("commit_copies", where)) emulator::commit_copies();
}
template <int N>
void wait_copies(const Where& where = Where::current()) {
  if (!emulator::is_mutated("wait_copies", where)) emulator::wait_copies(N);
}

// ---- tensor cores ----

inline void load_matrix_x4(std::uint32_t (&r)[4], const void* row,
                           const Where& where = Where::current()) {
  emulator::load_matrix("load_matrix_x4", r, 4, row, false, where);
}
inline void load_matrix_x4_trans(std::uint32_t (&r)[4], const void* row,
                                 const Where& where = Where::current()) {
  emulator::load_matrix("load_matrix_x4_trans", r, 4, row, true, where);
}
inline void load_matrix_x2(std::uint32_t (&r)[2], const void* row,
                           const Where& where = Where::current()) {
  emulator::load_matrix("load_matrix_x2", r, 2, row, false, where);
}
inline void load_matrix_x2_trans(std::uint32_t (&r)[2], const void* row,
                                 const Where& where = Where::current()) {
  emulator::load_matrix("load_matrix_x2_trans", r, 2, row, true, where);
}
inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     const Where& where = Where::current()) {
  emulator::multiply_add(emulator::Fragment::bf16, d, a, b, where);
}
inline void mma_f16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                    const Where& where = Where::current()) {
  emulator::multiply_add(emulator::Fragment::f16, d, a, b, where);
}
inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     const Where& where = Where::current()) {
  emulator::multiply_add(emulator::Fragment::tf32, d, a, b, where);
}

// ---- launch ----

// The stream runs the work now, later, or whenever a graph is replayed.
template <typename... Parameters, typename... Arguments>
void launch(const Exec& exec, const char* name, const LaunchShape& shape,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  require_launchable(name, shape);
  if (shape.grid.volume() == 0) return;
  // A kernel's parameters are copies taken at the launch.
  const std::tuple<std::remove_const_t<Parameters>...> copies(
      static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  cuda::emulator::enqueue(exec.stream, [=] {
    cuda::emulator::note_run(name);
    emulator::run_grid(name, shape, [&] { std::apply(kernel, copies); });
  });
  cuda::check_launch(name, exec.stream);
}

}  // namespace akimbo::kernels::device
