// Crops that a GPU cuts: the bytes of the pictures that they read go up packed in one block, and
// are warped, mirrored and normalised there, to the same bits as Cropper gives.
#pragma once

#include <atomic>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/pose/crop.h"

namespace akimbo {

// The crops of one batch on their way to a GPU. What augmentation decides is decided before: a crop
// is a picture, a matrix and whether the picture is mirrored.
class PackedCrops {
 public:
  // `cropper` outlives it. The block is pinned memory: 8 bytes per element of the crops.
  PackedCrops(const Cropper& cropper, std::int64_t num_crops);

  // Packs crop `row`: the window of the picture that it reads. Where that is larger than a row's
  // share of the block (a person of a thousand pixels), the crop is cut here and now and goes up as
  // it is. Several threads may pack different rows, each row once. Throws as Cropper::crop does.
  void pack(std::int64_t row, const Image& image, const Affine& image_to_crop, bool mirror);

  // u8 [B], of which the first used_bytes() hold something once all rows are packed.
  [[nodiscard]] const Tensor& block() const { return block_; }
  [[nodiscard]] std::size_t used_bytes() const { return used_.load(); }
  // How many rows pack() cut by itself.
  [[nodiscard]] std::int64_t num_cut_here() const;

 private:
  friend class DeviceCropper;
  struct Row {
    std::size_t offset = 0;          // of its first byte in the block
    int height = 0, width = 0;       // of the window, u8; 0: f32 [h, w, 3], cut already
    int origin_x = 0, origin_y = 0;  // of the window, in the frame of the matrix
    Affine matrix{};
    bool mirror = false;
  };
  [[nodiscard]] std::uint8_t* take(std::size_t bytes, Row& row);

  const Cropper& cropper_;
  std::size_t share_;  // bytes of the block per row
  Tensor block_;
  std::uint8_t* bytes_;
  std::atomic<std::size_t> used_{0};
  std::vector<Row> rows_;
};

// Cuts packed crops on a device, on its stream: nothing here waits.
class DeviceCropper {
 public:
  // `cropper` outlives it.
  DeviceCropper(const Cropper& cropper, Device device);

  // The batch f32 [N, h, w, 3]; `block` is the used part of packed.block(), or more, on the device.
  [[nodiscard]] Tensor cut(const PackedCrops& packed, const Tensor& block) const;
  // The same for a block that is still on the CPU; waits for its copy.
  [[nodiscard]] Tensor cut(const PackedCrops& packed) const;

 private:
  const Cropper& cropper_;
  Device device_;
  Tensor table_;  // [3, 256]
};

}  // namespace akimbo
