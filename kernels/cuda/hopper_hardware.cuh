// hopper.cuh under nvcc: PTX of sm_90a, a trap elsewhere. Included by it alone.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/hardware.cuh"
#include "kernels/cuda/tensor_map.h"

#define AKIMBO_GRID_CONSTANT __grid_constant__

// Defined for sm_90a, not for sm_90 nor what PTX of an older architecture is translated to.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define AKIMBO_HOPPER_ASM(...) asm volatile(__VA_ARGS__)
#else
#define AKIMBO_HOPPER_ASM(...) __trap()
#endif

namespace akimbo::kernels::device {

// Beside akimbo_dynamic_shared: the same memory, but a kernel that names this one gets it aligned
// so that the tiles of every swizzle can start in it. Checked: wrong numbers would be the only
// sign.
template <typename T>
__device__ __forceinline__ T* swizzled_shared() {
  extern __shared__ __align__(1024) unsigned char akimbo_swizzled_shared[];
  if (shared_address(akimbo_swizzled_shared) % 1024 != 0) __trap();
  return reinterpret_cast<T*>(akimbo_swizzled_shared);
}

// ---- mbarrier ----

__device__ __forceinline__ void barrier_init(Barrier* barrier, int arrivals) {
  AKIMBO_HOPPER_ASM("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
                    "r"(arrivals)
                    : "memory");
}
// By the thread that called barrier_init: makes the barrier known to TMA (the async proxy) too.
__device__ __forceinline__ void fence_barrier_init() {
  AKIMBO_HOPPER_ASM("fence.mbarrier_init.release.cluster;" ::: "memory");
  AKIMBO_HOPPER_ASM("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(Barrier* barrier) {
  AKIMBO_HOPPER_ASM("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                    : "memory");
}
__device__ __forceinline__ void barrier_arrive_expect(Barrier* barrier, int bytes) {
  AKIMBO_HOPPER_ASM(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}
// try_wait sleeps in hardware for a while, then says whether the phase is over.
__device__ __forceinline__ void barrier_wait(Barrier* barrier, int parity) {
  AKIMBO_HOPPER_ASM(
      "{\n"
      ".reg .pred done;\n"
      "retry:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra retry;\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// ---- TMA ----

__device__ __forceinline__ void prefetch_tensor_map(const TensorMap* map) {
  AKIMBO_HOPPER_ASM("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

__device__ __forceinline__ void copy_tensor_2d(void* to, const TensorMap* map, Barrier* barrier,
                                               int c0, int c1) {
  AKIMBO_HOPPER_ASM(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1)
      : "memory");
}
__device__ __forceinline__ void copy_tensor_3d(void* to, const TensorMap* map, Barrier* barrier,
                                               int c0, int c1, int c2) {
  AKIMBO_HOPPER_ASM(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}
__device__ __forceinline__ void copy_tensor_4d(void* to, const TensorMap* map, Barrier* barrier,
                                               int c0, int c1, int c2, int c3) {
  AKIMBO_HOPPER_ASM(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}
__device__ __forceinline__ void copy_tensor_im2col(void* to, const TensorMap* map, Barrier* barrier,
                                                   int c, int w, int h, int n, int offset_w,
                                                   int offset_h) {
  AKIMBO_HOPPER_ASM(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c), "r"(w), "r"(h), "r"(n),
      "h"(static_cast<std::uint16_t>(offset_w)), "h"(static_cast<std::uint16_t>(offset_h))
      : "memory");
}

// ---- synchronisation ----

__device__ __forceinline__ void fence_async_shared() {
  AKIMBO_HOPPER_ASM("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void sync_threads(int id, int count) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}

// ---- wgmma ----

__device__ __forceinline__ void wgmma_fence() {
  AKIMBO_HOPPER_ASM("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  AKIMBO_HOPPER_ASM("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int N>
__device__ __forceinline__ void wgmma_wait() {
  static_assert(N >= 0 && N <= 7);
  AKIMBO_HOPPER_ASM("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

// The compiler does not see that a wait writes d: without this it may copy or move registers of d
// in front of the wait, and ptxas then waits after every single product.
template <int N>
__device__ __forceinline__ void wgmma_result(float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// The text of an instruction names every register of d. In sixteens: %n to %n+15, and the operands
// that they stand for.
#define AKIMBO_NAMES_0 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define AKIMBO_NAMES_1 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define AKIMBO_NAMES_2 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define AKIMBO_NAMES_3 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define AKIMBO_NAMES_4 "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define AKIMBO_NAMES_5 "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define AKIMBO_NAMES_6 "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111"
#define AKIMBO_NAMES_7 \
  "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define AKIMBO_FOUR(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define AKIMBO_16(i) AKIMBO_FOUR(i), AKIMBO_FOUR(i + 4), AKIMBO_FOUR(i + 8), AKIMBO_FOUR(i + 12)
#define AKIMBO_32(i) AKIMBO_16(i), AKIMBO_16(i + 16)
#define AKIMBO_64(i) AKIMBO_32(i), AKIMBO_32(i + 32)

// `inputs` are the numbers of the operands after d: both descriptors, accumulate, both orders.
#define AKIMBO_WGMMA(n, type, names, a, b, accumulates, order_a, order_b, ...) \
  AKIMBO_HOPPER_ASM(                                                           \
      "{\n"                                                                    \
      ".reg .pred accumulates;\n"                                              \
      "setp.ne.b32 accumulates, " accumulates                                  \
      ", 0;\n"                                                                 \
      "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type           \
      " "                                                                      \
      "{" names "}, " a ", " b ", accumulates, 1, 1, " order_a ", " order_b    \
      ";\n"                                                                    \
      "}\n"                                                                    \
      : __VA_ARGS__                                                            \
      : "l"(desc_a), "l"(desc_b), "r"(static_cast<int>(accumulate)),           \
        "n"(static_cast<int>(kOrderA)), "n"(static_cast<int>(kOrderB)))

// One shape for both types.
#define AKIMBO_WGMMA_SHAPE(n, names, a, b, accumulates, order_a, order_b, ...)        \
  if constexpr (std::is_same_v<T, BFloat16>) {                                        \
    AKIMBO_WGMMA(n, "bf16", names, a, b, accumulates, order_a, order_b, __VA_ARGS__); \
  } else {                                                                            \
    AKIMBO_WGMMA(n, "f16", names, a, b, accumulates, order_a, order_b, __VA_ARGS__);  \
  }

// d [64, N] (+)= a [64, 16] b [16, N], T bf16 or f16, sums in f32; accumulate or begin from 0. Runs
// on while the threads do: d is not to be touched before the wait. With wgmma_fence() before the
// first of a series, and wherever d was touched.
template <typename T, int N, Order kOrderA, Order kOrderB>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], std::uint64_t desc_a, std::uint64_t desc_b,
                                      bool accumulate) {
  static_assert(std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>);
  static_assert(N == 32 || N == 64 || N == 96 || N == 128 || N == 192 || N == 256);
  if constexpr (N == 32) {
    AKIMBO_WGMMA_SHAPE("32", AKIMBO_NAMES_0, "%16", "%17", "%18", "%19", "%20", AKIMBO_16(0))
  } else if constexpr (N == 64) {
    AKIMBO_WGMMA_SHAPE("64", AKIMBO_NAMES_0 "," AKIMBO_NAMES_1, "%32", "%33", "%34", "%35", "%36",
                       AKIMBO_32(0))
  } else if constexpr (N == 96) {
    AKIMBO_WGMMA_SHAPE("96", AKIMBO_NAMES_0 "," AKIMBO_NAMES_1 "," AKIMBO_NAMES_2, "%48", "%49",
                       "%50", "%51", "%52", AKIMBO_32(0), AKIMBO_16(32))
  } else if constexpr (N == 128) {
    AKIMBO_WGMMA_SHAPE("128",
                       AKIMBO_NAMES_0 "," AKIMBO_NAMES_1 "," AKIMBO_NAMES_2 "," AKIMBO_NAMES_3,
                       "%64", "%65", "%66", "%67", "%68", AKIMBO_64(0))
  } else if constexpr (N == 192) {
    AKIMBO_WGMMA_SHAPE("192",
                       AKIMBO_NAMES_0 "," AKIMBO_NAMES_1 "," AKIMBO_NAMES_2 "," AKIMBO_NAMES_3
                                      "," AKIMBO_NAMES_4 "," AKIMBO_NAMES_5,
                       "%96", "%97", "%98", "%99", "%100", AKIMBO_64(0), AKIMBO_32(64))
  } else {
    AKIMBO_WGMMA_SHAPE("256",
                       AKIMBO_NAMES_0 "," AKIMBO_NAMES_1 "," AKIMBO_NAMES_2 "," AKIMBO_NAMES_3
                                      "," AKIMBO_NAMES_4 "," AKIMBO_NAMES_5 "," AKIMBO_NAMES_6
                                      "," AKIMBO_NAMES_7,
                       "%128", "%129", "%130", "%131", "%132", AKIMBO_64(0), AKIMBO_64(64))
  }
}

#undef AKIMBO_WGMMA_SHAPE
#undef AKIMBO_WGMMA
#undef AKIMBO_64
#undef AKIMBO_32
#undef AKIMBO_16
#undef AKIMBO_FOUR
#undef AKIMBO_NAMES_0
#undef AKIMBO_NAMES_1
#undef AKIMBO_NAMES_2
#undef AKIMBO_NAMES_3
#undef AKIMBO_NAMES_4
#undef AKIMBO_NAMES_5
#undef AKIMBO_NAMES_6
#undef AKIMBO_NAMES_7

}  // namespace akimbo::kernels::device
