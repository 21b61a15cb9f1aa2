// What sm_90a adds to the device header: copies of whole tiles by the tensor memory accelerator
// (TMA), barriers in shared memory that count bytes (mbarrier), and matrix products of four warps
// that read shared memory themselves (wgmma). Built by nvcc the names are PTX
// (hopper_hardware.cuh); built by g++ they are the emulator's (emulator/hopper.h). "PTX ISA" below
// is NVIDIA's document of that name, version 8.0 or newer.
//
// A kernel of these compiles for every architecture; where the code is not for sm_90a it traps, and
// host code asks runs_hopper_code() (tensor_map.h) first.
//
//   Barrier                                an mbarrier: in shared memory, aligned to 8 bytes
//   barrier_init(barrier, arrivals)        by one thread; then fence_barrier_init(), sync_block()
//   barrier_arrive(barrier)                one arrival; releases this thread's earlier writes
//   barrier_arrive_expect(barrier, bytes)  one arrival, and `bytes` more to come by copies
//   barrier_wait(barrier, parity)          until the phase of this parity (0, 1, 0, ...) is over,
//                                          its arrivals made and its bytes come
//   copy_tensor_2d, _3d, _4d(to, &map, barrier, c0, c1, ...)
//                                          by one thread: the map's box at these coordinates to
//                                          shared memory; counts its bytes off the barrier, those
//                                          outside the tensor (written as 0) too
//   copy_tensor_im2col(to, &map, barrier, c, w, h, n, offset_w, offset_h)
//                                          pixels_per_column pixels from base pixel (w, h) of image
//                                          n on, which is one of the map's box: lower + q stride;
//                                          offsets are 0 to 255
//   prefetch_tensor_map(&map)
//   matrix_descriptor(shared, layout)      where wgmma finds an operand
//   wgmma_fence(), wgmma<T, N, order_a, order_b>(d, a, b, accumulate), wgmma_commit(),
//   wgmma_wait<N>()                        by all 128 threads of a warpgroup: warps 4k to 4k + 3
//   wgmma_result(d)                        after the wait, before d is touched
//   accumulator_place(i)                   row and column of d[i] of this thread
//   fence_async_shared()                   ordinary writes of shared memory before TMA or wgmma
//   sync_threads(id, count)                barrier 1 to 15 of `count` threads, whole warps
//   swizzled_shared<T>()                   dynamic_shared<T>(), aligned to 1024 bytes
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/tensor_map.h"

namespace akimbo::kernels::device {

using Barrier = std::uint64_t;
// Which of an operand's two dimensions is contiguous.
enum class Order { k_major, mn_major };

}  // namespace akimbo::kernels::device

#if AKIMBO_EMULATED
#include "kernels/cuda/emulator/hopper.h"
#else
#include "kernels/cuda/hopper_hardware.cuh"
#endif

namespace akimbo::kernels::device {

// ---- operands of wgmma ----

// Where an operand in shared memory has its elements, all offsets in bytes. A tile of copy_tensor
// or copy_tensor_im2col with a swizzled map is one `span` (swizzle_bytes) wide, and has rows of one
// span each. Units of the definitions in the PTX ISA ("Strides" and "Shared memory matrix layout"
// of wgmma) are chunks of 16 bytes; CUTLASS has the same as canonical layouts
// (mma_traits_sm90_gmma).
//   k_major: a row of the tile holds span / 2 elements of K; rows are those of M (N).
//     stride_bytes: from 8 rows to the next 8. leading_bytes: not used when swizzled.
//   mn_major: a row of the tile holds span / 2 elements of M (N); rows are those of K.
//     stride_bytes: from 8 rows (of K) to the next 8. leading_bytes: from span / 2 elements of M
//     (N) to the next as many.
//   Without swizzle ("interleaved") blocks of 8 rows x 16 bytes lie in one piece. k_major:
//     leading_bytes from block to block in K, stride_bytes in M (N); mn_major: leading_bytes from
//     8 rows of K to the next 8, stride_bytes from 8 elements of M (N) to the next.
struct MatrixLayout {
  Swizzle swizzle = Swizzle::bytes_128;
  int leading_bytes = 0, stride_bytes = 0;
};

// Of a tile whose rows of one span lie one after another; not for Swizzle::none.
__host__ __device__ constexpr MatrixLayout k_major_layout(Swizzle swizzle) {
  return {swizzle, 16, swizzle_period(swizzle)};
}
// `leading_bytes` from one tile to the next along M (N).
__host__ __device__ constexpr MatrixLayout mn_major_layout(Swizzle swizzle, int leading_bytes) {
  return {swizzle, leading_bytes, swizzle_period(swizzle)};
}

// PTX ISA, "Matrix descriptor format": bits 0-13 start address, 16-29 leading_bytes, 32-45
// stride_bytes, all / 16; 49-51 base offset; 62-63 swizzle: 1 = 128, 2 = 64, 3 = 32 bytes. The base
// offset is 0, that is, tiles start at multiples of swizzle_period(). The next 16 of K are 32 bytes
// (k_major) or 16 rows (mn_major) further: give matrix_descriptor the pointer to them.
__device__ __forceinline__ std::uint64_t matrix_descriptor(const void* shared,
                                                           const MatrixLayout& layout) {
  const auto field = [](unsigned bytes) {
    return static_cast<std::uint64_t>((bytes & 0x3ffffu) >> 4);
  };
  const auto mode = static_cast<std::uint64_t>((4 - static_cast<int>(layout.swizzle)) % 4);
  return field(shared_address(shared)) | field(static_cast<unsigned>(layout.leading_bytes)) << 16 |
         field(static_cast<unsigned>(layout.stride_bytes)) << 32 | mode << 62;
}

// ---- the result of wgmma ----

struct AccumulatorPlace {
  int row, column;
};

// In [64, N], of d[i] of this thread. PTX ISA, "Register fragments of wgmma.mma_async.m64nNk16",
// figure of D: a warp has 16 rows, a lane pairs of columns in rows g and g + 8.
__device__ __forceinline__ AccumulatorPlace accumulator_place(int i) {
  const int lane = lane_index();
  return {warp_index() % 4 * 16 + lane / 4 + i / 2 % 2 * 8, i / 4 * 8 + lane % 4 * 2 + i % 2};
}

}  // namespace akimbo::kernels::device
