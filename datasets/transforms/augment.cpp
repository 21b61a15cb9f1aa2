#include "datasets/transforms/augment.h"

#include <algorithm>

namespace akimbo::datasets {

AugmentDraws draw_augmentation(RandomStream& random) {
  AugmentDraws draws;
  draws.scale_normal = random.normal();
  draws.rotation_gate = random.uniform();
  draws.rotation_normal = random.normal();
  draws.flip_gate = random.uniform();
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

CropPlan augment(const PersonRecord& person, const AugmentDraws& draws,
                 const AugmentOptions& options, int image_width,
                 std::span<const int> flip_permutation) {
  CropPlan plan = plan_of(person);
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
  if (options.flip && draws.flip_gate <= 0.5) mirror(plan, image_width, flip_permutation);
  return plan;
}

}  // namespace akimbo::datasets
