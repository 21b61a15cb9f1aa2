#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "apps/cli.h"
#include "apps/convert/stored_zip.h"
#include "apps/convert/torch_write.h"
#include "apps/inspect/checkpoint_diff.h"
#include "apps/inspect/checkpoint_report.h"
#include "apps/inspect/dataset_report.h"
#include "apps/inspect/swap_suspects.h"
#include "datasets/readers/image_file.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/safetensors.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

using testing_support::run_akimbo;
using testing_support::ScratchFolder;

const Findings::Finding* finding(const Findings& findings, const std::string& part) {
  for (const Findings::Finding& f : findings.all()) {
    if (f.what.find(part) != std::string::npos) return &f;
  }
  return nullptr;
}

// A set of two pictures of 40 x 30 with one good person each, keypoints "a" and "b".
Json good_set() {
  Json set = {{"images", Json::array()},
              {"annotations", Json::array()},
              {"categories", {{{"id", 1}, {"name", "person"}, {"keypoints", {"a", "b"}}}}}};
  for (const int id : {1, 2}) {
    set["images"].push_back(
        {{"id", id}, {"file_name", std::to_string(id) + ".png"}, {"width", 40}, {"height", 30}});
    set["annotations"].push_back({{"id", id},
                                  {"image_id", id},
                                  {"category_id", 1},
                                  {"bbox", {5, 6, 20, 20}},
                                  {"area", 300},
                                  {"iscrowd", 0},
                                  {"num_keypoints", 1},
                                  {"keypoints", {10, 10, 2, 0, 0, 0}}});
  }
  return set;
}

TEST(InspectDataset, AGoodSetIsCountedAndHasNoProblem) {
  const AnnotationReport report = inspect_annotations(good_set(), "set.json", nullptr);
  EXPECT_EQ(0, report.findings.num_problems()) << report.findings.text();
  EXPECT_EQ(2, report.num_images);
  EXPECT_EQ(2, report.num_annotations);
  EXPECT_EQ(2, report.num_with_keypoints);
  EXPECT_EQ(2, report.num_labelled_keypoints);
  EXPECT_EQ(2, report.num_visible_keypoints);
  EXPECT_EQ(0, report.num_empty_images);
  EXPECT_EQ((std::vector<std::string>{"a", "b"}), report.keypoint_names);
}

// Its num_keypoints count twelve of the fourteen.
TEST(InspectDataset, CrowdPoseMayCountFewer) {
  Json set = good_set();
  set["annotations"][1]["num_keypoints"] = 0;
  EXPECT_EQ(1, inspect_annotations(set, "set.json", nullptr).findings.num_problems());
  set["images"][0]["crowdIndex"] = 0.4;
  const AnnotationReport report = inspect_annotations(set, "set.json", nullptr);
  EXPECT_EQ(0, report.findings.num_problems());
  EXPECT_NE(nullptr, finding(report.findings, "num_keypoints differs"));
}

TEST(InspectDataset, EveryKindOfProblemIsFoundOnce) {
  using Change = std::function<void(Json&)>;
  const auto annotation = [](const char* key, Json value) -> Change {
    return [=](Json& set) { set["annotations"][1][key] = value; };
  };
  const auto image = [](const char* key, Json value) -> Change {
    return [=](Json& set) { set["images"][1][key] = value; };
  };
  const std::vector<std::pair<Change, std::string>> cases = {
      {annotation("bbox", {5, 6, 60, 20}), "box that reaches outside"},
      {annotation("bbox", {-5, 6, 20, 20}), "box that reaches outside"},
      {annotation("bbox", {5, 6, -1, 20}), "box of no or negative size"},
      {annotation("bbox", {5, 6, nullptr, 20}), "not four numbers"},
      {annotation("bbox", {5, 6, std::numeric_limits<double>::quiet_NaN(), 20}),
       "not four numbers"},
      {annotation("bbox", {5, 6, 20}), "not four numbers"},
      {annotation("keypoints", {10, 10, 2}), "keypoints that are not 6 numbers"},
      {annotation("keypoints", {10, "x", 2, 0, 0, 0}), "keypoint that is no number"},
      {annotation("keypoints", {10, 10, 3, 0, 0, 0}), "visibility"},
      {annotation("keypoints", {10, 32, 2, 0, 0, 0}), "keypoint outside its picture"},
      {annotation("num_keypoints", 2), "num_keypoints differs"},
      {annotation("image_id", 9), "picture that is not listed"},
      {annotation("category_id", 9), "category that is not listed"},
      {annotation("id", 1), "annotation id given twice"},
      {annotation("area", "big"), "area"},
      {image("id", 1), "picture id given twice"},
      {image("width", 0), "width or height"},
      {image("file_name", 7), "without file_name"},
      {[](Json& set) { set["annotations"][1] = 5; }, "no object"},
      {[](Json& set) { set["images"] = 5; }, "\"images\" is missing"},
  };
  for (const auto& [change, part] : cases) {
    Json set = good_set();
    change(set);
    const AnnotationReport report = inspect_annotations(set, "set.json", nullptr);
    const Findings::Finding* found = finding(report.findings, part);
    ASSERT_NE(nullptr, found) << part << " in " << report.findings.text();
    EXPECT_TRUE(found->is_problem);
    EXPECT_EQ(1, found->count) << part;
  }
}

