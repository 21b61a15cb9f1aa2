// A person as bones: build, pose and the joint positions that follow from them.
//
// Frames are right-handed, in metres. In the frame of a body part x points to the person's left,
// y from pelvis to head, z forward. The world has y up and its ground at y = 0.
#pragma once

#include <array>

#include "datasets/synth/random.h"
#include "datasets/synth/vector.h"

namespace akimbo::synth {

inline constexpr int kNumKeypoints = 17;  // COCO's, in COCO's order
inline constexpr int kLeft = 0, kRight = 1;

// Lengths in metres.
struct Build {
  float height = 1.75f;
  float girth = 1;     // thickness of trunk and limbs, 1 for the average
  float head = 0.23f;  // chin to crown
  float shoulder_half = 0.18f, hip_half = 0.1f;
  float trunk = 0.5f;  // hip line to shoulder line
  float neck = 0.1f;   // shoulder line to the head's centre, less half a head
  float upper_arm = 0.3f, forearm = 0.26f;
  float thigh = 0.43f, shin = 0.42f, foot = 0.25f;
};
[[nodiscard]] Build sample_build(Random& random);

// Angles in degrees; all zero is a person who stands upright with hanging arms.
struct Limb {
  float flex = 0;    // thigh or upper arm raised forward
  float abduct = 0;  // ... away from the body, to its own side
  float twist =
      0;           // about its own length; positive turns the elbow's fold inward, the knee outward
  float bend = 0;  // of elbow or knee
};
struct Pose {
  float root_pitch = 0, root_roll = 0;               // whole body forward, to its left
  float bend = 0, side = 0, turn = 0;                // trunk over pelvis
  float head_nod = 0, head_tilt = 0, head_turn = 0;  // head over trunk
  std::array<Limb, 2> arm, leg;                      // [kLeft, kRight]
  std::array<float, 2> toes{0, 0};                   // foot pointed down
  float lift = 0;                                    // lowest point above the ground, metres
  bool seated = false;                               // wants something to sit on
};
[[nodiscard]] Pose sample_pose(Random& random);

// Positions and frames in the world. A frame's columns are the part's x, y and z axes.
struct Body {
  Build build;
  Pose pose;
  Vec3 pelvis, waist, chest, head;  // pelvis: between the hip joints; chest: between the shoulders
  Mat3 pelvis_frame, waist_frame, chest_frame, head_frame;
  std::array<Vec3, 2> shoulder, elbow, wrist, hip, knee, ankle, toe;
  std::array<Mat3, 2> arm_frame, forearm_frame, thigh_frame, shin_frame, foot_frame;
  std::array<Vec3, kNumKeypoints> keypoints;
};
// The body turned by `yaw_rad` about the vertical (0 faces +z) with its pelvis above (x, z),
// standing on the ground.
[[nodiscard]] Body make_body(const Build& build, const Pose& pose, float x, float z, float yaw_rad);

}  // namespace akimbo::synth
