#include "apps/predict/pose_estimator.h"

#include <algorithm>
#include <cmath>
#include <iterator>

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

PoseEstimator PoseEstimator::load(const std::filesystem::path& path, Device device) {
  return PoseEstimator(
      std::make_unique<Parts>(apps::load_model({.model = path.string()}, device), device));
}

const Skeleton& PoseEstimator::skeleton() const { return parts_->model.skeleton; }

std::vector<PoseEstimator::Pose> PoseEstimator::estimate(const Image& image,
                                                         std::span<const BoxXywh> boxes) const {
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

std::vector<PoseEstimator::Pose> PoseEstimator::Parts::estimate(const Image& image,
                                                                std::span<const BoxXywh> boxes) {
  const Size2 size = codec.input_size;
  const std::size_t slot = cropper.slot_size();
  Tensor crops =
      Tensor::empty({static_cast<std::int64_t>(boxes.size()), size.height, size.width, 3});
  std::vector<CenterScale> regions;
  for (const BoxXywh& box : boxes) {
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
