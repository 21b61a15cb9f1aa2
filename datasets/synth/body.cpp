#include "datasets/synth/body.h"

namespace akimbo::synth {
namespace {

// Radii of the lowest points of a body, as shares of the height; figure.cpp draws with the same.
constexpr float kAnkleRise = 0.042f;  // ankle joint above the sole

void place_arm(Body& body, int side) {
  const Limb& limb = body.pose.arm[side];
  const float sign = side == kLeft ? 1.0f : -1.0f;
  const Mat3 frame = body.chest_frame * rotation_z(sign * radians(limb.abduct)) *
                     rotation_x(-radians(limb.flex)) * rotation_y(-sign * radians(limb.twist));
  const Mat3 lower = frame * rotation_x(-radians(limb.bend));
  body.shoulder[side] = body.chest + body.chest_frame * Vec3{sign * body.build.shoulder_half, 0, 0};
  body.elbow[side] = body.shoulder[side] + frame * Vec3{0, -body.build.upper_arm, 0};
  body.wrist[side] = body.elbow[side] + lower * Vec3{0, -body.build.forearm, 0};
  body.arm_frame[side] = frame;
  body.forearm_frame[side] = lower;
}

void place_leg(Body& body, int side) {
  const Limb& limb = body.pose.leg[side];
  const float sign = side == kLeft ? 1.0f : -1.0f;
  const Mat3 frame = body.pelvis_frame * rotation_z(sign * radians(limb.abduct)) *
                     rotation_x(-radians(limb.flex)) * rotation_y(sign * radians(limb.twist));
  const Mat3 lower = frame * rotation_x(radians(limb.bend));
  const Mat3 foot = lower * rotation_x(radians(body.pose.toes[side]));
  body.hip[side] = body.pelvis + body.pelvis_frame * Vec3{sign * body.build.hip_half, 0, 0};
  body.knee[side] = body.hip[side] + frame * Vec3{0, -body.build.thigh, 0};
  body.ankle[side] = body.knee[side] + lower * Vec3{0, -body.build.shin, 0};
  body.toe[side] = body.ankle[side] +
                   foot * Vec3{0, -kAnkleRise * 0.6f * body.build.height, 0.7f * body.build.foot};
  body.thigh_frame[side] = frame;
  body.shin_frame[side] = lower;
  body.foot_frame[side] = foot;
}

// Nose, eyes and ears lie on the head, whose half axes figure.cpp takes as .40, .52 and .47 heads.
void place_face(Body& body) {
  const float s = body.build.head;
  const auto at = [&](float x, float y, float z) {
    return body.head + body.head_frame * Vec3{x * s, y * s, z * s};
  };
  body.keypoints[0] = at(0, -0.08f, 0.54f);
  body.keypoints[1] = at(0.155f, 0.06f, 0.425f);
  body.keypoints[2] = at(-0.155f, 0.06f, 0.425f);
  body.keypoints[3] = at(0.40f, -0.02f, -0.02f);
  body.keypoints[4] = at(-0.40f, -0.02f, -0.02f);
}

float lowest_point(const Body& body) {
  const float h = body.build.height, g = body.build.girth;
  float low = body.head.y - 0.5f * body.build.head;
  const auto reach = [&](Vec3 p, float radius) { low = std::min(low, p.y - radius); };
  reach(body.pelvis, 0.068f * h * g);
  reach(body.chest, 0.06f * h * g);
  for (int side : {kLeft, kRight}) {
    reach(body.elbow[side], 0.022f * h * g);
    reach(body.wrist[side], 0.02f * h);
    reach(body.knee[side], 0.034f * h * g);
    reach(body.ankle[side], 0.024f * h * g);
    const Mat3& foot = body.foot_frame[side];
    const float sole = -kAnkleRise * h;
    reach(body.ankle[side] + foot * Vec3{0, sole, -0.2f * body.build.foot}, 0);
    reach(body.ankle[side] + foot * Vec3{0, sole, 0.7f * body.build.foot}, 0);
  }
  return low;
}

void shift(Body& body, Vec3 by) {
  for (Vec3* p : {&body.pelvis, &body.waist, &body.chest, &body.head}) *p = *p + by;
  for (auto* joints :
       {&body.shoulder, &body.elbow, &body.wrist, &body.hip, &body.knee, &body.ankle, &body.toe}) {
    for (Vec3& p : *joints) p = p + by;
  }
  for (Vec3& p : body.keypoints) p = p + by;
}

}  // namespace

Build sample_build(Random& random) {
  Build b;
  const bool child = random.chance(0.12f);
  b.height = child ? random.uniform(1.05f, 1.45f) : random.normal(1.71f, 0.09f);
  b.girth = std::clamp(random.normal(1.0f, 0.13f), 0.75f, 1.4f);
  const auto part = [&](float share, float spread) {
    return b.height * share * (1 + spread * random.normal());
  };
  // A child's head is large for its height.
  b.head = part(0.132f + 0.045f * std::max(0.0f, 1.6f - b.height), 0.04f);
  b.shoulder_half = part(0.106f, 0.06f) * (0.8f + 0.2f * b.girth);
  b.hip_half = part(0.056f, 0.06f) * (0.7f + 0.3f * b.girth);
  b.trunk = part(0.288f, 0.03f);
  b.neck = part(0.048f, 0.08f);
  b.upper_arm = part(0.172f, 0.04f);
  b.forearm = part(0.15f, 0.04f);
  b.thigh = part(0.245f, 0.03f);
  b.shin = part(0.235f, 0.03f);
  b.foot = part(0.15f, 0.05f);
  return b;
}

Body make_body(const Build& build, const Pose& pose, float x, float z, float yaw_rad) {
  Body body;
  body.build = build;
  body.pose = pose;
  body.pelvis_frame = rotation_y(yaw_rad) * rotation_x(radians(pose.root_pitch)) *
                      rotation_z(-radians(pose.root_roll));
  const auto trunk_turn = [&](float share) {
    return rotation_y(share * radians(pose.turn)) * rotation_x(share * radians(pose.bend)) *
           rotation_z(-share * radians(pose.side));
  };
  body.waist_frame = body.pelvis_frame * trunk_turn(0.5f);
  body.chest_frame = body.pelvis_frame * trunk_turn(1.0f);
  body.head_frame = body.chest_frame * rotation_y(radians(pose.head_turn)) *
                    rotation_x(radians(pose.head_nod)) * rotation_z(-radians(pose.head_tilt));
  body.waist = body.pelvis + body.pelvis_frame * Vec3{0, 0.3f * build.trunk, 0};
  body.chest = body.waist + body.waist_frame * Vec3{0, 0.3f * build.trunk, 0} +
               body.chest_frame * Vec3{0, 0.4f * build.trunk, 0};
  const Vec3 skull_base = body.chest + body.chest_frame * Vec3{0, 0.8f * build.neck, 0};
  body.head = skull_base +
              body.head_frame * Vec3{0, 0.2f * build.neck + 0.5f * build.head, 0.06f * build.head};
  for (int side : {kLeft, kRight}) {
    place_arm(body, side);
    place_leg(body, side);
  }
  place_face(body);
  for (int side : {kLeft, kRight}) {
    body.keypoints[5 + side] = body.shoulder[side];
    body.keypoints[7 + side] = body.elbow[side];
    body.keypoints[9 + side] = body.wrist[side];
    body.keypoints[11 + side] = body.hip[side];
    body.keypoints[13 + side] = body.knee[side];
    body.keypoints[15 + side] = body.ankle[side];
  }
  shift(body, {x, pose.lift - lowest_point(body), z});
  return body;
}

}  // namespace akimbo::synth
