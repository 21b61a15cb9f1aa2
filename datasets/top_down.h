// Samples of top-down pose estimation: one person of a picture, cropped, normalised, with heatmap
// targets. A sample is a function of (set, options, epoch, index) alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datasets/disk_cache.h"
#include "datasets/image_cache.h"
#include "datasets/people.h"
#include "datasets/readers/image_source.h"
#include "datasets/transforms/augment.h"
#include "engine/pose/crop.h"
#include "engine/pose/device_crop.h"
#include "engine/pose/heatmap_codec.h"
#include "engine/pose/skeleton.h"

namespace akimbo::datasets {

struct TopDownOptions {
  HeatmapCodec codec;
  WarpMode warp = WarpMode::opencv;
  ChannelOrder order = ChannelOrder::bgr;
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  std::array<float, 3> deviation{0.229f, 0.224f, 0.225f};
  std::optional<AugmentOptions> augment;  // absent: samples as they are
  bool use_keypoint_weights = false;      // multiply target weights by the skeleton's
  std::uint64_t seed = 0;
  // In the fast mode: decode a picture at 1/2, 1/4 or 1/8 of its size where every crop that may be
  // cut from it still takes no pixel from less than one of the picture's.
  bool scaled_decoding = true;
  std::int64_t cache_bytes = std::int64_t{256} << 20;  // for decoded pictures, in memory
  std::shared_ptr<DiskCache> disk_cache;               // behind that one; null: none
};

// What is known of a sample beside its tensors.
struct SampleMeta {
  std::int64_t index = 0;  // in the data set
  std::int64_t image_id = 0;
  std::int64_t annotation_id = 0;
  std::string path;  // of the picture
  BoxXywh box_image;
  CropPlan plan;           // region, rotation, mirroring and joints after augmentation
  Affine image_to_crop{};  // of the (mirrored) picture
  double score = 1;
  double area = 0;
};

// Where the numbers of one sample go.
struct SampleSlot {
  std::span<float> input;   // [H, W, 3]
  std::span<float> target;  // [h, w, K]
  std::span<float> weight;  // [K]
};

// Where those of a sample go whose crop and targets a GPU will make.
struct PackedSlot {
  PackedCrops& crops;
  std::int64_t row = 0;          // of the batch
  std::span<Point> joints_crop;  // [K]
  std::span<float> weight;       // [K]; as annotated: making the targets changes them
};

class TopDownDataset {
 public:
  // Throws ArgumentError when the skeleton's number of keypoints is not that of the set.
  TopDownDataset(PersonSet people, ImageSource images, Skeleton skeleton,
                 const TopDownOptions& options);

  [[nodiscard]] std::int64_t size() const;
  // Batches of one pass, the last possibly smaller.
  [[nodiscard]] std::int64_t num_batches(std::int64_t batch_size) const;

  // Fills the slot. Safe from many threads. Throws FileError that names the picture and the
  // record.
  SampleMeta make_sample(std::int64_t index, std::int64_t epoch, const SampleSlot& slot) const;
  SampleMeta make_sample(std::int64_t index, std::int64_t epoch, const PackedSlot& slot) const;
  // The same with given draws; without draws nothing is augmented.
  SampleMeta make_sample(std::int64_t index, const std::optional<AugmentDraws>& draws,
                         const SampleSlot& slot) const;
  SampleMeta make_sample(std::int64_t index, const std::optional<AugmentDraws>& draws,
                         const PackedSlot& slot) const;

  // The whole picture that a sample is cut from. Throws FileError.
  [[nodiscard]] ImageCache::Picture picture(std::int64_t index) const;
  [[nodiscard]] const PersonSet& people() const { return people_; }
  [[nodiscard]] const Skeleton& skeleton() const { return skeleton_; }
  [[nodiscard]] const TopDownOptions& options() const { return options_; }
  [[nodiscard]] const Cropper& cropper() const { return cropper_; }
  // What multiplies the weights of keypoints: the skeleton's, or nothing.
  [[nodiscard]] std::span<const float> loss_weights() const;

 private:
  struct Picture {
    ImageCache::Picture image;
    int denominator = 1;
    int full_width = 0;
  };
  // A person ready to be cropped: the picture in memory, and the map from it (`affine` of the plan
  // is of the full picture).
  struct Prepared {
    CropPlan plan;
    Affine affine{};
    ImageCache::Picture image;
    Affine image_affine{};
    bool image_mirrored = false;
  };
  [[nodiscard]] std::optional<AugmentDraws> draws_of(std::int64_t index, std::int64_t epoch) const;
  [[nodiscard]] Prepared prepare(const PersonRecord& person,
                                 const std::optional<AugmentDraws>& draws) const;
  [[nodiscard]] SampleMeta meta_of(std::int64_t index, Prepared prepared) const;
  [[nodiscard]] Picture picture_of(const PersonRecord& person) const;
  [[nodiscard]] ImageCache::Picture decode(std::int64_t image_index, int denominator) const;
  [[nodiscard]] Image decode_or_load(const ImageEntry& entry, int denominator) const;
  [[nodiscard]] int denominator_for(const PersonRecord& person) const;

  PersonSet people_;
  ImageSource images_;
  Skeleton skeleton_;
  std::vector<int> flip_permutation_;
  TopDownOptions options_;
  Cropper cropper_;
  std::unique_ptr<ImageCache> cache_;
};

}  // namespace akimbo::datasets
