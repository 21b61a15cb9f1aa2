#include "datasets/top_down.h"

#include <gtest/gtest.h>

#include "datasets/meta.h"
#include "datasets/readers/coco_format.h"
#include "datasets/readers/mpii_format.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/checksum.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_folder.h"

namespace akimbo::datasets {
namespace {

namespace fs = std::filesystem;

// The pictures of the reference file; its formula counts channels as blue, green, red.
Image formula_image(int width, int height) {
  Image image(height, width, 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        image.row(y)[3 * x + 2 - c] =
            static_cast<std::uint8_t>((7 * x + 13 * y + 31 * c + x * y) & 255);
      }
    }
  }
  return image;
}

// The reference's data set as files. Pictures are PNG under names that end in .jpg: the content
// decides.
class GoldenSet {
 public:
  explicit GoldenSet(const char* file = "data/golden/topdown/data_first.json") {
    const auto path = test_support::shared_path(file);
    if (!path) return;
    golden = io::read_json(*path);
    for (const Json& entry : golden["annotations"]["images"]) {
      write_png(folder.path() / entry["file_name"].get<std::string>(),
                formula_image(entry["width"], entry["height"]));
    }
  }
  [[nodiscard]] PersonSet people(bool detections) const {
    PersonSet set = parse_coco_people(golden["annotations"].dump(), "golden", {});
    if (detections) parse_detections(set, golden["detections"].dump(), "boxes", {});
    return set;
  }
  [[nodiscard]] TopDownDataset dataset(bool detections, TopDownOptions options = {}) const {
    return {people(detections), ImageSource::open(folder.path()), skeleton_by_name("coco"),
            options};
  }
  // The reference's MPII set, whose pictures are written as well.
  [[nodiscard]] TopDownDataset mpii(TopDownOptions options) const {
    for (const auto& [name, size] : golden["mpii_images"].items()) {
      int width = 0, height = 0;
      EXPECT_EQ(std::sscanf(size.get<std::string>().c_str(), "%dx%d", &width, &height), 2);
      write_png(folder.path() / name, formula_image(width, height));
    }
    options.codec = {.input_size = {256, 256}, .heatmap_size = {64, 64}};
    return {parse_mpii_people(golden["mpii_annotations"].dump(), "golden", {.num_keypoints = 16}),
            ImageSource::open(folder.path()), skeleton_by_name("mpii"), options};
  }

  test_support::TemporaryFolder folder;
  Json golden;
};

struct Slot {
  explicit Slot(const TopDownDataset& dataset) {
    const HeatmapCodec& codec = dataset.options().codec;
    const auto k = static_cast<std::size_t>(dataset.skeleton().num_keypoints());
    input.resize(static_cast<std::size_t>(codec.input_size.width) * codec.input_size.height * 3);
    target.resize(static_cast<std::size_t>(codec.heatmap_size.width) * codec.heatmap_size.height *
                  k);
    weight.resize(k);
    map_width = codec.heatmap_size.width;
  }
  [[nodiscard]] SampleSlot spans() { return {input, target, weight}; }
  std::vector<float> input, target, weight;
  int map_width = 0;
};

// In the order in which the reference used them; of the second reference the half-body gate is a
// "rand" of its array library, and so is the normal behind it.
std::optional<AugmentDraws> draws_of(const Json& list, double half_body_probability) {
  if (list.empty()) return std::nullopt;
  AugmentDraws draws;
  std::size_t i = 0;
  if (list[0][0] == "rand") {
    draws.half_body_gate = list[i++][1];
    if (draws.half_body_gate < half_body_probability) draws.half_body_normal = list[i++][1];
  }
  draws.scale_normal = list[i++][1];
  draws.rotation_gate = list[i++][1];
  if (draws.rotation_gate <= 0.6) draws.rotation_normal = list[i++][1];
  draws.flip_gate = list[i++][1];
  EXPECT_EQ(i, list.size());
  return draws;
}

std::uint32_t planar_crc(const std::vector<float>& nhwc) {
  std::vector<float> planar(nhwc.size());
  const std::size_t pixels = nhwc.size() / 3;
  for (std::size_t i = 0; i < nhwc.size(); ++i) planar[(i % 3) * pixels + i / 3] = nhwc[i];
  return test_support::crc32(planar.data(), planar.size() * sizeof(float));
}

