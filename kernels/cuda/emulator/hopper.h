// hopper.cuh under g++: what sm_90a adds, run by fibers. Included by it
// alone.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/common/dtype.h"
#include "kernels/cuda/emulator/block.h"
#include "kernels/cuda/emulator/sites.h"
#include "kernels/cuda/emulator/tensor_map.h"
#include "kernels/cuda/emulator/wgmma.h"
#include "kernels/cuda/tensor_map.h"

#define AKIMBO_GRID_CONSTANT

// g++ notes that kernels with tensor maps, aligned to 64 bytes, pass them as GCC 4.5 did not.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace akimbo::kernels::device {

namespace emulator {

[[nodiscard]] unsigned shared_address(const void* pointer, const Where& where);
void init_barrier(std::uint64_t* barrier, int arrivals, const Where& where);
void fence_barrier_init();
void arrive(std::uint64_t* barrier, int bytes, const Where& where);
void wait_for_barrier(std::uint64_t* barrier, int parity, const Where& where);
void copy_tensor(const char* what, void* to, const TensorMap* map, std::uint64_t* barrier,
                 TensorPlace place, const Where& where);
void fence_async_shared();
void fence_products(const Where& where);
void commit_products(const Where& where);
void wait_products(int newest, const Where& where);
void multiply_group(const ProductShape& shape, float* d, std::uint64_t a, std::uint64_t b,
                    bool accumulate, const Where& where);

}  // namespace emulator

template <typename T>
T* swizzled_shared(const Where& where = Where::current()) {
  return static_cast<T*>(emulator::dynamic_shared_memory(1024, where));
}
inline unsigned shared_address(const void* pointer, const Where& where = Where::current()) {
  return emulator::shared_address(pointer, where);
}

// ---- mbarrier ----

inline void barrier_init(Barrier* barrier, int arrivals, const Where& where = Where::current()) {
  emulator::init_barrier(barrier, arrivals, where);
}
inline void fence_barrier_init(const Where& where = Where::current()) {
  if (!emulator::is_mutated("fence_barrier_init", where)) emulator::fence_barrier_init();
}
inline void barrier_arrive(Barrier* barrier, const Where& where = Where::current()) {
  if (!emulator::is_mutated("barrier_arrive", where)) emulator::arrive(barrier, 0, where);
}
inline void barrier_arrive_expect(Barrier* barrier, int bytes,
                                  const Where& where = Where::current()) {
  if (emulator::is_mutated("barrier_arrive_expect", where)) bytes -= 16;
  emulator::arrive(barrier, bytes, where);
}
inline void barrier_wait(Barrier* barrier, int parity, const Where& where = Where::current()) {
  if (!emulator::is_mutated("barrier_wait", where)) {
    emulator::wait_for_barrier(barrier, parity, where);
  }
}

// ---- TMA ----

inline void prefetch_tensor_map(const TensorMap*) {}
inline void copy_tensor_2d(void* to, const TensorMap* map, Barrier* barrier, int c0, int c1,
                           const Where& where = Where::current()) {
  emulator::copy_tensor("copy_tensor_2d", to, map, barrier, {2, false, {c0, c1}, {}}, where);
}
inline void copy_tensor_3d(void* to, const TensorMap* map, Barrier* barrier, int c0, int c1, int c2,
                           const Where& where = Where::current()) {
  emulator::copy_tensor("copy_tensor_3d", to, map, barrier, {3, false, {c0, c1, c2}, {}}, where);
}
inline void copy_tensor_4d(void* to, const TensorMap* map, Barrier* barrier, int c0, int c1, int c2,
                           int c3, const Where& where = Where::current()) {
  emulator::copy_tensor("copy_tensor_4d", to, map, barrier, {4, false, {c0, c1, c2, c3}, {}},
                        where);
}
inline void copy_tensor_im2col(void* to, const TensorMap* map, Barrier* barrier, int c, int w,
                               int h, int n, int offset_w, int offset_h,
                               const Where& where = Where::current()) {
  emulator::copy_tensor("copy_tensor_im2col", to, map, barrier,
                        {4, true, {c, w, h, n}, {offset_w, offset_h}}, where);
}

// ---- synchronisation ----

inline void fence_async_shared(const Where& where = Where::current()) {
  if (!emulator::is_mutated("fence_async_shared", where)) emulator::fence_async_shared();
}
inline void sync_threads(int id, int count, const Where& where = Where::current()) {
  if (!emulator::is_mutated("sync_threads", where)) emulator::wait_for_threads(id, count, where);
}

// ---- wgmma ----

inline void wgmma_fence(const Where& where = Where::current()) {
  if (!emulator::is_mutated("wgmma_fence", where)) emulator::fence_products(where);
}
inline void wgmma_commit(const Where& where = Where::current()) {
  if (!emulator::is_mutated("wgmma_commit", where)) emulator::commit_products(where);
}
template <int N>
void wgmma_wait(const Where& where = Where::current()) {
  static_assert(N >= 0 && N <= 7);
  if (!emulator::is_mutated("wgmma_wait", where)) emulator::wait_products(N, where);
}
template <int N>
void wgmma_result(float (&)[N]) {}
template <typename T, int N, Order kOrderA, Order kOrderB>
void wgmma(float (&d)[N / 2], std::uint64_t desc_a, std::uint64_t desc_b, bool accumulate,
           const Where& where = Where::current()) {
  static_assert(std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>);
  static_assert(N == 32 || N == 64 || N == 96 || N == 128 || N == 192 || N == 256);
  emulator::multiply_group({.is_bf16 = std::is_same_v<T, BFloat16>,
                            .n = N,
                            .a_is_k_major = kOrderA == Order::k_major,
                            .b_is_k_major = kOrderB == Order::k_major},
                           d, desc_a, desc_b, accumulate, where);
}

}  // namespace akimbo::kernels::device
