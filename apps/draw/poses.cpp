#include "apps/draw/poses.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace akimbo::draw {
namespace {

bool is_drawn(const DrawnKeypoint& k, const PoseStyle& style) {
  return std::isfinite(k.x) && std::isfinite(k.y) && k.score >= style.min_score && k.score > 0;
}

Colour colour_of(Side side, const PoseStyle& style) {
  return side == Side::left ? style.left : side == Side::right ? style.right : style.middle;
}

// From pale to full between the score at which drawing begins and a sure one.
double alpha_of(double score) { return std::clamp(0.35 + 0.65 * score / 0.6, 0.35, 1.0); }

// Thin on small people, so that they are still seen, and never so thin as to vanish.
double line_width(const DrawnPose& pose, const PoseStyle& style) {
  double low_x = 1e18, low_y = 1e18, high_x = -1e18, high_y = -1e18;
  for (const DrawnKeypoint& k : pose.keypoints) {
    if (!is_drawn(k, style)) continue;
    low_x = std::min(low_x, k.x), high_x = std::max(high_x, k.x);
    low_y = std::min(low_y, k.y), high_y = std::max(high_y, k.y);
  }
  const double extent = std::max(high_x - low_x, high_y - low_y);
  return style.thickness * std::clamp(extent / 60, 1.2, 8.0);
}

void draw_limbs(Image& image, const DrawnPose& pose, const Skeleton& skeleton,
                const std::vector<Side>& sides, const PoseStyle& style, double width) {
  for (const auto& [a_index, b_index] : skeleton.limbs) {
    const auto a = static_cast<std::size_t>(a_index), b = static_cast<std::size_t>(b_index);
    const DrawnKeypoint &ka = pose.keypoints[a], &kb = pose.keypoints[b];
    if (!is_drawn(ka, style) || !is_drawn(kb, style)) continue;
    // A limb across the body, from left to right, belongs to neither side.
    const bool across =
        sides[a] != sides[b] && sides[a] != Side::middle && sides[b] != Side::middle;
    const Side side = across ? Side::middle : sides[a] != Side::middle ? sides[a] : sides[b];
    draw_line(image, {ka.x, ka.y}, {kb.x, kb.y}, width,
              {colour_of(side, style), 0.9 * alpha_of(std::min(ka.score, kb.score))});
  }
}

void draw_keypoints(Image& image, const DrawnPose& pose, const std::vector<Side>& sides,
                    const PoseStyle& style, double width) {
  const double radius = std::max(1.5, 0.95 * width);
  for (std::size_t i = 0; i < pose.keypoints.size(); ++i) {
    const DrawnKeypoint& k = pose.keypoints[i];
    if (!is_drawn(k, style)) continue;
    const Point p{k.x, k.y};
    const Colour colour = colour_of(sides[i], style);
    draw_disc(image, p, radius + std::max(0.6, 0.3 * width),
              {{20, 20, 20}, 0.8 * alpha_of(k.score)});
    if (k.score > 0.5) {
      draw_disc(image, p, radius, {colour, 1});
    } else {
      draw_circle(image, p, 0.75 * radius, 0.5 * radius, {colour, 1});
    }
  }
}

void draw_frame(Image& image, const DrawnPose& pose, const PoseStyle& style) {
  const int dot = std::max(1, std::min(image.width, image.height) / 400);
  if (style.boxes && pose.box_xywh) {
    draw_box(image, *pose.box_xywh, dot, {style.box, 0.8});
  }
  if (!style.scores || !pose.score) return;
  Point corner{0, 0};
  if (pose.box_xywh) {
    corner = {(*pose.box_xywh)[0], (*pose.box_xywh)[1] - text_height(dot) - 2.0 * dot};
  } else {
    corner = {1e18, 1e18};
    for (const DrawnKeypoint& k : pose.keypoints) {
      if (is_drawn(k, style)) corner = {std::min(corner.x, k.x), std::min(corner.y, k.y)};
    }
    if (corner.x > 1e17) return;
    corner.y -= text_height(dot) + 4.0 * dot;
  }
  if (!std::isfinite(corner.x + corner.y)) return;
  draw_tag(image, corner, fmt::format("{:.2f}", *pose.score), dot, style.box);
}

}  // namespace

double score_of_visibility(int visibility) {
  return visibility >= 2 ? 1.0 : visibility == 1 ? 0.5 : 0.0;
}

void draw_poses(Image& image, const std::vector<DrawnPose>& poses, const Skeleton& skeleton,
                const PoseStyle& style) {
  const std::vector<Side> sides = skeleton.sides();
  for (const DrawnPose& pose : poses) {
    if (pose.keypoints.size() != sides.size()) {
      throw_error<ArgumentError>("[draw_poses] a pose has {} keypoints, the skeleton {} has {}",
                                 pose.keypoints.size(), skeleton.name, sides.size());
    }
    const double width = line_width(pose, style);
    draw_limbs(image, pose, skeleton, sides, style, width);
    draw_keypoints(image, pose, sides, style, width);
  }
  for (const DrawnPose& pose : poses) draw_frame(image, pose, style);
}

}  // namespace akimbo::draw