TEST(InspectDataset, PicturesAreLookedForBelowTheFolder) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder.path() / "annotations");
  std::filesystem::create_directories(folder.path() / "images/val");
  write_png(folder.path() / "images/val/1.png", Image(30, 40, 3));
  io::write_json(folder.file("annotations/set.json"), good_set());
  const DatasetReport missing = inspect_dataset(folder.path());
  ASSERT_EQ(1u, missing.annotations.size());
  const Findings::Finding* found = finding(missing.annotations[0].findings, "file is missing");
  ASSERT_NE(nullptr, found);
  EXPECT_EQ(std::vector<std::string>{"2.png"}, found->examples);

  write_png(folder.path() / "images/val/2.png", Image(30, 41, 3));  // one pixel too wide
  EXPECT_EQ(0, inspect_dataset(folder.path()).num_problems());
  EXPECT_EQ(1, inspect_dataset(folder.path(), true).num_problems());
  io::write_file_atomic(folder.path() / "images/val/2.png", "no picture");
  EXPECT_EQ(1, inspect_dataset(folder.path() / "annotations/set.json", true).num_problems());
}

TEST(InspectDataset, PicturesMayBeInArchives) {
  const ScratchFolder folder;
  io::write_json(folder.file("set.json"), good_set());
  const std::string small = encode_png(Image(30, 40, 3));
  const std::string wide = encode_png(Image(30, 41, 3));
  convert::write_stored_zip(folder.file("val.zip"), {{"val/1.png", small.data(), small.size()},
                                                     {"val/2.png", wide.data(), wide.size()}});
  EXPECT_EQ(0, inspect_dataset(folder.path()).num_problems());
  const DatasetReport decoded = inspect_dataset(folder.path(), true);
  const Findings::Finding* found = finding(decoded.annotations[0].findings, "another size");
  ASSERT_NE(nullptr, found);
  EXPECT_EQ(std::vector<std::string>{"val.zip/val/2.png"}, found->examples);
}

TEST(InspectDataset, AFolderWithoutAnnotationsIsAnError) {
  const ScratchFolder folder;
  EXPECT_THROWS_WITH((void)inspect_dataset(folder.path()), FileError, "no annotation file");
}

TEST(InspectCheckpoint, StatisticsLeaveOutWhatIsNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TensorSummary s = summarize(
      "x", Tensor::from_values<float>({2, 3}, std::vector<float>{1, nan, -3, inf, -inf, 5}));
  EXPECT_EQ(-3, s.min);
  EXPECT_EQ(5, s.max);
  EXPECT_EQ(1, s.mean);
  EXPECT_EQ(1, s.num_nan);
  EXPECT_EQ(2, s.num_inf);
}

TEST(InspectCheckpoint, TellsFormatEpochAndNaN) {
  const std::string training = std::string(AKIMBO_TEST_DATA) + "/checkpoints/training_zip.pth.tar";
  const CheckpointReport report = inspect_checkpoint(training);
  EXPECT_EQ("PyTorch zip", report.format);
  EXPECT_EQ("state_dict", report.weights_key);
  EXPECT_EQ(14u, report.tensors.size());
  EXPECT_EQ(55, report.num_parameters);  // batch statistics and counters are none
  EXPECT_EQ(5, report.facts.at("epoch"));
  EXPECT_EQ(8, report.facts.at("optimizer").at("parameters"));
  EXPECT_EQ(0, report.findings.num_problems());

  const ScratchFolder folder;
  const Tensor bad = Tensor::full({3}, std::numeric_limits<double>::quiet_NaN());
  convert::write_torch_file(folder.file("nan.pth"), {{"w", bad}});
  EXPECT_EQ(1, inspect_checkpoint(folder.file("nan.pth")).findings.num_problems());
}

