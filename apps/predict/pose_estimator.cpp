#include "apps/predict/pose_estimator.h"

#include <algorithm>
#include <cmath>

#include "apps/predict/estimator_parts.h"

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

PoseEstimator::PoseEstimator(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
PoseEstimator::PoseEstimator(PoseEstimator&&) noexcept = default;
PoseEstimator& PoseEstimator::operator=(PoseEstimator&&) noexcept = default;
PoseEstimator::~PoseEstimator() = default;

PoseEstimator PoseEstimator::load(const std::filesystem::path& path, Device) {
  return PoseEstimator(std::make_unique<Parts>(apps::load_model({.model = path.string()})));
}

const Skeleton& PoseEstimator::skeleton() const { return parts_->model.skeleton; }

std::vector<PoseEstimator::Pose> PoseEstimator::estimate(const Image& image,
                                                         std::span<const BoxXywh> boxes) const {
  const Size2 size = parts_->codec.input_size;
  const auto batch_size = static_cast<std::size_t>(parts_->model.config.eval.batch_size);
  std::vector<Pose> poses;
  for (std::size_t begin = 0; begin < boxes.size(); begin += batch_size) {
    const auto part = boxes.subspan(begin, std::min(batch_size, boxes.size() - begin));
    const auto count = static_cast<std::int64_t>(part.size());
    Tensor crops = Tensor::empty({count, size.height, size.width, 3});
    std::vector<CenterScale> regions;
    for (std::size_t i = 0; i < part.size(); ++i) {
      check_box(part[i]);
      regions.push_back(box_to_center_scale(part[i], parts_->codec.aspect(),
                                            parts_->model.config.data.box_padding));
      const std::size_t slot = parts_->cropper.slot_size();
      parts_->cropper.crop(image, crop_affine(regions[i], 0, size), false,
                           {crops.data<float>() + i * slot, slot});
    }
    const Tensor maps = parts_->top_down.heatmaps(crops);
    const Tensor keypoints = parts_->top_down.keypoints(maps, regions);
    const std::int64_t num_values = keypoints.dim(1) * 3;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const float* values = keypoints.data<float>() + row * num_values;
      const Tensor map = maps.rows(row, row + 1);
      poses.push_back({.keypoints = {values, values + num_values},
                       .box = part[i],
                       .region = regions[i],
                       .heatmaps = map.view({map.dim(1), map.dim(2), map.dim(3)})});
    }
  }
  return poses;
}

}  // namespace akimbo