void expect_joint(const Json& wanted, const SampleMeta& meta, const Slot& slot, std::size_t k) {
  EXPECT_EQ(slot.weight[k], wanted["weight"].get<float>());
  const Joint& joint = meta.plan.joints[k];
  const Point p = joint.visible > 0 ? transform(meta.image_to_crop, joint.image) : joint.image;
  EXPECT_NEAR(p.x, wanted["x"].get<double>(), 1e-6);
  EXPECT_NEAR(p.y, wanted["y"].get<double>(), 1e-6);
  double sum = 0;
  std::size_t peak = 0;
  const std::size_t num_keypoints = slot.weight.size();
  for (std::size_t i = 0; i < slot.target.size() / num_keypoints; ++i) {
    sum += slot.target[i * num_keypoints + k];
    if (slot.target[i * num_keypoints + k] > slot.target[peak * num_keypoints + k]) peak = i;
  }
  const auto map_width = static_cast<std::size_t>(slot.map_width);
  const double wanted_sum = wanted.value("sum", 0.0);
  EXPECT_NEAR(sum, wanted_sum, 1e-5);  // the stored sum was taken in f32
  if (!wanted["peak"].is_null()) {
    EXPECT_EQ(peak % map_width, wanted["peak"][0].get<std::size_t>());
    EXPECT_EQ(peak / map_width, wanted["peak"][1].get<std::size_t>());
  }
}

void expect_sample(const TopDownDataset& dataset, const Json& c) {
  SCOPED_TRACE(c["kind"].get<std::string>() + " " + c["record"].dump() + c["draws"].dump());
  Slot slot(dataset);
  const auto& augment = dataset.options().augment;
  const auto draws = draws_of(c["draws"], augment ? augment->half_body_probability : 0);
  const SampleMeta meta = dataset.make_sample(c["record"], draws, slot.spans());
  EXPECT_EQ(static_cast<float>(meta.plan.region.center.x), c["center"][0].get<float>());
  EXPECT_EQ(static_cast<float>(meta.plan.region.center.y), c["center"][1].get<float>());
  EXPECT_EQ(static_cast<float>(meta.plan.region.scale_x), c["scale"][0].get<float>());
  EXPECT_EQ(static_cast<float>(meta.plan.region.scale_y), c["scale"][1].get<float>());
  EXPECT_NEAR(meta.plan.rotation_deg, c["rotation"].get<double>(), 1e-9);
  EXPECT_NEAR(meta.score, c["score"].get<double>(), 1e-12);
  EXPECT_EQ(planar_crc(slot.input), c["input_crc32_chw_f32"].get<std::uint32_t>());
  ASSERT_EQ(c["joints"].size(), slot.weight.size());
  for (std::size_t k = 0; k < slot.weight.size(); ++k) expect_joint(c["joints"][k], meta, slot, k);
}

