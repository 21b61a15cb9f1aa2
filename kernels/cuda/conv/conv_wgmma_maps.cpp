// Which products the sm_90a kernels take, and the tensor maps of their operands. Host code only.
#include <algorithm>

#include "kernels/cuda/conv/conv_wgmma.h"

namespace akimbo::kernels::cuda {
namespace {

using device::Im2colMapShape;
using device::Swizzle;
using device::TiledMapShape;

// PTX ISA, cp.async.bulk.tensor in im2col mode: at rank 4 an offset has 8 bits.
constexpr int kMaxOffset = 255;

std::optional<DType> dtype_of(Product product) {
  if (product == Product::bf16) return DType::bf16;
  if (product == Product::f16) return DType::f16;
  return std::nullopt;
}

Swizzle swizzle_of(int elements) { return elements == 64 ? Swizzle::bytes_128 : Swizzle::bytes_64; }

int round_up(int a, int b) { return (a + b - 1) / b * b; }
// The wider box, unless the narrower leaves fewer places empty.
int box_of(int channels) { return round_up(channels, 32) < round_up(channels, 64) ? 32 : 64; }

// Positions lower + b * stride for b < count are the box of base pixels along one axis of the map;
// the upper corner counts from the map's last pixel.
struct Corners {
  int lower, upper;
};
Corners corners_of(int lower, int stride, int count, int extent) {
  return {lower, lower + (count - 1) * stride - (extent - 1)};
}

Im2colMapShape im2col_of(DType dtype, const void* data, int images, int rows, int cols,
                         int channels, Corners y, Corners x, int stride_y, int stride_x) {
  const std::int64_t pixel = std::int64_t{channels} * 2;
  return {.dtype = dtype,
          .data = data,
          .extents = {channels, cols, rows, images},
          .strides = {pixel, pixel * cols, pixel * cols * rows},
          .lower_w = x.lower,
          .lower_h = y.lower,
          .upper_w = x.upper,
          .upper_h = y.upper,
          .stride_w = stride_x,
          .stride_h = stride_y};
}

Im2colMapShape source_shape(DType dtype, const GatherProblem& p, const GatherPhase& phase,
                            TileExtents tile) {
  const auto corners = [](const GatherAxis& axis, const PhaseAxis& along) {
    return corners_of(lowest_source(axis, along), axis.source_stride, along.count,
                      axis.source_extent);
  };
  Im2colMapShape shape =
      im2col_of(dtype, p.source, p.images, p.rows.source_extent, p.cols.source_extent, p.channels,
                corners(p.rows, phase.rows), corners(p.cols, phase.cols), p.rows.source_stride,
                p.cols.source_stride);
  shape.channels_per_pixel = slice_terms(p);
  shape.pixels_per_column = tile.m;
  shape.swizzle = swizzle_of(shape.channels_per_pixel);
  return shape;
}

// Three dimensions: the contiguous one, taps, rows.
TiledMapShape filter_shape(DType dtype, const GatherProblem& p, TileExtents tile) {
  const bool contiguous = p.filter_order == Order::k_contiguous;
  const std::int64_t taps = std::int64_t{p.rows.filter_extent} * p.cols.filter_extent;
  const std::int64_t inner = contiguous ? p.channels : p.outputs;
  const int slice = slice_terms(p);
  TiledMapShape shape{.dtype = dtype,
                      .data = p.filter,
                      .rank = 3,
                      .extents = {inner, taps, contiguous ? p.outputs : p.channels},
                      .strides = {inner * 2, inner * taps * 2}};
  shape.box[0] = contiguous ? slice : std::min(64, tile.n);
  shape.box[1] = 1;
  shape.box[2] = contiguous ? tile.n : slice;
  shape.swizzle = swizzle_of(shape.box[0]);
  return shape;
}

TiledMapShape small_shape(DType dtype, const WeightGradProblem& p) {
  return {.dtype = dtype,
          .data = p.small,
          .rank = 2,
          .extents = {p.small_channels, p.pixels},
          .strides = {std::int64_t{p.small_channels} * 2},
          .box = {64, kSlicePixels},
          .swizzle = Swizzle::bytes_128};
}

Im2colMapShape big_shape(DType dtype, const WeightGradProblem& p) {
  const auto corners = [](const PixelAxis& a) {
    return corners_of(a.offset, a.stride, a.small_extent, a.big_extent);
  };
  const int images = p.pixels / std::max(1, p.rows.small_extent * p.cols.small_extent);
  Im2colMapShape shape =
      im2col_of(dtype, p.big, images, p.rows.big_extent, p.cols.big_extent, p.big_channels,
                corners(p.rows), corners(p.cols), p.rows.stride, p.cols.stride);
  shape.channels_per_pixel = box_channels(p);
  shape.pixels_per_column = kSlicePixels;
  shape.swizzle = swizzle_of(shape.channels_per_pixel);
  return shape;
}

template <typename Shape>
bool is_taken(const Shape& shape) {
  return device::refusal_of(shape).empty();
}

// A phase without taps has nothing to load.
bool has_source(const GatherPhase& phase) {
  return phase.pixels > 0 && phase.rows.taps * phase.cols.taps > 0;
}

bool takes_phase(DType dtype, const GatherProblem& p, const GatherPhase& phase) {
  const auto fits = [](const GatherAxis& axis, const PhaseAxis& along) {
    return std::abs(axis.tap_step) * (along.taps - 1) <= kMaxOffset;
  };
  return !has_source(phase) || (fits(p.rows, phase.rows) && fits(p.cols, phase.cols) &&
                                is_taken(source_shape(dtype, p, phase, {256, 64})));
}

}  // namespace

bool is_wgmma(GatherTile tile) { return tile >= GatherTile::wgmma_m128n256; }
bool is_wgmma(WeightGradTile tile) { return tile >= WeightGradTile::wgmma_m128n256; }

int slice_terms(const GatherProblem& p) { return box_of(p.channels); }
int box_channels(const WeightGradProblem& p) { return box_of(p.big_channels); }

bool wgmma_takes(Product product, const GatherProblem& p) {
  const std::optional<DType> dtype = dtype_of(product);
  return dtype && p.groups == 1 && p.channels % 8 == 0 && p.outputs % 8 == 0 &&
         is_taken(filter_shape(*dtype, p, {128, 64})) &&
         std::all_of(p.phases, p.phases + p.num_phases,
                     [&](const GatherPhase& phase) { return takes_phase(*dtype, p, phase); });
}

bool wgmma_takes(Product product, const WeightGradProblem& p) {
  const std::optional<DType> dtype = dtype_of(product);
  const auto fits = [](const PixelAxis& a) { return a.step * (a.taps - 1) <= kMaxOffset; };
  return dtype && p.groups == 1 && p.small_channels % 8 == 0 && p.big_channels % 8 == 0 &&
         p.pixels > 0 && fits(p.rows) && fits(p.cols) && is_taken(small_shape(*dtype, p)) &&
         is_taken(big_shape(*dtype, p));
}

bool make_source_map(device::TensorMap& map, Product product, const GatherProblem& p,
                     const GatherPhase& phase, TileExtents tile) {
  return !has_source(phase) ||
         device::make_im2col_map(map, source_shape(*dtype_of(product), p, phase, tile));
}

bool make_filter_map(device::TensorMap& map, Product product, const GatherProblem& p,
                     TileExtents tile) {
  return device::make_tiled_map(map, filter_shape(*dtype_of(product), p, tile));
}

bool make_small_map(device::TensorMap& map, Product product, const WeightGradProblem& p) {
  return device::make_tiled_map(map, small_shape(*dtype_of(product), p));
}

bool make_big_map(device::TensorMap& map, Product product, const WeightGradProblem& p) {
  return device::make_im2col_map(map, big_shape(*dtype_of(product), p));
}

}  // namespace akimbo::kernels::cuda
