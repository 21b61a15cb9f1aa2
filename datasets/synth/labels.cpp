#include "datasets/synth/labels.h"

#include <optional>

namespace akimbo::synth {
namespace {

constexpr int kFewestVisible = 5;

bool is_limb_part(Part part, Part left, int side) {
  return static_cast<int>(part) == static_cast<int>(left) + side;
}

// Whether the keypoint, could it be seen, would be seen on this part.
bool shows(Part part, int keypoint) {
  if (keypoint < 5) return part == Part::head;
  const int side = (keypoint - 5) % 2;
  const auto one_of = [&](Part left_a, Part left_b) {
    return is_limb_part(part, left_a, side) || is_limb_part(part, left_b, side);
  };
  switch ((keypoint - 5) / 2) {
    case 0: return part == Part::torso || is_limb_part(part, Part::left_upper_arm, side);
    case 1: return one_of(Part::left_upper_arm, Part::left_forearm);
    case 2: return is_limb_part(part, Part::left_forearm, side);
    case 3: return part == Part::torso || is_limb_part(part, Part::left_thigh, side);
    case 4: return one_of(Part::left_thigh, Part::left_shin);
    default: return one_of(Part::left_shin, Part::left_foot);
  }
}

// How far behind the visible surface a keypoint may lie and still count as seen: the flesh around
// it, in metres.
float flesh_m(const Build& build, int keypoint) {
  const float limb = build.height * build.girth;
  if (keypoint < 3) return 0.2f * build.head;
  if (keypoint < 5) return 0.3f * build.head;
  switch ((keypoint - 5) / 2) {
    case 0: return 0.085f * limb;
    case 3: return 0.10f * limb;
    default: return 0.055f * limb;
  }
}

bool is_visible(const Scene& scene, const DepthBuffer& depth, int person, int keypoint, int px,
                int py, float z) {
  const float flesh = flesh_m(scene.people[static_cast<std::size_t>(person)].build, keypoint);
  for (int y = std::max(0, py - 1); y <= std::min(depth.height - 1, py + 1); ++y) {
    for (int x = std::max(0, px - 1); x <= std::min(depth.width - 1, px + 1); ++x) {
      const std::size_t at = depth.index(x, y);
      if (depth.primitive[at] == DepthBuffer::kNone) continue;
      const Primitive& p = scene.primitives[depth.primitive[at]];
      if (p.person == person && shows(p.part, keypoint) && z - depth.z[at] < flesh) return true;
    }
  }
  return false;
}

KeypointLabel label_keypoint(const Scene& scene, const DepthBuffer& depth, int person,
                             int keypoint) {
  const Camera& camera = scene.camera;
  const auto& points = scene.people[static_cast<std::size_t>(person)].keypoints;
  const Vec3 q = camera.to_camera(points[static_cast<std::size_t>(keypoint)]);
  KeypointLabel label{.camera_mm = q * 1000.0f};
  if (q.z <= 0) return label;
  const float u = camera.f_px * q.x / q.z + camera.cx_px;
  const float v = camera.f_px * q.y / q.z + camera.cy_px;
  if (!(u >= 0 && v >= 0 && u <= static_cast<float>(camera.width - 1) &&
        v <= static_cast<float>(camera.height - 1))) {
    return label;
  }
  label.x_px = u;
  label.y_px = v;
  const bool seen = is_visible(scene, depth, person, keypoint, static_cast<int>(u + 0.5f),
                               static_cast<int>(v + 0.5f), q.z);
  label.visibility = seen ? Visibility::visible : Visibility::hidden;
  return label;
}

// All masks in one pass over the picture for the boxes and one for the pixels.
std::vector<Mask> masks_of(const Scene& scene, const DepthBuffer& depth) {
  std::vector<Mask> masks(scene.people.size());
  std::vector<int> right(masks.size(), -1), bottom(masks.size(), -1);
  const auto each_pixel = [&](auto&& visit) {
    for (int y = 0; y < depth.height; ++y) {
      for (int x = 0; x < depth.width; ++x) {
        const std::uint16_t id = depth.primitive[depth.index(x, y)];
        if (id == DepthBuffer::kNone || scene.primitives[id].person < 0) continue;
        visit(static_cast<std::size_t>(scene.primitives[id].person), x, y);
      }
    }
  };
  each_pixel([&](std::size_t i, int x, int y) {
    Mask& m = masks[i];
    if (m.area++ == 0) m.x0 = x, m.y0 = y;
    m.x0 = std::min(m.x0, x);
    right[i] = std::max(right[i], x);
    bottom[i] = y;
  });
  for (std::size_t i = 0; i < masks.size(); ++i) {
    masks[i].width = right[i] - masks[i].x0 + 1;
    masks[i].height = bottom[i] - masks[i].y0 + 1;
    if (masks[i].area == 0) masks[i].width = masks[i].height = 0;
    masks[i].inside.assign(static_cast<std::size_t>(masks[i].width) * masks[i].height, 0);
  }
  each_pixel([&](std::size_t i, int x, int y) {
    Mask& m = masks[i];
    m.inside[static_cast<std::size_t>(y - m.y0) * m.width + (x - m.x0)] = 1;
  });
  return masks;
}

// Walks the cracks between pixels around one region, the region on its right hand, from the top
// edge of pixel (x, y). Corners only. Marks the top edges it passes.
std::vector<int> trace(const Mask& mask, int x, int y, std::vector<std::uint8_t>& passed) {
  constexpr int kDx[4] = {1, 0, -1, 0}, kDy[4] = {0, 1, 0, -1};  // right, down, left, up
  // The pixels ahead to the right and to the left of a corner, by direction.
  constexpr int kRightX[4] = {0, -1, -1, 0}, kRightY[4] = {0, 0, -1, -1};
  constexpr int kLeftX[4] = {0, 0, -1, -1}, kLeftY[4] = {-1, 0, 0, -1};
  std::vector<int> corners{x, y};
  const int start_x = x, start_y = y;
  int direction = 0;
  for (;;) {
    if (direction == 0)
      passed[static_cast<std::size_t>(y - mask.y0) * mask.width + (x - mask.x0)] = 1;
    x += kDx[direction];
    y += kDy[direction];
    int next = direction;
    if (!mask.at(x + kRightX[direction], y + kRightY[direction])) {
      next = (direction + 1) % 4;
    } else if (mask.at(x + kLeftX[direction], y + kLeftY[direction])) {
      next = (direction + 3) % 4;
    }
    if (x == start_x && y == start_y && next == 0) return corners;
    if (next != direction) corners.insert(corners.end(), {x, y});
    direction = next;
  }
}

std::int64_t doubled_area(const std::vector<int>& corners) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < corners.size(); i += 2) {
    const std::size_t j = (i + 2) % corners.size();
    sum += static_cast<std::int64_t>(corners[i]) * corners[j + 1] -
           static_cast<std::int64_t>(corners[j]) * corners[i + 1];
  }
  return sum;
}

