#include "datasets/synth/render.h"

#include <array>
#include <limits>
#include <utility>

#include "datasets/synth/background.h"

namespace akimbo::synth {
namespace {

using Picture = std::vector<Vec3>;

// Lambert's law under one lamp and a soft sky, darker where the surface turns away from the eye:
// limbs of one colour stand out from each other by that rim.
Vec3 lit(const Scene& scene, Vec3 colour, Vec3 normal_camera, Vec3 view, Vec3 to_light_camera) {
  const float lamp = std::max(0.0f, dot(normal_camera, to_light_camera));
  const float sky = 0.5f - 0.5f * normal_camera.y;
  const float facing = std::clamp(-dot(normal_camera, normalized(view)), 0.0f, 1.0f);
  const float light = scene.ambient * (0.6f + 0.6f * sky) + (1.15f - scene.ambient) * lamp;
  return colour * (light * (0.62f + 0.38f * std::sqrt(facing)));
}

// Where something nearer is next to a pixel, less light arrives: 1 in the open.
float openness(const DepthBuffer& depth, int x, int y, int reach) {
  const float z = depth.z[depth.index(x, y)];
  float shade = 0;
  for (const auto& [dx, dy] : {std::pair{reach, 0}, {-reach, 0}, {0, reach}, {0, -reach}}) {
    const int u = x + dx, v = y + dy;
    if (u < 0 || v < 0 || u >= depth.width || v >= depth.height) continue;
    const float gap = z - depth.z[depth.index(u, v)];
    if (gap > 0.025f && gap < 0.6f) shade += 1;
  }
  return 1 - 0.13f * shade;
}

// The solids seen in the 3x3 pixels around one: at most 9, each once.
struct Nearby {
  std::array<std::uint16_t, 9> ids{};
  int count = 0;
  bool background = false;

  Nearby(const DepthBuffer& depth, int x, int y) {
    for (int v = std::max(0, y - 1); v <= std::min(depth.height - 1, y + 1); ++v) {
      for (int u = std::max(0, x - 1); u <= std::min(depth.width - 1, x + 1); ++u) {
        add(depth.primitive[depth.index(u, v)]);
      }
    }
  }
  void add(std::uint16_t id) {
    if (id == DepthBuffer::kNone) {
      background = true;
    } else if (std::find(ids.begin(), ids.begin() + count, id) == ids.begin() + count) {
      ids[static_cast<std::size_t>(count++)] = id;
    }
  }
  [[nodiscard]] bool is_edge() const { return count + background > 1; }
};

class Shader {
 public:
  Shader(const Scene& scene, const DepthBuffer& depth)
      : scene_(scene), depth_(depth), to_light_camera_(scene.camera.rotation * scene.to_light) {
    for (const Primitive& p : scene.primitives) views_.push_back(local_view(scene.camera, p));
  }

  // Inside a solid one sample does; at edges four are averaged, against jagged outlines.
  void shade(Picture& picture) const {
    const int reach = std::max(1, depth_.height / 120);
    for (int y = 0; y < depth_.height; ++y) {
      for (int x = 0; x < depth_.width; ++x) {
        const Nearby nearby(depth_, x, y);
        if (nearby.count == 0) continue;
        Vec3& pixel = picture[depth_.index(x, y)];
        const float open = openness(depth_, x, y, reach);
        const float u = static_cast<float>(x), v = static_cast<float>(y);
        if (!nearby.is_edge()) {
          pixel = sample(nearby, u, v, open, pixel);
          continue;
        }
        Vec3 sum;
        for (const auto& [du, dv] :
             {std::pair{-0.25f, -0.25f}, {0.25f, -0.25f}, {-0.25f, 0.25f}, {0.25f, 0.25f}}) {
          sum = sum + sample(nearby, u + du, v + dv, open, pixel);
        }
        pixel = sum * 0.25f;
      }
    }
  }

 private:
  [[nodiscard]] Vec3 sample(const Nearby& nearby, float u, float v, float open,
                            Vec3 background) const {
    const Vec3 ray = scene_.camera.ray(u, v);
    float nearest = std::numeric_limits<float>::infinity();
    std::uint16_t seen = DepthBuffer::kNone;
    for (int i = 0; i < nearby.count; ++i) {
      const std::uint16_t id = nearby.ids[static_cast<std::size_t>(i)];
      const float z = depth_along(scene_.primitives[id], views_[id], ray);
      if (z < nearest) nearest = z, seen = id;
    }
    if (seen == DepthBuffer::kNone) return background;
    const Primitive& p = scene_.primitives[seen];
    const SurfacePoint s = surface_point(p, views_[seen], ray, nearest);
    const Vec3 colour = surface_colour(scene_.materials[p.material], s.local_m);
    return lit(scene_, colour, s.normal_camera, ray, to_light_camera_) * open;
  }

  const Scene& scene_;
  const DepthBuffer& depth_;
  Vec3 to_light_camera_;
  std::vector<LocalView> views_;
};

// One pass of the kernel (a, 1 - 2a, a) along rows or columns.
void blur_pass(Picture& picture, int width, int height, bool along_rows, float a) {
  const std::ptrdiff_t step = along_rows ? 1 : width;
  const int lines = along_rows ? height : width, count = along_rows ? width : height;
  for (int line = 0; line < lines; ++line) {
    Vec3* p = picture.data() + static_cast<std::ptrdiff_t>(line) * (along_rows ? width : 1);
    Vec3 before = p[0];
    for (int i = 0; i < count; ++i, p += step) {
      const Vec3 here = *p, after = i + 1 < count ? p[step] : here;
      *p = here * (1 - 2 * a) + (before + after) * a;
      before = here;
    }
  }
}

Image developed(const Picture& picture, const Camera& camera, Random& random) {
  const float exposure = random.uniform(0.92f, 1.3f), noise = random.uniform(0, 0.022f);
  const Vec3 tint{random.uniform(0.92f, 1.06f), 1, random.uniform(0.92f, 1.06f)};
  Image image(camera.height, camera.width, 3);
  std::uint8_t* out = image.pixels.data();
  for (const Vec3& p : picture) {
    const Vec3 c = p * tint * exposure;
    // Three noises of 16 bits each from one draw; the sum of two bytes is triangular.
    const std::uint64_t bits = random.bits();
    int shift = 0;
    for (const float value : {c.x, c.y, c.z}) {
      const auto a = static_cast<float>((bits >> shift) & 255);
      const auto b = static_cast<float>((bits >> (shift + 8)) & 255);
      shift += 16;
      const float grain = (a + b - 255) * (noise * 2.4f / 255);
      *out++ = static_cast<std::uint8_t>(std::clamp((value + grain) * 255 + 0.5f, 0.0f, 255.0f));
    }
  }
  return image;
}

}  // namespace

Rendering render(const Scene& scene, std::uint64_t seed, std::uint64_t picture_index) {
  Random background(seed, picture_index, Purpose::background);
  Random lens(seed, picture_index, Purpose::lens);
  Rendering out{{}, rasterize(scene.camera, scene.primitives)};
  Picture picture = paint_background(scene, background);
  Shader(scene, out.depth).shade(picture);
  const float a = lens.uniform(0.03f, 0.2f);
  blur_pass(picture, scene.camera.width, scene.camera.height, true, a);
  blur_pass(picture, scene.camera.width, scene.camera.height, false, a);
  out.image = developed(picture, scene.camera, lens);
  return out;
}

}  // namespace akimbo::synth
