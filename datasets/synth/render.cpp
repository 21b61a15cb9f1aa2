#include "datasets/synth/render.h"

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

void shade_solids(const Scene& scene, const DepthBuffer& depth, Picture& picture) {
  const Camera& camera = scene.camera;
  const Vec3 to_light_camera = camera.rotation * scene.to_light;
  const int reach = std::max(1, camera.height / 120);
  for (int y = 0; y < camera.height; ++y) {
    for (int x = 0; x < camera.width; ++x) {
      const std::size_t at = depth.index(x, y);
      const std::uint16_t id = depth.primitive[at];
      if (id == DepthBuffer::kNone) continue;
      const Primitive& p = scene.primitives[id];
      const SurfacePoint s = surface_point(camera, p, x, y, depth.z[at]);
      const Vec3 colour = surface_colour(scene.materials[p.material], s.local_m);
      const Vec3 view = camera.ray(static_cast<float>(x), static_cast<float>(y));
      picture[at] =
          lit(scene, colour, s.normal_camera, view, to_light_camera) * openness(depth, x, y, reach);
    }
  }
}

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
  const float exposure = random.uniform(0.82f, 1.2f), noise = random.uniform(0, 0.022f);
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
  shade_solids(scene, out.depth, picture);
  const float a = lens.uniform(0.1f, 0.24f);
  blur_pass(picture, scene.camera.width, scene.camera.height, true, a);
  blur_pass(picture, scene.camera.width, scene.camera.height, false, a);
  out.image = developed(picture, scene.camera, lens);
  return out;
}

}  // namespace akimbo::synth