// Nothing when the mask has a hole: the walk around it encloses a negative area.
std::optional<Json> polygons_of(const Mask& mask) {
  std::vector<std::uint8_t> passed(mask.inside.size(), 0);
  Json polygons = Json::array();
  for (int y = mask.y0; y < mask.y0 + mask.height; ++y) {
    for (int x = mask.x0; x < mask.x0 + mask.width; ++x) {
      const std::size_t at = static_cast<std::size_t>(y - mask.y0) * mask.width + (x - mask.x0);
      if (!mask.at(x, y) || mask.at(x, y - 1) || passed[at]) continue;
      const std::vector<int> corners = trace(mask, x, y, passed);
      if (doubled_area(corners) < 0) return std::nullopt;
      polygons.push_back(corners);
    }
  }
  return polygons;
}

// COCO's run lengths: column by column, zeros first.
Json run_lengths_of(const Mask& mask, int image_width, int image_height) {
  std::vector<std::int64_t> counts;
  std::int64_t run = static_cast<std::int64_t>(mask.x0) * image_height;
  bool value = false;
  for (int x = mask.x0; x < mask.x0 + mask.width; ++x) {
    for (int y = 0; y < image_height; ++y) {
      if (mask.at(x, y) != value) {
        counts.push_back(run);
        run = 0;
        value = !value;
      }
      ++run;
    }
  }
  const std::int64_t columns_left = image_width - mask.x0 - mask.width;
  if (value) {
    counts.push_back(run);
    run = 0;
  }
  run += columns_left * image_height;
  if (run > 0) counts.push_back(run);
  return {{"counts", counts}, {"size", {image_height, image_width}}};
}

}  // namespace

int PersonLabel::num_labelled() const {
  int count = 0;
  for (const KeypointLabel& k : keypoints) count += k.visibility != Visibility::outside;
  return count;
}

std::vector<PersonLabel> label_people(const Scene& scene, const DepthBuffer& depth) {
  std::vector<Mask> masks = masks_of(scene, depth);
  std::vector<PersonLabel> labels;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (masks[i].area == 0) continue;
    PersonLabel label{.person = static_cast<int>(i), .mask = std::move(masks[i])};
    int num_visible = 0;
    for (int k = 0; k < kNumKeypoints; ++k) {
      KeypointLabel& point = label.keypoints[static_cast<std::size_t>(k)];
      point = label_keypoint(scene, depth, label.person, k);
      num_visible += point.visibility == Visibility::visible;
    }
    if (num_visible < kFewestVisible) {
      for (KeypointLabel& k : label.keypoints) k = {.camera_mm = k.camera_mm};
    }
    labels.push_back(std::move(label));
  }
  return labels;
}

Json segmentation_of(const Mask& mask, int image_width, int image_height) {
  std::optional<Json> polygons = polygons_of(mask);
  return polygons ? *polygons : run_lengths_of(mask, image_width, image_height);
}

}  // namespace akimbo::synth
