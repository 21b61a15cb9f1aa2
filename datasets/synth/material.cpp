#include "datasets/synth/material.h"

#include "datasets/synth/noise.h"

namespace akimbo::synth {
namespace {

bool odd_cell(float value, float period) {
  return (static_cast<int>(std::floor(value / period)) & 1) != 0;
}

bool in_ellipse(float dx, float dy, float rx, float ry) {
  return (dx * dx) / (rx * rx) + (dy * dy) / (ry * ry) < 1;
}

// x to the person's left, y up, in heads from the middle of the head; only the front half is asked.
Vec3 face_colour(const Material& m, float x, float y) {
  const float ax = std::abs(x);
  if (in_ellipse(ax - 0.155f, y - 0.06f, 0.042f, 0.042f)) return m.third;
  if (in_ellipse(ax - 0.155f, y - 0.06f, 0.088f, 0.048f)) return {0.93f, 0.93f, 0.92f};
  if (in_ellipse(ax - 0.16f, y - 0.155f, 0.10f, 0.022f)) return mix(m.second, m.base, 0.25f);
  if (in_ellipse(ax, y + 0.26f, 0.125f, 0.035f)) return {0.62f, 0.22f, 0.22f};
  return m.base;
}

Vec3 head_colour(const Material& m, Vec3 p) {
  const Vec3 q = p * (1 / m.scale_m);
  // The hairline runs from the forehead down behind the ears.
  const float hair_from = m.phase - 0.9f * std::max(0.0f, 0.08f - q.z);
  if (q.y > hair_from) return m.second;
  return q.z > 0 ? face_colour(m, q.x, q.y) : m.base;
}

Vec3 shirt_colour(const Material& m, Vec3 p) {
  if (p.z <= 0) return m.base;
  if (std::abs(p.x) < 0.35f * (p.y - 0.62f * m.scale_m)) return m.third;  // collar opening
  if (m.phase < 0.5f) {
    return in_ellipse(p.x, p.y - 0.25f * m.scale_m, 0.36f * m.scale_m, 0.26f * m.scale_m) ? m.second
                                                                                          : m.base;
  }
  return std::abs(p.x) < 0.05f * m.scale_m ? m.second : m.base;  // a row of buttons, a zip
}

Vec3 shoe_colour(const Material& m, Vec3 p) {
  if (p.z < -0.28f * m.scale_m) return m.second;
  return p.y > 2.1f * m.scale_m ? m.third : m.base;
}

}  // namespace

Vec3 surface_colour(const Material& m, Vec3 p) {
  switch (m.pattern) {
    case Pattern::plain: return m.base;
    case Pattern::stripes: return odd_cell(p.y + m.phase, m.scale_m) ? m.second : m.base;
    case Pattern::long_stripes: return odd_cell(p.x + m.phase, m.scale_m) ? m.second : m.base;
    case Pattern::checks:
      return odd_cell(p.y + m.phase, m.scale_m) != odd_cell(p.x + m.phase, m.scale_m) ? m.second
                                                                                      : m.base;
    case Pattern::blotches:
      return mix(m.base, m.second,
                 value_noise(p.x / m.scale_m + m.phase * 97, (p.y + 0.7f * p.z) / m.scale_m, 7));
    case Pattern::shirt_front: return shirt_colour(m, p);
    case Pattern::face: return head_colour(m, p);
    case Pattern::shoe: return shoe_colour(m, p);
  }
  return m.base;
}

Vec3 hue_colour(float hue, float saturation, float value) {
  const auto channel = [&](float offset) {
    const float k = hue + offset - std::floor(hue + offset);
    const float ramp = std::clamp(std::abs(k * 6 - 3) - 1, 0.0f, 1.0f);
    return value * (1 - saturation * (1 - ramp));
  };
  return {channel(0), channel(2.0f / 3), channel(1.0f / 3)};
}

Vec3 any_colour(Random& random) {
  const float hue = random.uniform(), saturation = random.uniform();
  return hue_colour(hue, saturation * random.uniform(0.5f, 1), random.uniform(0.12f, 0.95f));
}

}  // namespace akimbo::synth