TEST(InspectCommand, ExitCodesTellWhatWasFound) {
  const ScratchFolder folder;
  const std::string good = std::string(AKIMBO_TEST_DATA) + "/checkpoints/state_legacy.pth";
  EXPECT_EQ(kExitDone, run_akimbo({"inspect", good}).exit_code);
  const auto json = run_akimbo({"inspect", good, "--json"});
  EXPECT_EQ(14u, Json::parse(json.out).at("tensors").size());
  EXPECT_EQ(kExitBadData, run_akimbo({"inspect", folder.file("none.pth")}).exit_code);
  EXPECT_EQ(kExitUsage, run_akimbo({"inspect", folder.file("none.json")}).exit_code);
  Json set = good_set();
  io::write_json(folder.file("set.json"), set);
  EXPECT_EQ(kExitBadData,
            run_akimbo({"inspect", folder.file("set.json")}).exit_code);  // no pictures
  io::write_file_atomic(folder.file("half.json"), set.dump().substr(0, 200));
  EXPECT_EQ(kExitBadData, run_akimbo({"inspect", folder.file("half.json")}).exit_code);
}

// A hostile safetensors header may hold JSON texts that would exhaust the stack when printed.
TEST(InspectCheckpoint, DeepMetadataStayText) {
  const ScratchFolder folder;
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  io::write_safetensors(folder.file("a.safetensors"), {{"w", Tensor::zeros({1})}}, {{"x", deep}});
  EXPECT_TRUE(inspect_checkpoint(folder.file("a.safetensors")).facts.at("x").is_string());
}

// Sixteen joints from (10, 10) on, one picture of 40 x 30.
Json mpii_record() {
  Json record = {{"image", "1.png"}, {"center", {20, 15}}, {"scale", 0.2}};
  for (int k = 0; k < 16; ++k) {
    record["joints"].push_back({10 + k, 10});
    record["joints_vis"].push_back(1);
  }
  return record;
}

TEST(InspectDataset, ReadsTheListsOfMpii) {
  const ScratchFolder folder;
  write_png(folder.file("1.png"), Image(30, 40, 3));
  io::write_json(folder.file("train.json"), Json::array({mpii_record(), mpii_record()}));
  const DatasetReport good = inspect_dataset(folder.path());
  ASSERT_EQ(1u, good.annotations.size());
  EXPECT_EQ(0, good.num_problems()) << to_text(good);
  EXPECT_EQ(1, good.annotations[0].num_images);
  EXPECT_EQ(2, good.annotations[0].num_annotations);
  EXPECT_EQ(32, good.annotations[0].num_visible_keypoints);
  EXPECT_EQ("right_ankle", good.annotations[0].keypoint_names.at(0));

  using Change = std::function<void(Json&)>;
  const std::vector<std::pair<Change, std::string>> cases = {
      {[](Json& r) {
         r["joints"][3] = {10, 99};
       },
       "keypoint outside its picture"},
      {[](Json& r) { r["joints"][3] = {10}; }, "keypoint that is no number"},
      {[](Json& r) { r["joints"].erase(3); }, "keypoints that are not 48 numbers"},
      {[](Json& r) { r["joints_vis"][3] = 7; }, "visibility"},
      {[](Json& r) { r["scale"] = -1; }, "box of no or negative size"},
      {[](Json& r) { r["center"] = "middle"; }, "box that is not four numbers"},
      {[](Json& r) { r["image"] = "2.png"; }, "file is missing"},
      {[](Json& r) { r["image"] = 5; }, "without file_name"},
  };
  for (const auto& [change, part] : cases) {
    Json list = Json::array({mpii_record(), mpii_record()});
    change(list[1]);
    io::write_json(folder.file("train.json"), list);
    const DatasetReport bad = inspect_dataset(folder.path());
    ASSERT_NE(nullptr, finding(bad.annotations[0].findings, part)) << part << to_text(bad);
    EXPECT_EQ(1, bad.num_problems()) << part;
  }
}

// Shoulders, hips, knees of a person of 100 x 100 pixels who faces us.
std::vector<double> standing() {
  return {60, 10, 2, 40, 10, 2, 58, 50, 2, 42, 50, 2, 58, 90, 2, 42, 90, 2};
}

const std::vector<std::string> kLegs = {"left_shoulder", "right_shoulder", "left_hip",
                                        "right_hip",     "left_knee",      "right_knee"};

TEST(SwapDetector, TellsExchangedSides) {
  const SwapDetector detector(kLegs, nullptr);
  EXPECT_FALSE(detector.is_suspect(standing(), 100));
  std::vector<double> away = standing();  // from behind, all three pairs
  for (const std::size_t k : {0, 2, 4}) std::swap(away[3 * k], away[3 * k + 3]);
  EXPECT_FALSE(detector.is_suspect(away, 100));
  std::vector<double> hips = standing();  // as if seen from behind, under shoulders from the front
  std::swap(hips[6], hips[9]);
  EXPECT_TRUE(detector.is_suspect(hips, 100));
  hips[8] = 0;  // without the left hip nothing can be said
  EXPECT_FALSE(detector.is_suspect(hips, 100));
}

