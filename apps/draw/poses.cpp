#include "apps/draw/poses.h"

#include <algorithm>
#include <cmath>

#include <fmt/ranges.h>

#include "engine/core/error.h"

namespace akimbo::draw {
namespace {

bool is_drawn(const DrawnKeypoint& k, const PoseStyle& style) {
  return std::isfinite(k.x) && std::isfinite(k.y) && k.score >= style.min_score && k.score > 0;
}

// The colours of one person's limbs [L] and keypoints [K].
struct Palette {
  std::vector<Colour> limbs, keypoints;
};

Palette palette_of_sides(const Skeleton& skeleton, const PoseStyle& style) {
  const auto colour_of = [&](Side side) {
    return side == Side::left ? style.left : side == Side::right ? style.right : style.middle;
  };
  const std::vector<Side> sides = skeleton.sides();
  Palette palette;
  for (const Side side : sides) palette.keypoints.push_back(colour_of(side));
  for (const auto& [a, b] : skeleton.limbs) {
    const Side from = sides[static_cast<std::size_t>(a)], to = sides[static_cast<std::size_t>(b)];
    // A limb across the body, from left to right, belongs to neither side.
    const bool across = from != to && from != Side::middle && to != Side::middle;
    palette.limbs.push_back(colour_of(across ? Side::middle : from != Side::middle ? from : to));
  }
  return palette;
}

Colour colour_of(const Rgb& rgb) { return {rgb[0], rgb[1], rgb[2]}; }

Palette palette_of_limbs(const Skeleton& skeleton) {
  Palette palette{colour_circle(skeleton.limbs.size()), colour_circle(skeleton.keypoints.size())};
  for (std::size_t i = 0; i < skeleton.limb_colors.size(); ++i) {
    palette.limbs[i] = colour_of(skeleton.limb_colors[i]);
  }
  for (std::size_t i = 0; i < skeleton.keypoint_colors.size(); ++i) {
    palette.keypoints[i] = colour_of(skeleton.keypoint_colors[i]);
  }
  return palette;
}

Palette palette_of_person(const Skeleton& skeleton, std::size_t person) {
  constexpr std::size_t kPeople = 12;
  const Colour colour = colour_circle(kPeople)[person * 5 % kPeople];  // neighbours far apart
  return {std::vector<Colour>(skeleton.limbs.size(), colour),
          std::vector<Colour>(skeleton.keypoints.size(), colour)};
}

Palette palette_of(const Skeleton& skeleton, const PoseStyle& style, std::size_t person) {
  const bool has_colours = !skeleton.limb_colors.empty() || !skeleton.keypoint_colors.empty();
  switch (style.style) {
    case SkeletonStyle::automatic:
      return has_colours ? palette_of_limbs(skeleton) : palette_of_sides(skeleton, style);
    case SkeletonStyle::sides: return palette_of_sides(skeleton, style);
    case SkeletonStyle::people: return palette_of_person(skeleton, person);
    default: return palette_of_limbs(skeleton);
  }
}

// From pale to full between the score at which drawing begins and a sure one.
double alpha_of(double score) { return std::clamp(0.35 + 0.65 * score / 0.6, 0.35, 1.0); }

// Thin on small people, so that they are still seen, and never so thin as to vanish.
double fitting_width(const DrawnPose& pose, const PoseStyle& style) {
  double low_x = 1e18, low_y = 1e18, high_x = -1e18, high_y = -1e18;
  for (const DrawnKeypoint& k : pose.keypoints) {
    if (!is_drawn(k, style)) continue;
    low_x = std::min(low_x, k.x), high_x = std::max(high_x, k.x);
    low_y = std::min(low_y, k.y), high_y = std::max(high_y, k.y);
  }
  const double extent = std::max(high_x - low_x, high_y - low_y);
  return std::clamp(extent / 60, 1.2, 8.0);
}

void draw_limbs(Image& image, const DrawnPose& pose, const Skeleton& skeleton,
                const Palette& palette, const PoseStyle& style, double width) {
  for (std::size_t i = 0; i < skeleton.limbs.size(); ++i) {
    const auto& [a, b] = skeleton.limbs[i];
    const DrawnKeypoint& ka = pose.keypoints[static_cast<std::size_t>(a)];
    const DrawnKeypoint& kb = pose.keypoints[static_cast<std::size_t>(b)];
    if (!is_drawn(ka, style) || !is_drawn(kb, style)) continue;
    draw_line(image, {ka.x, ka.y}, {kb.x, kb.y}, width,
              {palette.limbs[i], 0.9 * alpha_of(std::min(ka.score, kb.score))});
  }
}

void draw_keypoints(Image& image, const DrawnPose& pose, const Palette& palette,
                    const PoseStyle& style, double radius) {
  for (std::size_t i = 0; i < pose.keypoints.size(); ++i) {
    const DrawnKeypoint& k = pose.keypoints[i];
    if (!is_drawn(k, style)) continue;
    const Point p{k.x, k.y};
    draw_disc(image, p, radius + std::max(0.6, 0.3 * radius),
              {{20, 20, 20}, 0.8 * alpha_of(k.score)});
    if (k.score > 0.5) {
      draw_disc(image, p, radius, {palette.keypoints[i], 1});
    } else {
      draw_circle(image, p, 0.75 * radius, 0.5 * radius, {palette.keypoints[i], 1});
    }
  }
}

std::string tag_of(const DrawnPose& pose, const PoseStyle& style, std::size_t person) {
  std::string text = style.ids ? fmt::format("#{}", person + 1) : "";
  if (style.scores && pose.score) {
    text += fmt::format("{}{:.2f}", text.empty() ? "" : " ", *pose.score);
  }
  return text;
}

void draw_frame(Image& image, const DrawnPose& pose, const PoseStyle& style, std::size_t person) {
  const int dot = std::max(1, std::min(image.width, image.height) / 400);
  if (style.boxes && pose.box_xywh) {
    draw_box(image, *pose.box_xywh, dot, {style.box, 0.8});
  }
  const std::string tag = tag_of(pose, style, person);
  if (tag.empty()) return;
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
  draw_tag(image, corner, tag, dot, style.box);
}

}  // namespace

double score_of_visibility(int visibility) {
  return visibility >= 2 ? 1.0 : visibility == 1 ? 0.5 : 0.0;
}

SkeletonStyle parse_skeleton_style(const std::string& name) {
  const std::vector<std::string> names = {"auto", "sides", "limbs", "people", "points", "lines"};
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw_error<ConfigError>("--style {} is not known; give one of {}", name,
                             fmt::join(names, ", "));
  }
  return static_cast<SkeletonStyle>(found - names.begin());
}

