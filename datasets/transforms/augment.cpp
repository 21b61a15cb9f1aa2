#include "datasets/transforms/augment.h"

#include <algorithm>

namespace akimbo::datasets {
namespace {

constexpr double kHalfBodyPadding = 1.5;
constexpr std::size_t kFewKeypoints = 2;

std::vector<Point> labelled_of(std::span<const Joint> joints, std::span<const int> half) {
  std::vector<Point> points;
  for (const int k : half) {
    const Joint& joint = joints[static_cast<std::size_t>(k)];
    if (joint.visible > 0) points.push_back(joint.image);
  }
  return points;
}

// Centre of mass and extent, in f32 as the published code has them.
CenterScale region_of(const std::vector<Point>& points, double aspect) {
  float sum_x = 0, sum_y = 0;
  float left = static_cast<float>(points[0].x), right = left;
  float top = static_cast<float>(points[0].y), bottom = top;
  for (const Point& point : points) {
    const auto x = static_cast<float>(point.x), y = static_cast<float>(point.y);
    sum_x += x;
    sum_y += y;
    left = std::min(left, x);
    right = std::max(right, x);
    top = std::min(top, y);
    bottom = std::max(bottom, y);
  }
  const auto count = static_cast<float>(points.size());
  double width = right - left, height = bottom - top;
  if (width > aspect * height) {
    height = width / aspect;
  } else if (width < aspect * height) {
    width = height * aspect;
  }
  const auto side = [](double pixels) {
    return static_cast<float>(pixels / kPixelStd) * static_cast<float>(kHalfBodyPadding);
  };
  return {
      .center = {sum_x / count, sum_y / count}, .scale_x = side(width), .scale_y = side(height)};
}

}  // namespace

AugmentDraws draw_augmentation(RandomStream& random) {
  AugmentDraws draws;
  draws.scale_normal = random.normal();
  draws.rotation_gate = random.uniform();
  draws.rotation_normal = random.normal();
  draws.flip_gate = random.uniform();
  draws.half_body_gate = random.uniform();
  draws.half_body_normal = random.normal();
  return draws;
}

CropPlan plan_of(const PersonRecord& person) {
  return {.region = person.region, .joints = person.joints};
}

void mirror(CropPlan& plan, int image_width, std::span<const int> flip_permutation) {
  std::vector<Joint> joints(plan.joints.size());
  for (std::size_t k = 0; k < joints.size(); ++k) {
    joints[k] = plan.joints[static_cast<std::size_t>(flip_permutation[k])];
    const bool visible = joints[k].visible > 0;
    const double x = image_width - joints[k].image.x - 1;
    joints[k].image = visible ? Point{x, joints[k].image.y} : Point{0, 0};
  }
  plan.joints = std::move(joints);
  plan.region.center.x = image_width - plan.region.center.x - 1;
  plan.region.round();
  plan.mirrored = !plan.mirrored;
}

std::optional<CenterScale> half_body_region(std::span<const Joint> joints, double normal,
                                            const AugmentContext& context) {
  const auto upper = labelled_of(joints, context.upper_body);
  const auto lower = labelled_of(joints, context.lower_body);
  const bool take_upper =
      (normal < 0.5 && upper.size() > kFewKeypoints) || lower.size() <= kFewKeypoints;
  const auto& selected = take_upper ? upper : lower;
  if (selected.size() < kFewKeypoints) return std::nullopt;
  return region_of(selected, context.aspect);
}

CropPlan augment(const PersonRecord& person, const AugmentDraws& draws,
                 const AugmentOptions& options, const AugmentContext& context) {
  CropPlan plan = plan_of(person);
  const auto labelled = std::count_if(plan.joints.begin(), plan.joints.end(),
                                      [](const Joint& joint) { return joint.visible > 0; });
  if (labelled > options.half_body_min_keypoints &&
      draws.half_body_gate < options.half_body_probability) {
    plan.region =
        half_body_region(plan.joints, draws.half_body_normal, context).value_or(plan.region);
  }
  const double sf = options.scale_factor;
  const double rf = options.rotation_deg;
  double factor = std::clamp(draws.scale_normal * sf + 1, 1 - sf, 1 + sf);
  // An f32 region is multiplied by the factor rounded to f32, as array libraries do.
  if (plan.region.single) factor = static_cast<float>(factor);
  plan.region.scale_x *= factor;
  plan.region.scale_y *= factor;
  plan.region.round();
  if (draws.rotation_gate <= 0.6) {
    plan.rotation_deg = std::clamp(draws.rotation_normal * rf, -2 * rf, 2 * rf);
  }
  if (options.flip && draws.flip_gate <= 0.5) {
    mirror(plan, context.image_width, context.flip_permutation);
  }
  return plan;
}

}  // namespace akimbo::datasets
