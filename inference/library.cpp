// What include/akimbo/akimbo.h promises, by means of the engine's own types.
#include <cmath>
#include <mutex>

#include "akimbo/akimbo.h"
#include "config/parts.h"
#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "inference/estimator.h"
#include "inference/precision.h"

namespace akimbo {

namespace {

// The thread pool and the mode of the kernels belong to the process.
std::mutex& computing() {
  static std::mutex mutex;
  return mutex;
}

// Where red, green and blue stand in a pixel, and the bytes of one.
struct PixelLayout {
  int red, green, blue, bytes;
};

PixelLayout layout_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::rgb: return {0, 1, 2, 3};
    case PixelFormat::bgr: return {2, 1, 0, 3};
    case PixelFormat::rgba: return {0, 1, 2, 4};
    case PixelFormat::bgra: return {2, 1, 0, 4};
    case PixelFormat::grey: return {0, 0, 0, 1};
  }
  throw_error<ArgumentError>("[estimate] the pixel format {} is not known",
                             static_cast<int>(format));
}

Image to_image(const PictureView& picture) {
  const PixelLayout layout = layout_of(picture.format);
  if (picture.pixels == nullptr || picture.width < 1 || picture.height < 1) {
    throw_error<ArgumentError>("[estimate] the picture is {}x{} pixels{}; give one with pixels",
                               picture.width, picture.height,
                               picture.pixels == nullptr ? " at a null pointer" : "");
  }
  const std::ptrdiff_t close = static_cast<std::ptrdiff_t>(picture.width) * layout.bytes;
  const std::ptrdiff_t step = picture.row_bytes == 0 ? close : picture.row_bytes;
  if (std::abs(step) < close) {
    throw_error<ArgumentError>(
        "[estimate] rows of {} pixels are {} bytes long, and row_bytes is {}; give the distance "
        "from "
        "one row to the next, or 0",
        picture.width, close, picture.row_bytes);
  }
  Image image(picture.height, picture.width, 3);
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* from = picture.pixels + y * step;
    std::uint8_t* to = image.row(y);
    for (int x = 0; x < picture.width; ++x, from += layout.bytes, to += 3) {
      to[0] = from[layout.red];
      to[1] = from[layout.green];
      to[2] = from[layout.blue];
    }
  }
  return image;
}

PersonPose to_person(const Estimator::Pose& pose, const PersonBox& box) {
  PersonPose person{.keypoints = {}, .score = 0, .box = box};
  for (std::size_t i = 0; i + 2 < pose.keypoints.size(); i += 3) {
    const float* k = &pose.keypoints[i];
    if (!std::isfinite(k[0]) || !std::isfinite(k[1]) || !std::isfinite(k[2])) {
      throw_error<NumericError>("[estimate] a pose is not finite; the network is not usable");
    }
    person.keypoints.push_back({k[0], k[1], k[2]});
    person.score += k[2];
  }
  person.score /= static_cast<float>(std::max<std::size_t>(1, person.keypoints.size()));
  return person;
}

void apply(const EstimatorOptions& options, EvalConfig& config) {
  if (options.threads < 0 || options.threads > 4096 || options.batch_size < 0 ||
      options.batch_size > 65536) {
    throw_error<ConfigError>(
        "[estimator] threads is {} and batch_size {}; wanted 0 to 4096 and 0 to 65536",
        options.threads, options.batch_size);
  }
  if (options.flip) config.flip_test = true;
  if (options.exact) config.winograd = false;
  if (!options.precision.empty()) config.precision = options.precision;
  if (options.batch_size > 0) config.batch_size = options.batch_size;
}

// As the config's own reader checks it.
void check(const Config& config) { (void)config_from_json(config_to_json(config)); }

}  // namespace

struct PoseEstimator::Parts {
  Estimator estimator;
  std::string note;
};

PoseEstimator::PoseEstimator(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
PoseEstimator::PoseEstimator(PoseEstimator&&) noexcept = default;
PoseEstimator& PoseEstimator::operator=(PoseEstimator&&) noexcept = default;
PoseEstimator::~PoseEstimator() = default;

PoseEstimator PoseEstimator::load(const std::string& path, const EstimatorOptions& options) {
  const std::lock_guard lock(computing());
  const Device device = parse_device(options.device);
  Model model = read_model(path, device);
  apply(options, model.config.eval);
  check(model.config);
  set_num_threads(options.threads);
  std::string note = precision_note(model.config.eval.precision, device);
  return PoseEstimator(
      std::make_unique<Parts>(Parts{Estimator(std::move(model), device), std::move(note)}));
}

const std::vector<std::string>& PoseEstimator::keypoint_names() const {
  return parts_->estimator.skeleton().keypoints;
}

const std::vector<std::pair<int, int>>& PoseEstimator::limbs() const {
  return parts_->estimator.skeleton().limbs;
}

const std::string& PoseEstimator::note() const { return parts_->note; }

std::vector<PersonPose> PoseEstimator::estimate(const PictureView& picture,
                                                std::span<const PersonBox> boxes) const {
  const Image image = to_image(picture);
  std::vector<BoxXywh> given;
  for (const PersonBox& box : boxes) given.push_back({box.x, box.y, box.width, box.height});
  const std::lock_guard lock(computing());
  const std::vector<Estimator::Pose> poses = parts_->estimator.estimate(image, given);
  std::vector<PersonPose> people;
  for (std::size_t i = 0; i < poses.size(); ++i) people.push_back(to_person(poses[i], boxes[i]));
  return people;
}

PersonPose PoseEstimator::estimate(const PictureView& picture) const {
  const PersonBox whole{.x = 0,
                        .y = 0,
                        .width = static_cast<double>(picture.width),
                        .height = static_cast<double>(picture.height)};
  return std::move(estimate(picture, {&whole, 1}).front());
}

const char* version() { return AKIMBO_VERSION; }

}  // namespace akimbo
