#include "engine/pose/device_crop.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/common/warp_inverse.h"
#include "kernels/warp.h"

namespace akimbo {
namespace {

// Of rows in the block, so that an f32 crop can be seen as a tensor (Tensor::carve).
constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Pixels [begin, end) of one axis.
struct Reach {
  int begin = 0, end = 0;
  [[nodiscard]] int size() const { return end - begin; }
};

// What a crop reads along an axis of `size` pixels; position = of_u u + of_v v + at_0 for output
// pixels (u, v) of an output w by h. The extremes are at its corners. The kernels' fixed point
// moves a position by less than 0.03 and reads the pixel to its right: a pixel more on each side is
// enough. Positions too far for the fixed point are clamped there, and may come from anywhere.
Reach reach_of(double of_u, double of_v, double at_0, Size2 output, int size) {
  const double far_u = of_u * (output.width - 1), far_v = of_v * (output.height - 1);
  constexpr double kFixedPointLimit = 1 << 19;
  for (const double part : {far_u, at_0, far_v + at_0}) {
    if (!(std::abs(part) < kFixedPointLimit)) return {0, size};
  }
  const double least = at_0 + std::min(far_u, 0.0) + std::min(far_v, 0.0);
  const double most = at_0 + std::max(far_u, 0.0) + std::max(far_v, 0.0);
  // At least one pixel, read or not.
  const int begin = std::clamp(static_cast<int>(std::floor(least)) - 1, 0, size - 1);
  const int end = std::clamp(static_cast<int>(std::floor(most)) + 3, begin + 1, size);
  return {begin, end};
}

}  // namespace

PackedCrops::PackedCrops(const Cropper& cropper, std::int64_t num_crops)
    : cropper_(cropper),
      share_(aligned(2 * sizeof(float) * cropper.slot_size())),
      block_(Tensor::empty_pinned({num_crops * static_cast<std::int64_t>(share_)}, DType::u8)),
      bytes_(block_.data<std::uint8_t>()),
      rows_(static_cast<std::size_t>(num_crops)) {}

std::uint8_t* PackedCrops::take(std::size_t bytes, Row& row) {
  row.offset = used_.fetch_add(aligned(bytes));
  return bytes_ + row.offset;
}

void PackedCrops::pack(std::int64_t index, const Image& image, const Affine& image_to_crop,
                       bool mirror) {
  cropper_.check(image, image_to_crop);
  Row& row = rows_.at(static_cast<std::size_t>(index));
  const Size2 output = cropper_.options().output;
  const kernels::WarpInverse m = kernels::invert_warp(image_to_crop);
  const Reach x = reach_of(m.x_u, m.x_v, m.x_0, output, image.width);
  const Reach y = reach_of(m.y_u, m.y_v, m.y_0, output, image.height);
  const std::size_t row_bytes = static_cast<std::size_t>(x.size()) * 3;
  const std::size_t window_bytes = row_bytes * static_cast<std::size_t>(y.size());
  if (window_bytes > share_) {
    auto* slot = reinterpret_cast<float*>(take(cropper_.slot_size() * sizeof(float), row));
    cropper_.crop(image, image_to_crop, mirror, {slot, cropper_.slot_size()});
    return;
  }
  row.height = y.size();
  row.width = x.size();
  row.origin_x = x.begin;
  row.origin_y = y.begin;
  row.matrix = image_to_crop;
  row.mirror = mirror;
  // In the order of memory: the window of the mirrored picture lies at the other side.
  const int left = mirror ? image.width - x.end : x.begin;
  std::uint8_t* to = take(window_bytes, row);
  for (int i = y.begin; i < y.end; ++i, to += row_bytes) {
    std::memcpy(to, image.row(i) + static_cast<std::size_t>(left) * 3, row_bytes);
  }
}

std::int64_t PackedCrops::num_cut_here() const {
  return std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.width == 0; });
}

DeviceCropper::DeviceCropper(const Cropper& cropper, Device device)
    : cropper_(cropper),
      device_(device),
      table_(Tensor::from_values<float>({3, 256}, cropper.table()).to(device)) {}

Tensor DeviceCropper::cut(const PackedCrops& packed, const Tensor& block) const {
  const Size2 output = cropper_.options().output;
  const auto n = static_cast<std::int64_t>(packed.rows_.size());
  const Shape slot{1, output.height, output.width, 3};
  Tensor batch = Tensor::empty({n, slot[1], slot[2], 3}, DType::f32, device_);
  const auto* bytes = static_cast<const std::uint8_t*>(block.raw());
  std::vector<kernels::CropItem> items;  // of consecutive rows, which end before row i
  const auto cut_items = [&](std::int64_t i) {
    if (items.empty()) return;
    Tensor rows = batch.rows(i - static_cast<std::int64_t>(items.size()), i);
    AKIMBO_KERNEL(device_, crop_batch_forward)(exec_of(device_), items, mutable_view_of(rows));
    items.clear();
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const PackedCrops::Row& row = packed.rows_[static_cast<std::size_t>(i)];
    if (row.width == 0) {
      cut_items(i);
      batch.rows(i, i + 1).copy_from(block.carve(row.offset, slot, DType::f32));
      continue;
    }
    kernels::CropParams params =
        cropper_.params(row.matrix, row.mirror, static_cast<const float*>(table_.raw()));
    params.warp.origin_x = row.origin_x;
    params.warp.origin_y = row.origin_y;
    items.push_back({{bytes + row.offset, DType::u8, Shape{row.height, row.width, 3}}, params});
  }
  cut_items(n);
  return batch;
}

Tensor DeviceCropper::cut(const PackedCrops& packed) const {
  const auto used = static_cast<std::int64_t>(packed.used_bytes());
  return cut(packed, packed.block().rows(0, used).to(device_));
}

}  // namespace akimbo
