// Operand tiles of a matrix product in shared memory: where an element lies, chosen so that neither
// the copies into the tile nor the reads of the arithmetic meet bank conflicts.
#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/gemm/gemm_order.h"

namespace akimbo::kernels::device {

// Tiles in shared memory keep the order of the operand (gemm_order.h).

// Rows of 16-byte pieces, the piece's place XORed with some bits of the row: eight consecutive rows
// (or eight rows that are 2^kSwizzleShift apart) keep the same piece in eight different bank
// groups. Rows of 64 bytes share the 128 bytes of all banks by twos, which gives one bit already.
template <typename T, int kRows_, int kColumns_, int kSwizzleShift>
struct SwizzledTile {
  static constexpr int kRows = kRows_, kColumns = kColumns_;
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(T));
  static constexpr int kBytes = kRows * kRowBytes;
  static_assert(kRowBytes == 64 || kRowBytes % 128 == 0, "tile rows are 64 bytes, or whole lines");

  // In bytes. Elements of one aligned 16-byte piece stay together.
  static __device__ __forceinline__ int offset(int row, int column) {
    const int byte = column * static_cast<int>(sizeof(T));
    const int swizzle =
        kRowBytes == 64 ? (row >> (kSwizzleShift + 1)) & 3 : (row >> kSwizzleShift) & 7;
    return row * kRowBytes + ((((byte >> 4) ^ swizzle) << 4) | (byte & 15));
  }
};

// Rows 32 bytes longer than their elements: for words read four rows (k) by eight columns at a
// time.
template <typename T, int kRows_, int kColumns_>
struct PaddedTile {
  static constexpr int kRows = kRows_, kColumns = kColumns_;
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(T)) + 32;
  static constexpr int kBytes = kRows * kRowBytes;
  static __device__ __forceinline__ int offset(int row, int column) {
    return row * kRowBytes + column * static_cast<int>(sizeof(T));
  }
};

// Moves kCount elements into shared memory, or zeros when !valid: 16 bytes asynchronously, or one
// element at once (for rows that are not aligned to 16 bytes). `from` may be any address when
// !valid; `safe` is one that may be read.
template <int kCount, typename T>
__device__ __forceinline__ void copy_piece(char* to, const T* from, const T* safe, bool valid) {
  if constexpr (kCount == 1) {
    *reinterpret_cast<T*>(to) = valid ? *from : from_float<T>(0);
  } else {
    static_assert(kCount * sizeof(T) == 16);
    copy_async_16(to, valid ? from : safe, valid);
  }
}

// Which pieces of a tile a thread copies: always the same columns, and rows kStep apart.
template <typename Tile, int kThreads, int kPiece>
struct PieceMap {
  static constexpr int kPiecesPerRow = Tile::kColumns / kPiece;
  static constexpr int kStep = kThreads / kPiecesPerRow;
  static constexpr int kPasses = Tile::kRows / kStep;
  static_assert(kThreads % kPiecesPerRow == 0 && Tile::kRows % kStep == 0);

  static __device__ __forceinline__ int column(int thread) {
    return thread % kPiecesPerRow * kPiece;
  }
  static __device__ __forceinline__ int row(int thread, int pass) {
    return thread / kPiecesPerRow + pass * kStep;
  }
};

}  // namespace akimbo::kernels::device
