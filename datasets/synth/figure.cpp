#include "datasets/synth/figure.h"

namespace akimbo::synth {
namespace {

// Adds solids of one person. Lengths are metres; `h` is the height, which the limbs' thickness
// follows, `g` the girth.
class Sculptor {
 public:
  Sculptor(const Body& body, int person, std::vector<Primitive>& primitives,
           std::vector<Material>& materials)
      : body_(body),
        person_(static_cast<std::int16_t>(person)),
        primitives_(primitives),
        materials_(materials) {}

  std::uint16_t material(const Material& m) {
    materials_.push_back(m);
    return static_cast<std::uint16_t>(materials_.size() - 1);
  }

  Primitive& ellipsoid(Part part, std::uint16_t material, Vec3 center, const Mat3& frame,
                       Vec3 half_axes) {
    return add({.solid = Solid::ellipsoid,
                .part = part,
                .material = material,
                .center = center,
                .frame = frame,
                .scale = half_axes});
  }

  // From a to b, with the cross-section's z axis near `front`; `flat` scales its (x, z).
  Primitive& limb(Part part, std::uint16_t material, Vec3 a, Vec3 b, float ra, float rb, Vec3 front,
                  float flat_x = 1, float flat_z = 1) {
    Primitive p{.solid = Solid::round_cone,
                .part = part,
                .material = material,
                .center = a,
                .frame = frame_along(b - a, front),
                .scale = {flat_x, 1, flat_z}};
    p.r0 = ra, p.r1 = rb;
    p.span = std::max(length(b - a), 1.05f * std::abs(ra - rb) + 1e-3f);
    return add(p);
  }

 private:
  Primitive& add(Primitive p) {
    p.person = person_;
    primitives_.push_back(p);
    return primitives_.back();
  }