std::vector<Colour> colour_circle(std::size_t count) {
  std::vector<Colour> colours;
  for (std::size_t i = 0; i < count; ++i) {
    const double hue = 6.0 * static_cast<double>(i) / static_cast<double>(count);
    const auto channel = [&](double centre) {  // full near its own hue, 60 far from it
      const double distance = std::min(std::abs(hue - centre), 6 - std::abs(hue - centre));
      return static_cast<std::uint8_t>(60 + 195 * std::clamp(2 - distance, 0.0, 1.0));
    };
    colours.push_back({channel(0), channel(2), channel(4)});
  }
  return colours;
}

void draw_poses(Image& image, const std::vector<DrawnPose>& poses, const Skeleton& skeleton,
                const PoseStyle& style) {
  for (std::size_t person = 0; person < poses.size(); ++person) {
    const DrawnPose& pose = poses[person];
    if (pose.keypoints.size() != skeleton.keypoints.size()) {
      throw_error<ArgumentError>("[draw_poses] a pose has {} keypoints, the skeleton {} has {}",
                                 pose.keypoints.size(), skeleton.name, skeleton.keypoints.size());
    }
    const double fitting = fitting_width(pose, style);
    const double width = style.thickness_px > 0 ? style.thickness_px : fitting;
    const double radius = style.radius_px > 0 ? style.radius_px : std::max(1.5, 0.95 * fitting);
    const Palette palette = palette_of(skeleton, style, person);
    if (style.style != SkeletonStyle::points) {
      draw_limbs(image, pose, skeleton, palette, style, width);
    }
    if (style.style != SkeletonStyle::lines) draw_keypoints(image, pose, palette, style, radius);
  }
  for (std::size_t i = 0; i < poses.size(); ++i) draw_frame(image, poses[i], style, i);
}

}  // namespace akimbo::draw
