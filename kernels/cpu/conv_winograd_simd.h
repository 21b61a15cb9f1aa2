// The transforms of Winograd's algorithm on vectors of channels: SIMD code, chosen for the machine
// at run time.
#pragma once

#include <cstdint>

namespace akimbo::kernels::cpu {

// F(outputs x outputs, taps x taps): blocks of outputs made from side() x side() pixels by as many
// multiplications. (4,3), (2,3), (4,2) and
// (2,2) exist. Channels and columns are multiples of 16.
struct WinogradForm {
  int outputs, taps;
  [[nodiscard]] constexpr int side() const { return outputs + taps - 1; }
  [[nodiscard]] constexpr int points() const { return side() * side(); }
};

inline constexpr int kMostWinogradSide = 6, kMostWinogradOutputs = 4;

// Transforms a block of pixels; point k of channel c goes to v[k * stride + c].
template <typename T>
void winograd_input(const WinogradForm& form, const T* const* pixels, std::int64_t channels, T* v,
                    std::int64_t stride);

// A block of outputs: where its pixels are, and what becomes of the sums.
template <typename T>
struct WinogradOutput {
  T* y;                             // the first
  const T* residual;                // laid out like y; null if there is none
  std::int64_t row_step, col_step;  // in y
  std::int64_t rows, cols;          // those that are inside the map
  const T* scale;                   // null if there is none
  const T* shift;
  bool relu;
};

// From the products, point k of column n at m[k * stride + n], to outputs with the epilogue.
template <typename T>
void winograd_output(const WinogradForm& form, const T* m, std::int64_t stride,
                     std::int64_t columns, const WinogradOutput<T>& out);

// The filter's side: taps x taps rows of `channels` values in, point k of channel c to
// u[k * stride + c].
template <typename T>
void winograd_weight(const WinogradForm& form, const T* const* taps, std::int64_t channels, T* u,
                     std::int64_t stride);

// The weight gradient of a 3x3 convolution from the same 6x6 blocks of pixels that F(4,3) reads and
// 4x4 blocks of the outputs' gradient, which take the filter's place: F(3x3, 4x4).
//   u[k * stride + c] = point k of the gradients at the 16 `pixels`
template <typename T>
void winograd_gradient(const T* const* pixels, std::int64_t channels, T* u, std::int64_t stride);
// From sums of products over blocks, point k of column n at m[k * stride + n], to the nine taps of
// `columns` weights: tap k of column n to taps[k * tap_stride + n].
template <typename T>
void winograd_taps(const T* m, std::int64_t stride, std::int64_t columns, T* taps,
                   std::int64_t tap_stride);

}  // namespace akimbo::kernels::cpu
