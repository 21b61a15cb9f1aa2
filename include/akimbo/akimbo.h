// Human pose estimation in your own program: a model file, a picture and boxes of people in, their
// keypoints out. docs/library.md has an example and how to build it.
//
// The interface is these few types; they and the model files stay compatible within a version 0.x
// of the library. Errors are exceptions (akimbo/error.h) whose texts say what to mend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "akimbo/error.h"

namespace akimbo {

enum class PixelFormat { rgb, bgr, rgba, bgra, grey };

// A picture that stays yours: 8 bits a channel, channels interleaved, rows from top to bottom.
// Alpha is ignored. In pixel coordinates the centre of the first pixel is (0, 0).
struct PictureView {
  const std::uint8_t* pixels = nullptr;
  int width = 0;
  int height = 0;
  PixelFormat format = PixelFormat::rgb;
  std::ptrdiff_t row_bytes = 0;  // from one row to the next; 0: rows follow each other closely
};

// In pixels of the picture. Parts outside it are taken as black.
struct PersonBox {
  double x = 0, y = 0;  // top-left corner
  double width = 0, height = 0;
};

struct Keypoint {
  float x = 0, y = 0;  // pixels of the picture
  float score = 0;     // the heatmap's value there: about 0 to 1
};

struct PersonPose {
  std::vector<Keypoint> keypoints;  // one for each of PoseEstimator::keypoint_names(), in its order
  float score = 0;                  // mean of the keypoints' scores
  PersonBox box;                    // as given
};

struct EstimatorOptions {
  std::string device = "auto";  // "cpu", "cuda", "cuda:1"; auto: a GPU if there is one
  int threads = 0;              // of the CPU, for the whole process; 0: all cores
  bool flip = false;            // average with the mirrored picture: better, half as fast
  bool exact = false;           // sum convolutions directly: smaller rounding errors, slower
  std::string precision;        // of the device, such as "bf16"; empty: as the model file says
  int batch_size = 0;           // people that go through the network at once; 0: the model file's
};

// A trained network. Calls from several threads are safe and take turns: one already uses all
// cores.
class AKIMBO_API PoseEstimator {
 public:
  // A model file (.safetensors) as `akimbo train` or `akimbo convert` writes it. Throws FileError
  // when it is missing, damaged or no model, ConfigError for options that do not go together,
  // DeviceError when the device is not there.
  [[nodiscard]] static PoseEstimator load(const std::string& path,
                                          const EstimatorOptions& options = {});

  PoseEstimator(PoseEstimator&&) noexcept;
  PoseEstimator& operator=(PoseEstimator&&) noexcept;
  ~PoseEstimator();

  [[nodiscard]] const std::vector<std::string>& keypoint_names() const;
  // Pairs of keypoints, by their places in keypoint_names(), that a drawing joins.
  [[nodiscard]] const std::vector<std::pair<int, int>>& limbs() const;

  // What the device does otherwise than was asked, such as f32 in place of bf16 where the CPU has
  // no instructions for it; empty: nothing.
  [[nodiscard]] const std::string& note() const;

  // One pose for each box, in their order. The first call for a number of boxes prepares the
  // network for it and takes longer. Throws ArgumentError for an empty picture or a box without
  // area.
  [[nodiscard]] std::vector<PersonPose> estimate(const PictureView& picture,
                                                 std::span<const PersonBox> boxes) const;
  // The pose of the one person that the picture shows.
  [[nodiscard]] PersonPose estimate(const PictureView& picture) const;

 private:
  struct Parts;
  explicit PoseEstimator(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// "0.1.0"
[[nodiscard]] AKIMBO_API const char* version();

}  // namespace akimbo
