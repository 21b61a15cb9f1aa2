#include "apps/predict/openpose.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace akimbo::apps {

namespace {

constexpr int kNone = -1;

// One keypoint of BODY_25: names that stand for it, or the two that it lies between.
struct BodyPart {
  std::array<const char*, 4> names{};
  std::array<const char*, 2> between{};
};

// The order of OpenPose's documentation (output format BODY_25).
constexpr std::array<BodyPart, 25> kBody25 = {{
    {{"nose"}},
    {{"neck", "upper_neck", "thorax"}, {"left_shoulder", "right_shoulder"}},
    {{"right_shoulder"}},
    {{"right_elbow"}},
    {{"right_wrist"}},
    {{"left_shoulder"}},
    {{"left_elbow"}},
    {{"left_wrist"}},
    {{"pelvis", "mid_hip"}, {"left_hip", "right_hip"}},
    {{"right_hip"}},
    {{"right_knee"}},
    {{"right_ankle"}},
    {{"left_hip"}},
    {{"left_knee"}},
    {{"left_ankle"}},
    {{"right_eye"}},
    {{"left_eye"}},
    {{"right_ear"}},
    {{"left_ear"}},
    {{"left_big_toe"}},
    {{"left_small_toe"}},
    {{"left_heel"}},
    {{"right_big_toe"}},
    {{"right_small_toe"}},
    {{"right_heel"}},
}};

int find_keypoint(const Skeleton& skeleton, const char* name) {
  const auto& names = skeleton.keypoints;
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? kNone : static_cast<int>(found - names.begin());
}

// Our keypoints whose mean is each part; twice the same where it is one; kNone where there is none.
std::vector<std::array<int, 2>> sources_of(const Skeleton& skeleton) {
  std::vector<std::array<int, 2>> sources;
  for (const BodyPart& part : kBody25) {
    int source = kNone;
    for (const char* name : part.names) {
      if (name && source == kNone) source = find_keypoint(skeleton, name);
    }
    std::array<int, 2> pair = {source, source};
    if (source == kNone && part.between[0]) {
      pair = {find_keypoint(skeleton, part.between[0]), find_keypoint(skeleton, part.between[1])};
    }
    sources.push_back(pair[0] == kNone || pair[1] == kNone ? std::array{kNone, kNone} : pair);
  }
  return sources;
}

std::string body_keypoints(const std::vector<float>& keypoints,
                           const std::vector<std::array<int, 2>>& sources) {
  std::vector<float> list;
  for (const auto& [a, b] : sources) {
    if (a == kNone) {
      list.insert(list.end(), 3, 0.0f);
      continue;
    }
    const float* first = keypoints.data() + static_cast<std::ptrdiff_t>(3) * a;
    const float* second = keypoints.data() + static_cast<std::ptrdiff_t>(3) * b;
    list.push_back(0.5f * (first[0] + second[0]));
    list.push_back(0.5f * (first[1] + second[1]));
    list.push_back(std::min(first[2], second[2]));
  }
  return fmt::format("{}", fmt::join(list, ","));
}

}  // namespace

bool has_openpose_keypoints(const Skeleton& skeleton) {
  const auto sources = sources_of(skeleton);
  return std::any_of(sources.begin(), sources.end(), [](const auto& s) { return s[0] != kNone; });
}

std::string openpose_json(const std::vector<std::vector<float>>& people, const Skeleton& skeleton) {
  const auto sources = sources_of(skeleton);
  std::string text;
  for (const std::vector<float>& keypoints : people) {
    text += fmt::format(R"({}{{"person_id":[-1],"pose_keypoints_2d":[{}])", text.empty() ? "" : ",",
                        body_keypoints(keypoints, sources));
    for (const char* key : {"face_keypoints_2d", "hand_left_keypoints_2d",
                            "hand_right_keypoints_2d", "pose_keypoints_3d", "face_keypoints_3d",
                            "hand_left_keypoints_3d", "hand_right_keypoints_3d"}) {
      text += fmt::format(R"(,"{}":[])", key);
    }
    text += "}";
  }
  return fmt::format(R"({{"version":1.3,"people":[{}]}})", text);
}

}  // namespace akimbo::apps
