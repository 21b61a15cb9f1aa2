// The repertoire of poses: base poses that are varied joint by joint.
#include "datasets/synth/body.h"

namespace akimbo::synth {
namespace {

using Sampler = Pose (*)(Random&);

// Hanging arms, straight legs, a little of everything.
Pose relaxed(Random& r) {
  Pose p;
  p.bend = r.normal(3, 4);
  p.side = r.normal(0, 4);
  p.turn = r.normal(0, 8);
  p.head_nod = r.normal(2, 9);
  p.head_tilt = r.normal(0, 6);
  p.head_turn = r.normal(0, 22);
  for (int s : {kLeft, kRight}) {
    p.arm[s] = {r.normal(5, 12), std::abs(r.normal(12, 8)), r.normal(15, 20), r.uniform(4, 35)};
    p.leg[s] = {r.normal(2, 6), r.uniform(1, 10), r.uniform(0, 20), r.uniform(0, 10)};
  }
  return p;
}

Pose walking(Random& r) {
  Pose p = relaxed(r);
  const float stride = r.uniform(12, 30);
  const int front = r.below(2), back = 1 - front;
  p.bend = r.normal(5, 3);
  p.leg[front] = {stride, 2, 5, r.uniform(3, 25)};
  p.leg[back] = {-stride * 0.8f, 2, 5, r.uniform(8, 45)};
  p.toes[back] = r.uniform(0, 30);
  p.arm[front] = {r.normal(-18, 8), 9, 10, r.uniform(5, 30)};
  p.arm[back] = {r.normal(24, 8), 9, 15, r.uniform(15, 50)};
  return p;
}

Pose running(Random& r) {
  Pose p = relaxed(r);
  const int front = r.below(2), back = 1 - front;
  p.root_pitch = r.uniform(4, 16);
  p.bend = r.uniform(0, 12);
  p.leg[front] = {r.uniform(35, 75), 2, 4, r.uniform(35, 95)};
  p.leg[back] = {r.uniform(-35, -8), 2, 4, r.uniform(15, 100)};
  p.toes[back] = r.uniform(10, 40);
  p.arm[front] = {r.uniform(-55, -20), 12, 15, r.uniform(70, 110)};
  p.arm[back] = {r.uniform(20, 55), 10, 20, r.uniform(70, 115)};
  p.lift = r.chance(0.5f) ? r.uniform(0, 0.12f) : 0.0f;
  return p;
}

Pose sitting(Random& r) {
  Pose p = relaxed(r);
  p.seated = true;
  p.root_pitch = r.uniform(-15, 8);
  p.bend = r.uniform(-4, 30);
  for (int s : {kLeft, kRight}) {
    p.leg[s] = {r.uniform(72, 92) + p.root_pitch, r.uniform(2, 18), r.uniform(-5, 15),
                r.uniform(60, 105)};
    p.arm[s] = {r.uniform(10, 50), r.uniform(5, 18), r.uniform(10, 40), r.uniform(25, 85)};
  }
  return p;
}

Pose arms_raised(Random& r) {
  Pose p = relaxed(r);
  const int which = r.below(4);  // both, both, left, right
  for (int s : {kLeft, kRight}) {
    if (which >= 2 && which - 2 != s) continue;
    p.arm[s] = {r.uniform(-10, 30), r.uniform(75, 170), r.normal(0, 25), r.uniform(0, 80)};
  }
  for (int s : {kLeft, kRight}) p.leg[s].abduct = r.uniform(1, 20);
  return p;
}

Pose reaching(Random& r) {
  Pose p = relaxed(r);
  for (int s : {kLeft, kRight}) {
    if (r.chance(0.3f)) continue;
    p.arm[s] = {r.uniform(45, 125), r.uniform(-5, 35), r.normal(10, 25), r.uniform(0, 70)};
  }
  return p;
}

Pose hand_on_hip(Random& r) {
  Pose p = relaxed(r);
  const int which = r.below(3);  // both, left, right
  for (int s : {kLeft, kRight}) {
    if (which >= 1 && which - 1 != s) continue;
    p.arm[s] = {r.uniform(-25, 0), r.uniform(30, 52), r.uniform(60, 95), r.uniform(75, 105)};
  }
  return p;
}

Pose hand_to_head(Random& r) {
  Pose p = relaxed(r);
  const int s = r.below(2);
  p.arm[s] = {r.uniform(40, 85), r.uniform(5, 45), r.uniform(0, 35), r.uniform(115, 145)};
  return p;
}

Pose folded_arms(Random& r) {
  Pose p = relaxed(r);
  for (int s : {kLeft, kRight}) {
    p.arm[s] = {r.uniform(20, 45), r.uniform(6, 18), r.uniform(45, 75), r.uniform(80, 110)};
  }
  return p;
}

Pose crouching(Random& r) {
  Pose p = relaxed(r);
  const float depth = r.uniform(0.35f, 1);
  p.root_pitch = 35 * depth * r.uniform(0.7f, 1.1f);
  p.bend = r.uniform(0, 30) * depth;
  p.head_nod = r.normal(-20, 10) * depth;
  for (int s : {kLeft, kRight}) {
    p.leg[s] = {120 * depth + r.normal(0, 6), r.uniform(4, 26), r.uniform(0, 20),
                125 * depth + r.normal(0, 6)};
    p.toes[s] = -15 * depth;
    p.arm[s] = {r.uniform(30, 90), r.uniform(0, 25), r.normal(15, 15), r.uniform(10, 90)};
  }
  return p;
}

Pose lunging(Random& r) {
  Pose p = relaxed(r);
  const int front = r.below(2), back = 1 - front;
  p.leg[front] = {r.uniform(45, 90), r.uniform(0, 15), r.uniform(0, 10), r.uniform(45, 95)};
  p.leg[back] = {r.uniform(-35, -10), r.uniform(0, 15), r.uniform(0, 15), r.uniform(5, 60)};
  p.toes[back] = r.uniform(20, 45);
  for (int s : {kLeft, kRight}) {
    p.arm[s] = {r.uniform(-30, 95), r.uniform(5, 70), r.normal(10, 20), r.uniform(5, 100)};
  }
  return p;
}

Pose kicking(Random& r) {
  Pose p = relaxed(r);
  const int kick = r.below(2);
  p.root_pitch = r.uniform(-22, 5);
  p.leg[kick] = {r.uniform(30, 100), r.uniform(0, 30), r.uniform(0, 20), r.uniform(0, 50)};
  p.toes[kick] = r.uniform(0, 40);
  p.leg[1 - kick].flex = p.root_pitch + r.uniform(-5, 8);
  for (int s : {kLeft, kRight}) {
    p.arm[s] = {r.uniform(-40, 60), r.uniform(15, 85), r.normal(0, 20), r.uniform(5, 70)};
  }
  return p;
}

Pose jumping(Random& r) {
  Pose p = relaxed(r);
  p.lift = r.uniform(0.1f, 0.5f);
  for (int s : {kLeft, kRight}) {
    p.leg[s] = {r.uniform(-15, 50), r.uniform(2, 38), r.uniform(0, 15), r.uniform(5, 95)};
    p.toes[s] = r.uniform(5, 45);
    p.arm[s] = {r.uniform(-20, 60), r.uniform(20, 165), r.normal(0, 20), r.uniform(5, 70)};
  }
  return p;
}

Pose bending_over(Random& r) {
  Pose p = relaxed(r);
  p.root_pitch = r.uniform(15, 50);
  p.bend = r.uniform(15, 50);
  p.head_nod = r.normal(-15, 12);
  for (int s : {kLeft, kRight}) {
    p.leg[s] = {p.root_pitch + r.normal(0, 6), r.uniform(2, 14), r.uniform(0, 12),
                r.uniform(0, 35)};
    p.arm[s] = {r.uniform(30, 95), r.uniform(0, 20), r.normal(10, 15), r.uniform(0, 50)};
  }
  return p;
}

Pose lying(Random& r) {
  Pose p = relaxed(r);
  p.root_pitch = r.chance(0.7f) ? -90.0f : 90.0f;
  p.root_roll = r.chance(0.3f) ? r.uniform(-80, 80) : r.normal(0, 8);
  for (int s : {kLeft, kRight}) {
    p.leg[s] = {r.uniform(-3, 40), r.uniform(2, 16), r.uniform(0, 20), r.uniform(0, 75)};
    p.arm[s] = {r.uniform(-5, 60), r.uniform(8, 70), r.normal(10, 20), r.uniform(0, 70)};
    p.toes[s] = 30;
  }
  return p;
}

struct Entry {
  float weight;
  Sampler sample;
};
constexpr Entry kRepertoire[] = {
    {18, relaxed}, {14, walking},    {8, running},      {9, sitting},      {10, arms_raised},
    {8, reaching}, {6, hand_on_hip}, {4, hand_to_head}, {3, folded_arms},  {5, crouching},
    {4, lunging},  {4, kicking},     {3, jumping},      {3, bending_over}, {1.5f, lying},
};

}  // namespace

Pose sample_pose(Random& random) {
  float total = 0;
  for (const Entry& entry : kRepertoire) total += entry.weight;
  float draw = random.uniform() * total;
  Pose pose;
  for (const Entry& entry : kRepertoire) {
    draw -= entry.weight;
    if (draw < 0 || &entry == std::end(kRepertoire) - 1) {
      pose = entry.sample(random);
      break;
    }
  }
  for (auto* limbs : {&pose.arm, &pose.leg}) {
    for (Limb& limb : *limbs) limb.bend = std::clamp(limb.bend, 0.0f, 150.0f);
  }
  for (int s : {kLeft, kRight}) {  // feet that are not pointed stand flat, as far as ankles allow
    const float tilt = pose.root_pitch - pose.leg[s].flex + pose.leg[s].bend;
    if (pose.toes[s] == 0) pose.toes[s] = std::clamp(-tilt, -25.0f, 40.0f);
  }
  pose.head_turn = std::clamp(pose.head_turn, -70.0f, 70.0f);
  return pose;
}

}  // namespace akimbo::synth
