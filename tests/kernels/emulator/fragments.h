// Where an element of a fragment stands in its matrix, as the PTX ISA says it.
#pragma once

namespace akimbo::kernels {

// Element i of a thread's fragments of mma.m16n8k16 with 16-bit A and B.
struct Place {
  int row, column;
};
inline Place a_place(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  return {i < 2 || (i >= 4 && i < 6) ? group : group + 8,
          i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8};
}
inline Place b_place(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8, group};
}
inline Place c_place(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? group : group + 8, in_group * 2 + (i & 1)};
}
inline Place a_place_tf32(int lane, int i) {
  return {i == 0 || i == 2 ? lane >> 2 : (lane >> 2) + 8, i < 2 ? lane % 4 : lane % 4 + 4};
}
inline Place b_place_tf32(int lane, int i) { return {i == 0 ? lane % 4 : lane % 4 + 4, lane >> 2}; }

inline float random_value(int i) {
  return static_cast<float>((i * 7919 + 12345) % 257 - 128) / 64.0f;
}

}  // namespace akimbo::kernels