  const Body& body_;
  std::int16_t person_;
  std::vector<Primitive>& primitives_;
  std::vector<Material>& materials_;
};

Vec3 axis_z(const Mat3& frame) { return frame * Vec3{0, 0, 1}; }

void add_trunk(Sculptor& s, const Body& b, const Look& look) {
  const float h = b.build.height, g = b.build.girth;
  const Vec3 front = axis_z(b.chest_frame), hip_front = axis_z(b.pelvis_frame);
  const std::uint16_t trousers = s.material(look.trousers);
  Material chest = look.shirt, belly = look.shirt;
  if (belly.pattern == Pattern::shirt_front) {
    belly.second = chest.phase < 0.5f ? belly.base : belly.second;
    belly.third = belly.base;
    belly.phase = 1;
  }
  chest.scale_m = chest.pattern == Pattern::shirt_front ? 0.4f * b.build.trunk : chest.scale_m;
  const std::uint16_t chest_cloth = s.material(chest), belly_cloth = s.material(belly);
  const std::uint16_t skin = s.material({.base = look.skin});
  const float hip_reach = b.build.hip_half + 0.042f * h * g;
  s.ellipsoid(Part::torso, trousers, b.pelvis + b.pelvis_frame * Vec3{0, 0.012f * h, 0},
              b.pelvis_frame, {hip_reach, 0.068f * h, 0.066f * h * g});
  s.limb(Part::torso, belly_cloth, b.pelvis + b.pelvis_frame * Vec3{0, 0.045f * h, 0},
         b.waist + b.waist_frame * Vec3{0, 0.4f * b.build.trunk, 0}, 0.082f * h * g, 0.080f * h * g,
         hip_front, 1.0f, 0.72f);
  s.limb(Part::torso, chest_cloth, b.chest - b.chest_frame * Vec3{0, 0.3f * b.build.trunk, 0},
         b.chest - b.chest_frame * Vec3{0, 0.03f * h, 0}, 0.082f * h * g, 0.078f * h * g, front,
         1.12f, 0.74f);
  const Vec3 across = b.chest_frame * Vec3{0.82f * b.build.shoulder_half, 0, 0};
  const Vec3 collar = b.chest - b.chest_frame * Vec3{0, 0.008f * h, 0};
  Material yoke = look.shirt;
  yoke.pattern = yoke.pattern == Pattern::shirt_front ? Pattern::plain : yoke.pattern;
  s.limb(Part::torso, s.material(yoke), collar - across, collar + across, 0.036f * h * g,
         0.036f * h * g, front, 1.0f, 1.1f);
  s.limb(Part::torso, skin, b.chest + b.chest_frame * Vec3{0, 0.01f * h, 0}, b.head, 0.034f * h * g,
         0.03f * h * std::sqrt(g), front);
}

void add_head(Sculptor& s, const Body& b, const Look& look) {
  const float k = b.build.head;
  const auto at = [&](float x, float y, float z) {
    return b.head + b.head_frame * Vec3{x * k, y * k, z * k};
  };
  const std::uint16_t face = s.material({.base = look.skin,
                                         .second = look.hair,
                                         .third = look.iris,
                                         .pattern = Pattern::face,
                                         .scale_m = k,
                                         .phase = look.hairline});
  const std::uint16_t skin = s.material({.base = look.skin * 0.93f});
  const std::uint16_t hair = s.material({.base = look.hair});
  s.ellipsoid(Part::head, face, b.head, b.head_frame, {0.39f * k, 0.52f * k, 0.47f * k});
  s.limb(Part::head, skin, at(0, 0.04f, 0.45f), at(0, -0.08f, 0.50f), 0.03f * k, 0.055f * k,
         axis_z(b.head_frame));
  for (const float side : {1.0f, -1.0f}) {
    s.ellipsoid(Part::head, skin, at(0.39f * side, -0.02f, -0.03f), b.head_frame,
                {0.045f * k, 0.12f * k, 0.08f * k});
  }
  if (look.cap) {
    const std::uint16_t cloth = s.material({.base = look.cap_colour});
    s.ellipsoid(Part::head, cloth, at(0, 0.16f, -0.03f), b.head_frame,
                {0.44f * k, 0.43f * k, 0.48f * k});
    s.ellipsoid(Part::head, cloth, at(0, 0.27f, 0.42f), b.head_frame,
                {0.34f * k, 0.04f * k, 0.32f * k});
  } else if (look.hairline < 0.5f) {
    s.ellipsoid(Part::head, hair, at(0, 0.10f, -0.09f), b.head_frame,
                {0.42f * k, 0.49f * k, 0.46f * k});
  }
  if (look.long_hair) {
    s.limb(Part::head, hair, at(0, 0.1f, -0.25f), at(0, -0.65f, -0.30f), 0.36f * k, 0.30f * k,
           axis_z(b.head_frame), 1.0f, 0.6f);
  }
}

void add_arm(Sculptor& s, const Body& b, const Look& look, int side) {
  const float h = b.build.height, g = b.build.girth;
  const Part upper = side == kLeft ? Part::left_upper_arm : Part::right_upper_arm;
  const Part lower = side == kLeft ? Part::left_forearm : Part::right_forearm;
  const std::uint16_t sleeve = s.material(look.sleeves);
  const std::uint16_t skin = s.material({.base = look.skin});
  const Vec3 front = axis_z(b.arm_frame[side]), low_front = axis_z(b.forearm_frame[side]);
  const Vec3 down = b.forearm_frame[side] * Vec3{0, -1, 0};
  s.limb(upper, sleeve, b.shoulder[side], mix(b.shoulder[side], b.elbow[side], 0.55f),
         0.034f * h * g, 0.030f * h * g, front);
  s.limb(upper, look.long_sleeves ? sleeve : skin, mix(b.shoulder[side], b.elbow[side], 0.4f),
         b.elbow[side], 0.028f * h * g, 0.0235f * h * g, front);
  s.limb(lower, look.long_sleeves ? sleeve : skin, b.elbow[side], b.wrist[side], 0.0245f * h * g,
         0.0175f * h * g, low_front);
  s.ellipsoid(lower, skin, b.wrist[side] + down * (0.045f * h), b.forearm_frame[side],
              {0.013f * h, 0.05f * h, 0.023f * h});
}

// Hangs from the hips around both thighs; only for legs that are close together, which is what a
// single cone can cover.
void add_skirt(Sculptor& s, const Body& b, const Look& look) {
  const float h = b.build.height, g = b.build.girth;
  if (length(b.knee[kLeft] - b.knee[kRight]) > 0.2f * h || b.pose.leg[kLeft].flex > 40) return;
  const Vec3 hem = mix(b.pelvis, mix(b.knee[kLeft], b.knee[kRight], 0.5f), 0.72f);
  s.limb(Part::torso, s.material(look.trousers), b.pelvis, hem, 0.066f * h * g, 0.074f * h * g,
         b.pelvis_frame * Vec3{0, 0, 1}, 1.4f, 0.95f);
}

void add_leg(Sculptor& s, const Body& b, const Look& look, int side) {
  const float h = b.build.height, g = b.build.girth;
  const Part upper = side == kLeft ? Part::left_thigh : Part::right_thigh;
  const Part lower = side == kLeft ? Part::left_shin : Part::right_shin;
  const Part foot = side == kLeft ? Part::left_foot : Part::right_foot;
  const std::uint16_t cloth = s.material(look.trousers);
  const std::uint16_t skin = s.material({.base = look.skin});
  const Vec3 front = axis_z(b.thigh_frame[side]), low_front = axis_z(b.shin_frame[side]);
  if (look.skirt && side == kLeft) add_skirt(s, b, look);
  const std::uint16_t below = look.long_trousers ? cloth : skin;
  s.limb(upper, cloth, b.hip[side], b.knee[side], 0.053f * h * g, 0.036f * h * g, front);
  const Vec3 calf = mix(b.knee[side], b.ankle[side], 0.3f) - low_front * (0.008f * h);
  s.limb(lower, below, b.knee[side], calf, 0.034f * h * g, 0.036f * h * g, low_front);
  s.limb(lower, below, calf, b.ankle[side], 0.035f * h * g, 0.0235f * h * g, low_front);
  // The shoe: along local y from heel to toe, its local z pointing up from the sole.
  const Mat3& f = b.foot_frame[side];
  const float l = b.build.foot, r = 0.03f * h;
  const std::uint16_t shoe = s.material({.base = look.shoes,
                                         .second = look.soles,
                                         .third = mix(look.shoes, look.soles, 0.35f),
                                         .pattern = Pattern::shoe,
                                         .scale_m = 0.3f * l});
  s.limb(foot, shoe, b.ankle[side] + f * Vec3{0, -0.018f * h, -0.12f * l},
         b.ankle[side] + f * Vec3{0, -0.022f * h, 0.62f * l}, r, 0.9f * r, f * Vec3{0, 1, 0}, 0.95f,
         0.72f);
}

Material sample_cloth(Random& random) {
  Material m{.base = any_colour(random), .second = any_colour(random)};
  m.scale_m = random.uniform(0.03f, 0.08f);
  m.phase = random.uniform();
  const float draw = random.uniform();
  if (draw < 0.14f)
    m.pattern = Pattern::stripes;
  else if (draw < 0.2f)
    m.pattern = Pattern::long_stripes;
  else if (draw < 0.26f)
    m.pattern = Pattern::checks;
  else if (draw < 0.33f)
    m.pattern = Pattern::blotches;
  else
    m.pattern = Pattern::plain;
  return m;
}

}  // namespace

Look sample_look(Random& random) {
  Look look;
  const float tan = random.uniform();
  look.skin = mix(mix({0.97f, 0.82f, 0.72f}, {0.78f, 0.56f, 0.42f}, std::min(1.0f, 2 * tan)),
                  {0.34f, 0.21f, 0.15f}, std::max(0.0f, 2 * tan - 1));
  const Vec3 hair_colours[] = {{0.08f, 0.07f, 0.06f}, {0.22f, 0.13f, 0.08f}, {0.42f, 0.26f, 0.13f},
                               {0.80f, 0.64f, 0.36f}, {0.55f, 0.24f, 0.11f}, {0.70f, 0.69f, 0.68f}};
  look.hair = hair_colours[random.below(6)] * random.uniform(0.8f, 1.15f);
  look.iris = mix({0.12f, 0.08f, 0.05f}, {0.2f, 0.32f, 0.42f}, random.chance(0.3f) ? 1.0f : 0.0f);
  look.shirt = sample_cloth(random);
  if (look.shirt.pattern == Pattern::plain && random.chance(0.85f)) {
    look.shirt.pattern = Pattern::shirt_front;
  }
  look.shirt.third = look.skin;
  look.sleeves = look.shirt;
  if (look.sleeves.pattern == Pattern::shirt_front) look.sleeves.pattern = Pattern::plain;
  if (random.chance(0.12f)) look.sleeves = {.base = any_colour(random)};
  look.trousers = sample_cloth(random);
  if (random.chance(0.7f)) look.trousers.pattern = Pattern::plain;
  look.shoes = any_colour(random);
  look.soles = random.chance(0.6f) ? Vec3{0.9f, 0.9f, 0.88f} : Vec3{0.12f, 0.12f, 0.12f};
  look.long_sleeves = random.chance(0.45f);
  look.long_trousers = random.chance(0.65f);
  look.long_hair = random.chance(0.35f);
  look.skirt = random.chance(0.08f);
  if (look.skirt) look.long_trousers = false;
  look.cap = random.chance(0.12f);
  look.cap_colour = any_colour(random);
  look.hairline = random.chance(0.08f) ? 9.0f : random.uniform(0.26f, 0.36f);
  if (look.hairline > 0.5f) look.long_hair = false;
  return look;
}

void add_figure(const Body& body, const Look& look, int person, std::vector<Primitive>& primitives,
                std::vector<Material>& materials) {
  Sculptor sculptor(body, person, primitives, materials);
  add_trunk(sculptor, body, look);
  add_head(sculptor, body, look);
  for (int side : {kLeft, kRight}) {
    add_arm(sculptor, body, look, side);
    add_leg(sculptor, body, look, side);
  }
}

}  // namespace akimbo::synth