TEST(SwapDetector, TellsCrossedLimbs) {
  std::vector<double> knees = standing();
  knees[12] = 30, knees[13] = 55, knees[15] = 70, knees[16] = 55;  // far apart, legs bent
  const SwapDetector detector(kLegs, nullptr);
  EXPECT_TRUE(detector.is_suspect(knees, 100));
  const Json limbs = {{3, 4}, {99, -1}, "x", {1, 3}};  // none of which is a thigh
  EXPECT_FALSE(SwapDetector(kLegs, &limbs).is_suspect(knees, 100));
  EXPECT_FALSE(SwapDetector({"tail"}, nullptr).is_suspect({1, 1, 2}, 100));
}

TEST(SwapDetector, SuspectsAreRemarks) {
  Json set = {{"images", {{{"id", 1}, {"file_name", "1.png"}, {"width", 100}, {"height", 100}}}},
              {"annotations", Json::array()},
              {"categories", {{{"id", 1}, {"name", "person"}, {"keypoints", kLegs}}}}};
  std::vector<double> hips = standing();
  std::swap(hips[6], hips[9]);
  for (const auto& keypoints : {standing(), hips}) {
    const auto id = static_cast<int>(set["annotations"].size()) + 7;
    set["annotations"].push_back({{"id", id},
                                  {"image_id", 1},
                                  {"category_id", 1},
                                  {"bbox", {0, 0, 100, 100}},
                                  {"area", 5000},
                                  {"num_keypoints", 6},
                                  {"keypoints", keypoints}});
  }
  const AnnotationReport report = inspect_annotations(set, "set.json", nullptr);
  const Findings::Finding* found = finding(report.findings, "may be exchanged");
  ASSERT_NE(nullptr, found);
  EXPECT_EQ(std::vector<std::string>{"8"}, found->examples);
  EXPECT_FALSE(found->is_problem);
}

TEST(InspectDifferences, AreListed) {
  const ScratchFolder folder;
  const Tensor w = Tensor::from_values<float>({2, 1, 1, 2}, std::vector<float>{1, 2, 3, 4});
  const Tensor changed = Tensor::from_values<float>({2, 1, 1, 2}, std::vector<float>{1, 2, 3, 9});
  const Tensor b = Tensor::from_values<float>({2}, std::vector<float>{1, 2});
  const io::Metadata ours = {{"format", "akimbo"}, {"config", R"({"train": {"epochs": 1}})"}};
  const io::Metadata other = {{"format", "akimbo"}, {"config", R"({"train": {"epochs": 2}})"}};
  const std::string first = folder.file("a.safetensors"), second = folder.file("b.safetensors");
  io::write_safetensors(first, {{"w", w}, {"b", b}, {"s", b}, {"x", b}}, ours);
  io::write_safetensors(second, {{"w", changed}, {"b", b.to(DType::f16)}, {"s", w}, {"y", b}},
                        other);
  const CheckpointDiff diff = diff_checkpoints(first, second);
  EXPECT_EQ(std::vector<std::string>{"x"}, diff.only_a);
  EXPECT_EQ(std::vector<std::string>{"y"}, diff.only_b);
  EXPECT_EQ(std::vector<std::string>{"s [2] [2,1,1,2]"}, diff.mis_shaped);
  EXPECT_EQ(1, diff.num_equal);
  ASSERT_EQ(1u, diff.changed.size());
  EXPECT_EQ(5, diff.changed[0].largest);
  EXPECT_NEAR(5 / std::sqrt(30.0), diff.changed[0].relative, 1e-12);
  EXPECT_EQ(Json({1, 2}), diff.config.at("/train/epochs"));
  EXPECT_EQ(kExitCheck, run_akimbo({"inspect", first, second}).exit_code);
  EXPECT_EQ(kExitDone, run_akimbo({"inspect", first, first}).exit_code);
  EXPECT_EQ(kExitBadData, run_akimbo({"inspect", first, folder.file("none.pth")}).exit_code);
  EXPECT_FALSE(Json::parse(run_akimbo({"inspect", first, second, "--json"}).out).at("equal"));
}

// PyTorch's axis order and ours are the same weights.
TEST(InspectDifferences, FormatsDoNotMatter) {
  const ScratchFolder folder;
  std::vector<float> values(24);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const io::NamedTensors weights = {
      {"conv1.weight", Tensor::from_values<float>({2, 2, 2, 3}, values)}};
  io::write_safetensors(folder.file("a.safetensors"), weights, {{"format", "akimbo"}});
  ASSERT_EQ(kExitDone,
            run_akimbo({"convert", folder.file("a.safetensors"), folder.file("a.pth")}).exit_code);
  EXPECT_TRUE(diff_checkpoints(folder.file("a.safetensors"), folder.file("a.pth")).is_equal());
}

}  // namespace
}  // namespace akimbo::apps
