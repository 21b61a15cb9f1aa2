// OpenPose's body keypoints (BODY_25) out of ours, by name.
#pragma once

#include <string>
#include <vector>

#include "engine/pose/skeleton.h"

namespace akimbo::apps {

// False for a skeleton with none of BODY_25's keypoints.
[[nodiscard]] bool has_openpose_keypoints(const Skeleton& skeleton);

// The people of a picture, each [K, 3] x, y, score of the skeleton, as a file of OpenPose's format,
// version 1.3. The neck is between the shoulders and the middle of the hip between the hips, unless
// the skeleton has them; what it lacks is 0, 0, 0.
[[nodiscard]] std::string openpose_json(const std::vector<std::vector<float>>& people,
                                        const Skeleton& skeleton);

}  // namespace akimbo::apps
