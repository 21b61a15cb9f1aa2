#include "datasets/top_down.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/stage_times.h"

namespace akimbo::datasets {
namespace {

int reduced_side(int side, int denominator) { return (side + denominator - 1) / denominator; }

std::vector<Point> crop_joints(const CropPlan& plan, const Affine& image_to_crop) {
  std::vector<Point> joints(plan.joints.size());
  for (std::size_t k = 0; k < joints.size(); ++k) {
    const Joint& joint = plan.joints[k];
    // Unlabelled joints keep their place, as in the references; nothing is drawn for them.
    joints[k] = joint.visible > 0 ? transform(image_to_crop, joint.image) : joint.image;
  }
  return joints;
}

void copy_visibility(const CropPlan& plan, std::span<float> weight) {
  for (std::size_t k = 0; k < plan.joints.size(); ++k) weight[k] = plan.joints[k].visible;
}

// As annotated, or by the picture's own header.
ImageSize full_size(const ImageSource& images, const ImageEntry& entry) {
  if (entry.width > 0) return {entry.width, entry.height};
  const std::string bytes = images.read_bytes(entry.name);
  return read_image_size({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                         images.full_name(entry.name));
}

// The stream of a sample's augmentation; apart from the streams of weights and shuffling.
constexpr std::uint64_t kAugmentStream = stream_of("augment");

}  // namespace

TopDownDataset::TopDownDataset(PersonSet people, ImageSource images, Skeleton skeleton,
                               const TopDownOptions& options)
    : people_(std::move(people)),
      images_(std::move(images)),
      skeleton_(std::move(skeleton)),
      flip_permutation_(skeleton_.flip_permutation()),
      options_(options),
      cropper_({.output = options.codec.input_size,
                .mode = options.warp,
                .order = options.order,
                .mean = options.mean,
                .deviation = options.deviation}),
      cache_(std::make_unique<ImageCache>(options.cache_bytes)) {
  options_.codec.check("top_down");
  if (options_.augment && options_.augment->half_body_probability > 0 &&
      (skeleton_.upper_body.empty() || skeleton_.lower_body.empty())) {
    throw_error<ConfigError>(
        "[top_down] augment.half_body_probability is {}, but skeleton {} does not say which "
        "keypoints are the upper_body and the lower_body; add them, or set it to 0",
        options_.augment->half_body_probability, skeleton_.name);
  }
  if (people_.num_keypoints != skeleton_.num_keypoints()) {
    throw_error<ArgumentError>("[top_down] {} was read with {} keypoints, skeleton {} has {}",
                               people_.where, people_.num_keypoints, skeleton_.name,
                               skeleton_.num_keypoints());
  }
}

std::int64_t TopDownDataset::size() const {
  return static_cast<std::int64_t>(people_.people.size());
}

std::int64_t TopDownDataset::num_batches(std::int64_t batch_size) const {
  return (size() + batch_size - 1) / batch_size;
}

ImageCache::Picture TopDownDataset::decode(std::int64_t image_index, int denominator) const {
  const ImageEntry& entry = people_.images[static_cast<std::size_t>(image_index)];
  return cache_->get({image_index, denominator}, [&] {
    const StageTimer timer(Stage::decode);
    return decode_or_load(entry, denominator);
  });
}

Image TopDownDataset::decode_or_load(const ImageEntry& entry, int denominator) const {
  const ImageDecodeOptions how{.scale_denominator = denominator};
  if (options_.disk_cache == nullptr) return images_.read(entry.name, how);
  const std::string name = fmt::format("{}/{}", images_.full_name(entry.name), denominator);
  const std::uint64_t stamp = images_.stamp(entry.name);
  if (auto kept = options_.disk_cache->read(name, stamp)) return std::move(*kept);
  Image image = images_.read(entry.name, how);
  options_.disk_cache->write(name, stamp, image);
  return image;
}

// By the box and the smallest region that augmentation makes of it, not by a single draw, so that
// the cache serves every epoch. Half bodies may be smaller: they are cut from a picture of full
// size.
int TopDownDataset::denominator_for(const PersonRecord& person) const {
  const std::optional<AugmentOptions>& augment = options_.augment;
  if (!options_.scaled_decoding || options_.warp != WarpMode::fast ||
      (augment && augment->half_body_probability > 0)) {
    return 1;
  }
  CenterScale region = person.region;
  const double least = augment ? 1 - augment->scale_factor : 1;
  region.scale_x *= least;
  region.scale_y *= least;
  return reduction_for(options_.codec.image_to_crop(region));
}

ImageCache::Picture TopDownDataset::picture(std::int64_t index) const {
  return decode(people_.people.at(static_cast<std::size_t>(index)).image_index, 1);
}

TopDownDataset::Picture TopDownDataset::picture_of(const PersonRecord& person) const {
  const ImageEntry& entry = people_.images[static_cast<std::size_t>(person.image_index)];
  const int d = denominator_for(person);
  if (d > 1) {
    auto image = decode(person.image_index, d);
    const ImageSize full = full_size(images_, entry);
    // Formats that cannot be reduced, and files whose size is not as annotated, come in full.
    if (image->width == reduced_side(full.width, d) &&
        image->height == reduced_side(full.height, d)) {
      return {std::move(image), d, full.width};
    }
  }
  auto image = decode(person.image_index, 1);
  const int width = image->width;
  return {std::move(image), 1, width};
}

std::span<const float> TopDownDataset::loss_weights() const {
  if (!options_.use_keypoint_weights) return {};
  return skeleton_.weights;
}

std::optional<AugmentDraws> TopDownDataset::draws_of(std::int64_t index, std::int64_t epoch) const {
  if (!options_.augment) return std::nullopt;
  RandomStream random(options_.seed ^ kAugmentStream, static_cast<std::uint64_t>(epoch),
                      static_cast<std::uint64_t>(index));
  return draw_augmentation(random);
}

TopDownDataset::Prepared TopDownDataset::prepare(const PersonRecord& person,
                                                 const std::optional<AugmentDraws>& draws) const {
  Picture picture;
  try {
    picture = picture_of(person);
  } catch (const FileError& e) {
    throw_error<FileError>("{} (annotation {} of {})", e.what(), person.annotation_id,
                           people_.where);
  }
  const Size2 input = options_.codec.input_size;
  const AugmentContext context{.image_width = picture.full_width,
                               .aspect = static_cast<double>(input.width) / input.height,
                               .flip_permutation = flip_permutation_,
                               .upper_body = skeleton_.upper_body,
                               .lower_body = skeleton_.lower_body};
  CropPlan plan =
      draws ? augment(person, *draws, options_.augment.value_or(AugmentOptions{}), context)
            : plan_of(person);
  const Affine affine = options_.codec.image_to_crop(plan.region, plan.rotation_deg);
  const bool mirrored = plan.mirrored;
  if (picture.denominator == 1) {
    return {std::move(plan), affine, std::move(picture.image), affine, mirrored};
  }
  const Affine reduced =
      affine_for_reduced(affine, picture.denominator, mirrored ? picture.full_width : 0);
  return {std::move(plan), affine, std::move(picture.image), reduced, false};
}

SampleMeta TopDownDataset::meta_of(std::int64_t index, Prepared prepared) const {
  const PersonRecord& person = people_.people[static_cast<std::size_t>(index)];
  const ImageEntry& entry = people_.images[static_cast<std::size_t>(person.image_index)];
  return {.index = index,
          .image_id = entry.id,
          .annotation_id = person.annotation_id,
          .path = images_.full_name(entry.name),
          .box_image = person.box_image,
          .plan = std::move(prepared.plan),
          .image_to_crop = prepared.affine,
          .score = person.score,
          .area = person.area};
}

SampleMeta TopDownDataset::make_sample(std::int64_t index, std::int64_t epoch,
                                       const SampleSlot& slot) const {
  return make_sample(index, draws_of(index, epoch), slot);
}

SampleMeta TopDownDataset::make_sample(std::int64_t index, std::int64_t epoch,
                                       const PackedSlot& slot) const {
  return make_sample(index, draws_of(index, epoch), slot);
}

SampleMeta TopDownDataset::make_sample(std::int64_t index, const std::optional<AugmentDraws>& draws,
                                       const SampleSlot& slot) const {
  Prepared person = prepare(people_.people.at(static_cast<std::size_t>(index)), draws);
  {
    const StageTimer timer(Stage::crop);
    cropper_.crop(*person.image, person.image_affine, person.image_mirrored, slot.input);
  }
  {
    const StageTimer timer(Stage::target);
    copy_visibility(person.plan, slot.weight);
    encode_heatmaps(options_.codec, crop_joints(person.plan, person.affine), slot.weight,
                    slot.target, loss_weights());
  }
  return meta_of(index, std::move(person));
}

SampleMeta TopDownDataset::make_sample(std::int64_t index, const std::optional<AugmentDraws>& draws,
                                       const PackedSlot& slot) const {
  Prepared person = prepare(people_.people.at(static_cast<std::size_t>(index)), draws);
  const StageTimer timer(Stage::pack);
  slot.crops.pack(slot.row, *person.image, person.image_affine, person.image_mirrored);
  copy_visibility(person.plan, slot.weight);
  std::ranges::copy(crop_joints(person.plan, person.affine), slot.joints_crop.begin());
  return meta_of(index, std::move(person));
}

}  // namespace akimbo::datasets