void expect_samples(const char* file, const TopDownOptions& options, std::size_t count) {
  const GoldenSet golden(file);
  if (golden.golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  ASSERT_EQ(golden.golden["samples"].size(), count);
  const TopDownDataset labelled = golden.dataset(false, options);
  const TopDownDataset detected = golden.dataset(true, {.order = options.order});
  for (const Json& c : golden.golden["samples"]) {
    expect_sample(c["kind"] == "coco val detector" ? detected : labelled, c);
  }
}

TEST(TopDown, SamplesEqualTheReferenceBitForBit) {
  expect_samples("data/golden/topdown/data_first.json", {.augment = AugmentOptions{}}, 11);
}

// The second reference feeds RGB and augments more, half bodies included.
TEST(TopDown, SamplesEqualTheSecondReferenceBitForBit) {
  const AugmentOptions augment{
      .scale_factor = 0.35, .rotation_deg = 45, .half_body_probability = 0.3};
  expect_samples("data/golden/topdown/data_second.json",
                 {.order = ChannelOrder::rgb, .augment = augment}, 13);
}

TEST(TopDown, MpiiSamplesEqualBothReferencesBitForBit) {
  const struct {
    const char* file;
    ChannelOrder order;
  } references[] = {{"data/golden/topdown/data_first.json", ChannelOrder::bgr},
                    {"data/golden/topdown/data_second.json", ChannelOrder::rgb}};
  for (const auto& reference : references) {
    const GoldenSet golden(reference.file);
    if (golden.golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
    ASSERT_EQ(golden.golden["mpii_samples"].size(), 5u);
    const TopDownDataset dataset =
        golden.mpii({.order = reference.order,
                     .augment = AugmentOptions{.scale_factor = 0.25, .rotation_deg = 30}});
    for (const Json& c : golden.golden["mpii_samples"]) expect_sample(dataset, c);
  }
}

TEST(TopDown, HalfBodyRegionsEqualTheReference) {
  const GoldenSet golden("data/golden/topdown/data_second.json");
  if (golden.golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  const TopDownDataset dataset = golden.dataset(false);
  const Skeleton& skeleton = dataset.skeleton();
  const AugmentContext context{.upper_body = skeleton.upper_body,
                               .lower_body = skeleton.lower_body};
  for (const Json& c : golden.golden["half_body"]) {
    const auto& person = dataset.people().people[c["record"].get<std::size_t>()];
    const auto region = half_body_region(person.joints, c["z"], context);
    ASSERT_TRUE(region) << c.dump();
    EXPECT_EQ(static_cast<float>(region->center.x), c["center"][0].get<float>()) << c.dump();
    EXPECT_EQ(static_cast<float>(region->center.y), c["center"][1].get<float>()) << c.dump();
    EXPECT_EQ(static_cast<float>(region->scale_x), c["scale"][0].get<float>()) << c.dump();
    EXPECT_EQ(static_cast<float>(region->scale_y), c["scale"][1].get<float>()) << c.dump();
  }
}

TEST(TopDown, HalfBodiesNeedASkeletonThatNamesItsHalves) {
  Skeleton skeleton = skeleton_by_name("coco");
  skeleton.upper_body.clear();
  const test_support::TemporaryFolder folder;
  EXPECT_THROW(TopDownDataset({"a", 17, {}, {}}, ImageSource::open(folder.path()), skeleton,
                              {.augment = AugmentOptions{.half_body_probability = 0.3}}),
               ConfigError);
}

TEST(TopDown, EveryEpochDrawsAnewAndRepeatsExactly) {
  const GoldenSet golden;
  if (golden.golden.is_null()) GTEST_SKIP() << test_support::kNoSharedData;
  const TopDownDataset dataset = golden.dataset(false, {.augment = AugmentOptions{}, .seed = 3});
  Slot a(dataset), b(dataset), c(dataset);
  const SampleMeta first = dataset.make_sample(2, 0, a.spans());
  (void)dataset.make_sample(2, 0, b.spans());
  const SampleMeta other = dataset.make_sample(2, 1, c.spans());
  EXPECT_EQ(a.input, b.input);
  EXPECT_EQ(a.target, b.target);
  EXPECT_NE(a.input, c.input);
  EXPECT_NE(first.plan.region.scale_x, other.plan.region.scale_x);
}

TEST(TopDown, FastModeReducesLargePicturesAndStaysClose) {
  const test_support::TemporaryFolder folder;
  Image image(960, 1280, 3);
  for (int y = 0; y < 960; ++y) {
    for (int x = 0; x < 1280; ++x) {
      image.row(y)[3 * x] = static_cast<std::uint8_t>(x / 6);
      image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(y / 4);
      image.row(y)[3 * x + 2] = 90;
    }
  }
  write_jpeg(folder.path() / "a.jpg", image, 98);
  PersonSet set{"test", 17, {{1, "a.jpg", 1280, 960}}, {}};
  set.people.push_back({.box_image = {300, 200, 400, 500}, .joints = std::vector<Joint>(17)});
  set.people[0].region = box_to_center_scale(set.people[0].box_image, 0.75);
  const auto sample = [&](WarpMode mode, double flip_gate, bool sizes_are_known = true) {
    set.images[0].width = sizes_are_known ? 1280 : 0;
    const TopDownDataset dataset(set, ImageSource::open(folder.path()), skeleton_by_name("coco"),
                                 {.warp = mode});
    Slot slot(dataset);
    (void)dataset.make_sample(0, AugmentDraws{.flip_gate = flip_gate}, slot.spans());
    return slot.input;
  };
  for (const double flip_gate : {0.9, 0.1}) {
    const auto exact = sample(WarpMode::opencv, flip_gate);
    const auto fast = sample(WarpMode::fast, flip_gate);
    double worst = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(exact[i] - fast[i])));
    }
    EXPECT_LT(worst, 5.0 / 255 / 0.224) << flip_gate;
    EXPECT_NE(fast, exact);
    EXPECT_EQ(sample(WarpMode::fast, flip_gate, false),
              fast);  // the picture's header tells as well
  }
}

TEST(TopDown, NamesThePictureAndTheRecordThatCannotBeRead) {
  const test_support::TemporaryFolder folder;
  PersonSet set{"val.json", 17, {{1, "gone.jpg", 10, 10}}, {}};
  set.people.push_back({.annotation_id = 77, .joints = std::vector<Joint>(17)});
  const TopDownDataset dataset(set, ImageSource::open(folder.path()), skeleton_by_name("coco"), {});
  Slot slot(dataset);
  try {
    (void)dataset.make_sample(0, 0, slot.spans());
    FAIL();
  } catch (const FileError& e) {
    const std::string message = e.what();
    EXPECT_NE(message.find("gone.jpg"), std::string::npos) << message;
    EXPECT_NE(message.find("annotation 77 of val.json"), std::string::npos) << message;
  }
  EXPECT_THROW(TopDownDataset(set, ImageSource::open(folder.path()), skeleton_by_name("lspet"), {}),
               ArgumentError);
}

}  // namespace
}  // namespace akimbo::datasets
