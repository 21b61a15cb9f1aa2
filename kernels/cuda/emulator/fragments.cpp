#include "kernels/cuda/emulator/fragments.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "kernels/common/dtype.h"
#include "kernels/cuda/emulator/indices.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/sites.h"

namespace akimbo::kernels::device::emulator {
namespace {

constexpr int kLanes = 32;

struct LoadOperand {
  std::uint16_t row[8];  // read by the lane that named it
  std::uint32_t* r;
};

// Lane l gets of matrix m the elements 2 (l % 4) and the next one of row l / 4; transposed, those
// of column l / 4.
template <int Count, bool Transposed>
void complete_load(void* const* operands) {
  const auto lane_operand = [&](int lane) { return static_cast<LoadOperand*>(operands[lane]); };
  for (int m = 0; m < Count; ++m) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const int major = lane / 4, minor = 2 * (lane % 4);
      const auto element = [&](int i) -> std::uint32_t {
        const int row = Transposed ? minor + i : major;
        const int column = Transposed ? major : minor + i;
        return lane_operand(8 * m + row)->row[column];
      };
      lane_operand(lane)->r[m] = element(0) | element(1) << 16;
    }
  }
}

struct MultiplyOperand {
  float* d;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

float element_value(Fragment type, std::uint16_t bits) {
  if (type == Fragment::bf16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  Float16 half;
  half.bits = bits;
  return static_cast<float>(half);
}

// m16n8k16, 16-bit elements. With g = lane / 4, t = lane % 4:
//   a0 = A[g][2t, 2t+1], a1 = A[g+8][2t..], a2 = A[g][2t+8..], a3 = A[g+8][2t+8..]
//   b0 = B[2t, 2t+1][g], b1 = B[2t+8, 2t+9][g]
struct Tile {
  float a[16][16];
  float b[16][8];
};

void gather_16bit(Fragment type, void* const* operands, Tile& tile) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& operand = *static_cast<const MultiplyOperand*>(operands[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      const auto value = [&](std::uint32_t word) {
        return element_value(type, static_cast<std::uint16_t>(word >> (16 * half)));
      };
      for (int i = 0; i < 4; ++i) {
        tile.a[g + 8 * (i % 2)][2 * t + half + 8 * (i / 2)] = value(operand.a[i]);
      }
      for (int i = 0; i < 2; ++i) tile.b[2 * t + half + 8 * i][g] = value(operand.b[i]);
    }
  }
}

// m16n8k8, tf32: a0 = A[g][t], a1 = A[g+8][t], a2 = A[g][t+4], a3 = A[g+8][t+4]; b0 = B[t][g],
// b1 = B[t+4][g]. The hardware reads the upper 19 bits only.
void gather_tf32(void* const* operands, Tile& tile) {
  const auto value = [](std::uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000u); };
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& operand = *static_cast<const MultiplyOperand*>(operands[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) tile.a[g + 8 * (i % 2)][t + 4 * (i / 2)] = value(operand.a[i]);
    for (int i = 0; i < 2; ++i) tile.b[t + 4 * i][g] = value(operand.b[i]);
  }
}

// d0, d1 = D[g][2t, 2t+1], d2, d3 = D[g+8][2t, 2t+1]. The order in which the hardware adds is not
// specified; here it is that of k, in f32.
template <Fragment Type>
void complete_multiply(void* const* operands) {
  constexpr int kDepth = Type == Fragment::tf32 ? 8 : 16;
  Tile tile;
  if constexpr (Type == Fragment::tf32) {
    gather_tf32(operands, tile);
  } else {
    gather_16bit(Type, operands, tile);
  }
  float sums[16][8] = {};
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      for (int column = 0; column < 8; ++column) {
        sums[row][column] += tile.a[row][k] * tile.b[k][column];
      }
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    float* d = static_cast<MultiplyOperand*>(operands[lane])->d;
    for (int i = 0; i < 4; ++i) d[i] += sums[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
  }
}

}  // namespace

void load_matrix(const char* what, std::uint32_t* r, int count, const void* row, bool transposed,
                 const Where& where) {
  LoadOperand operand{.row = {}, .r = r};
  // x2 takes the addresses of lanes 0 to 15 only.
  if (current_lane() < 8 * count) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
      fault(std::string(what) + " of a row that is not aligned to 16 bytes", where);
    }
    access_of_device(row, 16, false);
    std::memcpy(operand.row, row, 16);
  }
  const Complete complete = count == 4
                                ? (transposed ? complete_load<4, true> : complete_load<4, false>)
                                : (transposed ? complete_load<2, true> : complete_load<2, false>);
  meet_warp(what, &operand, complete, where);
  if (is_mutated(what, where)) std::swap(r[count / 4], r[count / 2]);
}

void multiply_add(Fragment type, float* d, const std::uint32_t* a, const std::uint32_t* b,
                  const Where& where) {
  MultiplyOperand operand{.d = d, .a = a, .b = b};
  std::uint32_t swapped[4];
  if (is_mutated("mma", where)) {
    std::copy_n(a, 4, swapped);
    std::swap(swapped[1], swapped[2]);
    operand.a = swapped;
  }
  switch (type) {
    case Fragment::bf16:
      return meet_warp("mma_bf16", &operand, complete_multiply<Fragment::bf16>, where);
    case Fragment::f16:
      return meet_warp("mma_f16", &operand, complete_multiply<Fragment::f16>, where);
    case Fragment::tf32:
      return meet_warp("mma_tf32", &operand, complete_multiply<Fragment::tf32>, where);
  }
}

}  // namespace akimbo::kernels::device::emulator
