#include "apps/predict/drawing.h"

#include <algorithm>
#include <cmath>

namespace akimbo::apps {

namespace {

// Puts the largest of all keypoints' heatmaps at every pixel into `map` [height, width], where it
// is higher than what is there; each heatmap cell stands where the crop had it.
void add_heatmaps(const Estimator::Pose& pose, int height, int width, std::vector<float>& map) {
  const Tensor& maps = pose.heatmaps;
  const Size2 size{static_cast<int>(maps.dim(1)), static_cast<int>(maps.dim(0))};
  const Affine to_cell = crop_affine(pose.region, 0, size);
  const auto K = static_cast<std::size_t>(maps.dim(2));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Point cell = transform(to_cell, {double(x), double(y)});
      const auto cx = static_cast<int>(std::lround(cell.x));
      const auto cy = static_cast<int>(std::lround(cell.y));
      if (cx < 0 || cy < 0 || cx >= size.width || cy >= size.height) continue;
      const float* values = maps.data<float>() + (std::size_t(cy) * size.width + cx) * K;
      float& top = map[static_cast<std::size_t>(y) * width + x];
      top = std::max(top, *std::max_element(values, values + K));
    }
  }
}

draw::DrawnPose drawn(const FoundPerson& person) {
  draw::DrawnPose pose;
  const std::vector<float>& values = person.pose.keypoints;
  for (std::size_t i = 0; i < values.size(); i += 3) {
    pose.keypoints.push_back({values[i], values[i + 1], values[i + 2]});
  }
  pose.box_xywh = {person.box.x, person.box.y, person.box.width, person.box.height};
  pose.score = person.pose.score;
  return pose;
}

}  // namespace

Image draw_people(const Image& image, std::span<const Estimator::Pose> poses,
                  std::span<const FoundPerson> people, const Skeleton& skeleton,
                  const DrawingOptions& options) {
  Image drawing = options.black ? Image(image.height, image.width, 3) : draw::as_rgb(image);
  if (options.heatmaps) {
    std::vector<float> map(static_cast<std::size_t>(image.height) * image.width, 0.0f);
    for (const Estimator::Pose& pose : poses) {
      add_heatmaps(pose, image.height, image.width, map);
    }
    draw::overlay_heatmap(drawing, map, image.height, image.width, 0.7);
  }
  std::vector<draw::DrawnPose> drawn_people;
  for (const FoundPerson& person : people) drawn_people.push_back(drawn(person));
  draw::draw_poses(drawing, drawn_people, skeleton, options.style);
  return drawing;
}

}  // namespace akimbo::apps
