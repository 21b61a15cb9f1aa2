#include "engine/pose/affine.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace akimbo {
namespace {

struct PointF {
  float x, y;
};

PointF to_single(double x, double y) { return {static_cast<float>(x), static_cast<float>(y)}; }

// The third corner of the right angle whose legs are b->a and b->result; in f32.
PointF third_point(PointF a, PointF b) {
  const float dx = a.x - b.x;
  const float dy = a.y - b.y;
  return {b.x + -dy, b.y + dx};
}

using Triangle = std::array<PointF, 3>;

// Solves for the map from -> to. The equations of x and y alternate, and the elimination runs in
// this very order: anything else changes last bits of about a quarter of the matrices.
Affine solve(const Triangle& from, const Triangle& to) {
  std::array<std::array<double, 6>, 6> a{};
  std::array<double, 6> b{};
  for (int i = 0; i < 3; ++i) {
    a[2 * i] = {from[i].x, from[i].y, 1, 0, 0, 0};
    a[2 * i + 1] = {0, 0, 0, from[i].x, from[i].y, 1};
    b[2 * i] = to[i].x;
    b[2 * i + 1] = to[i].y;
  }
  for (int i = 0; i < 6; ++i) {
    int pivot = i;
    for (int j = i + 1; j < 6; ++j) {
      if (std::abs(a[j][i]) > std::abs(a[pivot][i])) pivot = j;
    }
    if (std::abs(a[pivot][i]) < 1e-300) return {};  // the region has no extent
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    const double d = -1 / a[i][i];
    for (int j = i + 1; j < 6; ++j) {
      const double alpha = a[j][i] * d;
      for (int k = i + 1; k < 6; ++k) a[j][k] += alpha * a[i][k];
      b[j] += alpha * b[i];
    }
  }
  Affine m{};
  for (int i = 5; i >= 0; --i) {
    double sum = b[i];
    for (int k = i + 1; k < 6; ++k) sum -= a[i][k] * m[k];
    m[i] = sum / a[i][i];
  }
  return m;
}

}  // namespace

void CenterScale::round() {
  if (!single) return;
  center = {static_cast<float>(center.x), static_cast<float>(center.y)};
  scale_x = static_cast<float>(scale_x);
  scale_y = static_cast<float>(scale_y);
}

CenterScale box_to_center_scale(const BoxXywh& box, double aspect, double padding) {
  CenterScale region;
  region.center = {box.x + box.width * 0.5, box.y + box.height * 0.5};
  double width = box.width;
  double height = box.height;
  if (width > aspect * height) {
    height = width / aspect;
  } else if (width < aspect * height) {
    width = height * aspect;
  }
  region.scale_x = width / kPixelStd;
  region.scale_y = height / kPixelStd;
  region.round();
  if (region.center.x != -1) {
    const auto factor = static_cast<float>(padding);
    region.scale_x = static_cast<float>(region.scale_x) * factor;
    region.scale_y = static_cast<float>(region.scale_y) * factor;
  }
  return region;
}

Affine crop_affine(const CenterScale& region, double rotation_deg, Size2 output,
                   AffineDirection direction) {
  const double side =
      region.single ? static_cast<float>(region.scale_x) * 200.0f : region.scale_x * kPixelStd;
  const double angle = std::numbers::pi * rotation_deg / 180;
  // The up vector (0, -side/2), turned.
  const double up_x = -(side * -0.5) * std::sin(angle);
  const double up_y = (side * -0.5) * std::cos(angle);
  const double cx = region.center.x;
  const double cy = region.center.y;
  Triangle image = {to_single(cx, cy), to_single(cx + up_x, cy + up_y), {}};
  image[2] = third_point(image[0], image[1]);
  const double w = output.width;
  const double h = output.height;
  // The vertical offset is half the WIDTH: the map is a similarity of factor w / side.
  Triangle crop = {to_single(w * 0.5, h * 0.5), to_single(w * 0.5, h * 0.5 + w * -0.5), {}};
  crop[2] = third_point(crop[0], crop[1]);
  return direction == AffineDirection::image_to_crop ? solve(image, crop) : solve(crop, image);
}

Point transform(const Affine& m, Point p) {
  return {m[0] * p.x + m[1] * p.y + m[2], m[3] * p.x + m[4] * p.y + m[5]};
}

Affine inverse(const Affine& m) {
  const double determinant = m[0] * m[4] - m[1] * m[3];
  const double d = determinant != 0 ? 1 / determinant : 0;
  const double i0 = m[4] * d;
  const double i4 = m[0] * d;
  const double i1 = -m[1] * d;
  const double i3 = -m[3] * d;
  return {i0, i1, -(i0 * m[2] + i1 * m[5]), i3, i4, -(i3 * m[2] + i4 * m[5])};
}

Affine compose(const Affine& s, const Affine& f) {
  return {s[0] * f[0] + s[1] * f[3], s[0] * f[1] + s[1] * f[4], s[0] * f[2] + s[1] * f[5] + s[2],
          s[3] * f[0] + s[4] * f[3], s[3] * f[1] + s[4] * f[4], s[3] * f[2] + s[4] * f[5] + s[5]};
}

}  // namespace akimbo
