// Files of results: everybody that was found in a set of pictures, or in the frames of a video. The
// formats are described in docs/formats.md.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datasets/metrics/pose_results.h"
#include "engine/pose/affine.h"
#include "engine/pose/skeleton.h"

namespace akimbo::apps {

struct FoundPerson {
  datasets::PredictedPose pose;
  BoxXywh box;  // the person was looked for in
};

// One picture, or one frame of a video.
struct FoundPicture {
  std::filesystem::path input;
  std::string name;           // of files about it, without ending; unlike any other's
  std::int64_t image_id = 0;  // of a frame: its number, from 0
  int width = 0, height = 0;
  double time_s = -1;  // of a frame in its video; below 0: a picture
  std::vector<FoundPerson> people;
};

class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  virtual void add(const FoundPicture& picture) = 0;
  // Writes what add() has collected, atomically. Not called for runs that were broken off.
  virtual void finish() = 0;
};

// "coco": STEM.json; "csv": STEM.csv; "openpose": NAME_keypoints.json for every picture, in the
// folder "openpose" beside STEM. Throws ConfigError for another name, and when the skeleton has
// nothing that OpenPose's BODY_25 has.
[[nodiscard]] std::unique_ptr<ResultWriter> make_result_writer(const std::string& format,
                                                               const std::filesystem::path& stem,
                                                               const Skeleton& skeleton);

// The frames of a video with their times, those without people too.
[[nodiscard]] std::unique_ptr<ResultWriter> make_frame_writer(const std::filesystem::path& path);

// What the numbers of all these files mean: order of coordinates, names, skeleton.
[[nodiscard]] std::string keypoints_json(const Skeleton& skeleton);

}  // namespace akimbo::apps
