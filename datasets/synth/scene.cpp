#include "datasets/synth/scene.h"

namespace akimbo::synth {
namespace {

constexpr float kReferenceHeight = 1.7f;  // of a person, metres: ties distance to size in pixels
constexpr float kNearestPerson = 1.6f;    // metres from the camera

struct Spot {
  float x, z;  // world
  float distance;
};

Camera sample_camera(const SceneOptions& options, float distance, float eye, Random& random) {
  Camera camera;
  camera.width = options.width;
  camera.height = options.height;
  camera.cx_px = 0.5f * static_cast<float>(options.width - 1);
  camera.cy_px = 0.5f * static_cast<float>(options.height - 1);
  camera.position = {0, eye, 0};
  // Looks along -z, pitched so that a person's middle at `distance` is near the picture's middle.
  const float aim = 0.84f + random.normal(0, 0.10f);
  const float down = std::atan2(eye - aim, distance);
  const float roll = radians(random.normal(0, 2.5f));
  const Mat3 level{{1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
  camera.rotation = rotation_z(roll) * rotation_x(down) * level;
  return camera;
}

// A place for the next person: anywhere in view, or close to one who is there already.
Spot sample_spot(const Camera& camera, const std::vector<Spot>& taken, float distance,
                 Random& random) {
  Spot spot{};
  for (int attempt = 0; attempt < 12; ++attempt) {
    const bool beside = !taken.empty() && random.chance(0.45f);
    spot.distance = taken.empty() ? distance : distance * std::exp(random.normal(0.08f, 0.28f));
    spot.distance = std::max(kNearestPerson, spot.distance);
    const float half_view = 0.5f * static_cast<float>(camera.width) / camera.f_px * spot.distance;
    if (beside) {
      const Spot& other =
          taken[static_cast<std::size_t>(random.below(static_cast<int>(taken.size())))];
      spot.x = other.x + random.uniform(-0.75f, 0.75f);
    } else {
      spot.x =
          half_view * (taken.empty() ? random.uniform(-0.55f, 0.55f) : random.uniform(-0.9f, 0.9f));
    }
    spot.z = -spot.distance;
    bool free = true;
    for (const Spot& other : taken) {
      const float dx = spot.x - other.x, dz = spot.z - other.z;
      free = free && dx * dx + dz * dz > 0.55f * 0.55f;
      // Not straight behind or before: one of the two would be hidden.
      const float apart = std::abs(spot.x / spot.distance - other.x / other.distance);
      free = free && apart * camera.f_px > 0.14f * camera.f_px * kReferenceHeight / spot.distance;
    }
    if (free) return spot;
  }
  spot.distance = 0;  // no room
  return spot;
}

float sample_yaw(double facing, Random& random) {
  const double draw = random.uniform();
  if (draw < facing) return radians(random.normal(0, 25));  // towards the camera
  if (draw < facing + 0.36 * (1 - facing)) return radians(180 + random.normal(0, 25));
  return random.uniform(-kPi, kPi);
}

std::uint16_t add_material(Scene& scene, const Material& material) {
  scene.materials.push_back(material);
  return static_cast<std::uint16_t>(scene.materials.size() - 1);
}

Material sample_object_material(Random& random) {
  const Pattern patterns[] = {Pattern::plain,        Pattern::plain,  Pattern::stripes,
                              Pattern::long_stripes, Pattern::checks, Pattern::blotches};
  Material m{.base = any_colour(random), .second = any_colour(random)};
  m.second = mix(m.base, m.second, random.uniform(0.2f, 0.8f));
  m.pattern = patterns[random.below(6)];
  m.scale_m = random.uniform(0.05f, 0.25f);
  m.phase = random.uniform();
  return m;
}

void add_seat(Scene& scene, const Body& body, float yaw, Random& random) {
  const float h = body.build.height;
  const float top = body.pelvis.y - 0.068f * h * body.build.girth;
  if (top < 0.1f) return;
  const Mat3 frame = rotation_y(yaw);
  const Vec3 center = body.pelvis + frame * Vec3{0, 0, 0.02f * h};
  scene.primitives.push_back({.solid = Solid::box,
                              .material = add_material(scene, sample_object_material(random)),
                              .center = {center.x, 0.5f * top, center.z},
                              .frame = frame,
                              .scale = {random.uniform(0.2f, 0.3f), 0.5f * top, 0.16f}});
}

// Boxes, balls and posts on the ground. Few stand before the people.
void add_objects(Scene& scene, float distance, Random& random) {
  const int num_objects = random.below(6);
  for (int i = 0; i < num_objects; ++i) {
    const bool before = random.chance(0.18f);
    const float d = before ? distance * random.uniform(0.6f, 0.85f)
                           : distance * random.uniform(1.15f, 3.0f) + 0.5f;
    const float half_view = 0.5f * static_cast<float>(scene.camera.width) / scene.camera.f_px * d;
    const Vec3 foot{half_view * random.uniform(-1.1f, 1.1f), 0, -d};
    Primitive p{.material = add_material(scene, sample_object_material(random)),
                .frame = rotation_y(random.uniform(-kPi, kPi))};
    const int kind = random.below(3);
    const float size = before ? random.uniform(0.15f, 0.35f) : random.uniform(0.15f, 0.6f);
    if (kind == 0) {
      p.solid = Solid::box;
      p.scale = {size, before ? 0.5f * size : size * random.uniform(0.5f, 2.0f), size};
      p.center = foot + Vec3{0, p.scale.y, 0};
    } else if (kind == 1) {
      p.solid = Solid::ellipsoid;
      p.scale = {size, size * random.uniform(0.7f, 1.1f), size};
      p.center = foot + Vec3{0, p.scale.y, 0};
    } else {
      p.solid = Solid::round_cone;
      p.r0 = random.uniform(0.03f, 0.08f);
      p.r1 = p.r0 * random.uniform(0.6f, 1.3f);
      p.span = random.uniform(0.7f, 2.5f);
      p.center = foot;
    }
    scene.primitives.push_back(p);
  }
}

}  // namespace

Scene make_scene(const SceneOptions& options, std::uint64_t seed, std::uint64_t picture) {
  Random layout(seed, picture, Purpose::layout), bodies(seed, picture, Purpose::bodies);
  Random clothes(seed, picture, Purpose::clothes), objects(seed, picture, Purpose::objects);
  Scene scene;
  const float share = layout.uniform(0.42f, 0.95f);  // of the picture's height, for a person
  const float view = radians(layout.uniform(34, 58));
  const float image_height = static_cast<float>(options.height);
  const float f_px = 0.5f * image_height / std::tan(0.5f * view);
  const float distance = std::max(kNearestPerson, f_px * kReferenceHeight / (share * image_height));
  scene.camera = sample_camera(options, distance, layout.uniform(0.8f, 2.1f), layout);
  scene.camera.f_px = f_px;
  scene.to_light =
      normalized({layout.uniform(-1, 1), layout.uniform(0.5f, 1.4f), layout.uniform(-0.4f, 1.2f)});
  scene.ambient = layout.uniform(0.38f, 0.62f);

  const int num_people = 1 + layout.below(options.max_people);
  std::vector<Spot> taken;
  for (int i = 0; i < num_people; ++i) {
    const Spot spot = sample_spot(scene.camera, taken, distance, layout);
    if (spot.distance == 0) continue;
    taken.push_back(spot);
    // Yaw is relative to the line of sight, so that "towards the camera" holds off the centre too.
    const float yaw = sample_yaw(options.facing, layout) - std::atan2(spot.x, spot.distance);
    const Build build = sample_build(bodies);
    const Pose pose = sample_pose(bodies);
    scene.people.push_back(make_body(build, pose, spot.x, spot.z, yaw));
    add_figure(scene.people.back(), sample_look(clothes), static_cast<int>(scene.people.size()) - 1,
               scene.primitives, scene.materials);
    if (pose.seated) add_seat(scene, scene.people.back(), yaw, objects);
  }
  add_objects(scene, distance, objects);
  return scene;
}

}  // namespace akimbo::synth
