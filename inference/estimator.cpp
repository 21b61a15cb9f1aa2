#include "inference/estimator.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "config/parts.h"
#include "engine/core/error.h"
#include "engine/core/stage_times.h"
#include "engine/pose/device_crop.h"
#include "inference/top_down.h"

namespace akimbo {

namespace {

void check_box(const BoxXywh& box) {
  const bool finite = std::isfinite(box.x) && std::isfinite(box.y) && std::isfinite(box.width) &&
                      std::isfinite(box.height);
  if (finite && box.width > 0 && box.height > 0) return;
  throw_error<ArgumentError>(
      "[estimate] the box [{}, {}, {}, {}] has no area; give x, y, width and height in pixels",
      box.x, box.y, box.width, box.height);
}

}  // namespace

struct Estimator::Parts {
  Parts(Model given, Device device)
      : model(std::move(given)),
        codec(make_codec(model.config)),
        cropper(crop_options(model.config)),
        top_down(*model.network, model.config, model.skeleton, device) {
    if (device.is_cuda() && model.config.data.crop_on == "device") {
      device_cropper.emplace(cropper, device);
    }
  }
  Parts(const Parts&) = delete;  // top_down refers to model
  Parts& operator=(const Parts&) = delete;

  // [N, h, w, 3], on the device where the config says so.
  [[nodiscard]] Tensor crops(const Image& image, std::span<const CenterScale> regions) const;
  // One batch.
  [[nodiscard]] std::vector<Pose> estimate(const Image& image, std::span<const BoxXywh> boxes);

  Model model;
  HeatmapCodec codec;
  Cropper cropper;
  std::optional<DeviceCropper> device_cropper;
  TopDown top_down;
};

Estimator::Estimator(Model model, Device device)
    : parts_(std::make_unique<Parts>(std::move(model), device)) {}
Estimator::Estimator(Estimator&&) noexcept = default;
Estimator& Estimator::operator=(Estimator&&) noexcept = default;
Estimator::~Estimator() = default;

const Skeleton& Estimator::skeleton() const { return parts_->model.skeleton; }
const Config& Estimator::config() const { return parts_->model.config; }

std::vector<Estimator::Pose> Estimator::estimate(const Image& image,
                                                 std::span<const BoxXywh> boxes) {
  const auto batch_size = static_cast<std::size_t>(parts_->model.config.eval.batch_size);
  std::vector<Pose> poses;
  for (std::size_t begin = 0; begin < boxes.size(); begin += batch_size) {
    const auto part = boxes.subspan(begin, std::min(batch_size, boxes.size() - begin));
    std::vector<Pose> found = parts_->estimate(image, part);
    poses.insert(poses.end(), std::make_move_iterator(found.begin()),
                 std::make_move_iterator(found.end()));
  }
  return poses;
}

Tensor Estimator::Parts::crops(const Image& image, std::span<const CenterScale> regions) const {
  const auto n = static_cast<std::int64_t>(regions.size());
  if (device_cropper) {
    PackedCrops packed(cropper, n);
    {
      const StageTimer timer(Stage::pack);
      for (std::int64_t i = 0; i < n; ++i) {
        packed.pack(i, image, codec.image_to_crop(regions[static_cast<std::size_t>(i)]), false);
      }
    }
    const StageTimer timer(Stage::upload);
    return device_cropper->cut(packed);
  }
  const StageTimer timer(Stage::crop);
  const std::size_t slot = cropper.slot_size();
  Tensor crops = Tensor::empty({n, codec.input_size.height, codec.input_size.width, 3});
  float* row = crops.data<float>();
  for (const CenterScale& region : regions) {
    cropper.crop(image, codec.image_to_crop(region), false, {row, slot});
    row += slot;
  }
  return crops;
}

std::vector<Estimator::Pose> Estimator::Parts::estimate(const Image& image,
                                                        std::span<const BoxXywh> boxes) {
  std::vector<CenterScale> regions;
  for (const BoxXywh& box : boxes) {
    check_box(box);
    regions.push_back(box_to_center_scale(box, codec.aspect(), model.config.data.box_padding));
  }
  const Tensor maps = top_down.heatmaps(crops(image, regions));
  const Tensor keypoints = top_down.keypoints(maps, regions);
  const Tensor host_maps = maps.to(kCpu);
  const std::int64_t num_values = keypoints.dim(1) * 3;
  std::vector<Pose> poses;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const float* values = keypoints.data<float>() + row * num_values;
    const Shape map_shape{maps.dim(1), maps.dim(2), maps.dim(3)};
    poses.push_back({.keypoints = {values, values + num_values},
                     .box = boxes[i],
                     .region = regions[i],
                     .heatmaps = host_maps.rows(row, row + 1).view(map_shape)});
  }
  return poses;
}

}  // namespace akimbo
