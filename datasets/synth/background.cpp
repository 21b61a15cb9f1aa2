#include "datasets/synth/background.h"

#include "datasets/synth/noise.h"
#include "datasets/synth/shadow.h"

namespace akimbo::synth {
namespace {

enum class Ground { plain, tiles, planks, grass };
enum class Backdrop { plain, gradient, panels, clouds };

struct Setting {
  Ground ground;
  Backdrop backdrop;
  Vec3 ground_a, ground_b, high, low;
  float wall_distance, tile_m, panel_px;
  std::uint32_t salt;
};

Vec3 muted_colour(Random& random) {
  const Vec3 c = any_colour(random);
  const float grey = (c.x + c.y + c.z) / 3;
  return mix(c, {grey, grey, grey}, 0.45f);
}

Setting sample_setting(const Scene& scene, Random& random) {
  Setting s{};
  s.ground = static_cast<Ground>(random.below(4));
  s.backdrop = static_cast<Backdrop>(random.below(4));
  s.ground_a = muted_colour(random);
  s.ground_b = mix(s.ground_a, muted_colour(random), random.uniform(0.15f, 0.6f));
  s.high = muted_colour(random);
  s.low = mix(s.high, muted_colour(random), random.uniform(0.2f, 0.8f));
  float farthest = 3;
  for (const Body& body : scene.people) farthest = std::max(farthest, -body.pelvis.z);
  s.wall_distance = random.chance(0.4f) ? 200.0f : farthest + random.uniform(0.8f, 4);
  s.tile_m = random.uniform(0.25f, 0.9f);
  s.panel_px = random.uniform(12, 60);
  s.salt = static_cast<std::uint32_t>(random.bits());
  return s;
}

// x, z on the ground in metres; patterns fade with distance, before they would flicker.
Vec3 ground_colour(const Setting& s, float x, float z, float distance) {
  float t = 0.3f;
  switch (s.ground) {
    case Ground::plain: break;
    case Ground::tiles:
      t = static_cast<float>((static_cast<int>(std::floor(x / s.tile_m)) +
                              static_cast<int>(std::floor(z / s.tile_m))) &
                             1);
      break;
    case Ground::planks: {
      const float plank = x / (0.4f * s.tile_m);
      t = lattice_value(static_cast<int>(std::floor(plank)), static_cast<int>(std::floor(z / 2.2f)),
                        s.salt);
      break;
    }
    case Ground::grass: t = value_noise(x * 14, z * 9, s.salt); break;
  }
  const float fade = 1 / (1 + distance * distance * 0.012f);
  const float patches = value_noise(x * 0.8f, z * 0.8f, s.salt + 1) - 0.5f;
  return mix(s.ground_a, s.ground_b, std::clamp(0.3f + (t - 0.3f) * fade, 0.0f, 1.0f)) *
         (1 + 0.25f * patches);
}

Vec3 backdrop_colour(const Setting& s, float x, float y, float height) {
  const float t = std::clamp(y / height, 0.0f, 1.0f);
  switch (s.backdrop) {
    case Backdrop::plain: return s.high;
    case Backdrop::gradient: return mix(s.high, s.low, t);
    case Backdrop::panels: {
      const float at = x / s.panel_px;
      return at - std::floor(at) < 0.06f
                 ? s.low * 0.7f
                 : mix(s.high, s.low,
                       0.5f * lattice_value(static_cast<int>(std::floor(at)), 0, s.salt));
    }
    case Backdrop::clouds:
      return mix(s.high, s.low,
                 0.65f * value_noise(x / s.panel_px, y / (0.6f * s.panel_px), s.salt) +
                     0.35f * value_noise(x * 3 / s.panel_px, y * 4 / s.panel_px, s.salt + 5));
  }
  return s.high;
}

using Picture = std::vector<Vec3>;

void blend(Picture& picture, int width, int height, int x, int y, Vec3 colour, float alpha) {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  Vec3& p = picture[static_cast<std::size_t>(y) * width + x];
  p = mix(p, colour, alpha);
}

// Rectangles, discs and lines, as signs, windows, foliage and poles would leave them.
void add_clutter(Picture& picture, int width, int height, Random& random) {
  const int num_shapes = random.below(10);
  const float size = static_cast<float>(std::min(width, height));
  for (int i = 0; i < num_shapes; ++i) {
    const Vec3 colour = muted_colour(random), second = mix(colour, muted_colour(random), 0.5f);
    const float cx = random.uniform(0, 1) * static_cast<float>(width);
    const float cy = random.uniform(0, 0.8f) * static_cast<float>(height);
    const float rx = size * random.uniform(0.02f, 0.2f), ry = size * random.uniform(0.02f, 0.2f);
    const float alpha = random.uniform(0.35f, 1);
    const int kind = random.below(3);
    const float slope = random.normal(0, 0.4f);
    const int x0 = static_cast<int>(cx - rx), x1 = static_cast<int>(cx + rx);
    const int y0 = static_cast<int>(cy - ry), y1 = static_cast<int>(cy + ry);
    if (kind == 2) {
      const int thick = 1 + random.below(4);
      for (int y = y0 - 40; y <= y1 + 40; ++y) {
        const int x = static_cast<int>(cx + slope * (static_cast<float>(y) - cy));
        for (int k = 0; k < thick; ++k) blend(picture, width, height, x + k, y, colour, alpha);
      }
      continue;
    }
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        const float dx = (static_cast<float>(x) - cx) / rx, dy = (static_cast<float>(y) - cy) / ry;
        if (kind == 1 && dx * dx + dy * dy > 1) continue;
        blend(picture, width, height, x, y, mix(colour, second, 0.5f + 0.5f * dy), alpha);
      }
    }
  }
}

}  // namespace

std::vector<Vec3> paint_background(const Scene& scene, Random& random) {
  const Setting s = sample_setting(scene, random);
  const Camera& camera = scene.camera;
  const Mat3 to_world = transposed(camera.rotation);
  const std::vector<float> light = ground_light(scene);
  Picture picture(static_cast<std::size_t>(camera.width) * camera.height);
  for (int y = 0; y < camera.height; ++y) {
    for (int x = 0; x < camera.width; ++x) {
      picture[static_cast<std::size_t>(y) * camera.width + x] = backdrop_colour(
          s, static_cast<float>(x), static_cast<float>(y), static_cast<float>(camera.height));
    }
  }
  add_clutter(picture, camera.width, camera.height, random);
  for (int y = 0; y < camera.height; ++y) {
    for (int x = 0; x < camera.width; ++x) {
      const Vec3 ray = to_world * camera.ray(static_cast<float>(x), static_cast<float>(y));
      if (ray.y > -1e-4f) continue;
      const float t = -camera.position.y / ray.y;
      const Vec3 hit = camera.position + ray * t;
      if (-hit.z > s.wall_distance) continue;
      const std::size_t at = static_cast<std::size_t>(y) * camera.width + x;
      picture[at] = ground_colour(s, hit.x, hit.z, t) * light[at];
    }
  }
  return picture;
}

}  // namespace akimbo::synth
