#include "inference/estimator.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "config/parts.h"
#include "engine/core/error.h"
#include "engine/core/stage_times.h"
#include "engine/pose/crop.h"
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
        top_down(*model.network, model.config, model.skeleton, device) {}
  Parts(const Parts&) = delete;  // top_down refers to model
  Parts& operator=(const Parts&) = delete;

  // One batch.
  [[nodiscard]] std::vector<Pose> estimate(const Image& image, std::span<const BoxXywh> boxes);

  Model model;
  HeatmapCodec codec;
  Cropper cropper;
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

std::vector<Estimator::Pose> Estimator::Parts::estimate(const Image& image,
                                                        std::span<const BoxXywh> boxes) {
  const Size2 size = codec.input_size;
  const std::size_t slot = cropper.slot_size();
  Tensor crops =
      Tensor::empty({static_cast<std::int64_t>(boxes.size()), size.height, size.width, 3});
  std::vector<CenterScale> regions;
  for (const BoxXywh& box : boxes) {
    const StageTimer timer(Stage::crop);
    check_box(box);
    float* row = crops.data<float>() + regions.size() * slot;
    regions.push_back(box_to_center_scale(box, codec.aspect(), model.config.data.box_padding));
    cropper.crop(image, codec.image_to_crop(regions.back()), false, {row, slot});
  }
  const Tensor maps = top_down.heatmaps(crops);
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
