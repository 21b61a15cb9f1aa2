#include "datasets/people.h"

#include <cmath>

namespace akimbo::datasets {

bool is_selected(const PersonRecord& person) {
  double n = 0, x = 0, y = 0;
  for (const Joint& joint : person.joints) {
    if (!(joint.visible > 0)) continue;
    n += 1;
    x += joint.image.x;
    y += joint.image.y;
  }
  if (n == 0) return false;
  const CenterScale& region = person.region;
  const double area = region.scale_x * region.scale_y * kPixelStd * kPixelStd;
  const double dx = x / n - region.center.x;
  const double dy = y / n - region.center.y;
  const double similarity = std::exp(-(dx * dx + dy * dy) / (2 * 0.2 * 0.2 * area));
  return similarity > 0.2 / 16 * n + 0.45 - 0.2 / 16;
}

}  // namespace akimbo::datasets
