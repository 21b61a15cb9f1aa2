#include "datasets/readers/coco_format.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "tests/support/shared_data.h"

namespace akimbo::datasets {
namespace {

// One picture, one person with two of three keypoints labelled.
Json small_file() {
  return Json::parse(R"({
    "images": [{"id": 5, "file_name": "a.jpg", "width": 640, "height": 480}],
    "annotations": [{"id": 9, "image_id": 5, "category_id": 1, "iscrowd": 0, "area": 900.5,
      "bbox": [10, 20, 100, 50], "keypoints": [30, 40, 2, 0, 0, 0, 50, 60, 1],
      "segmentation": [[1, 2, 3]]}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["a", "b", "c"]}]})");
}

PersonSet parse(const Json& file, ReadOptions options = {.num_keypoints = 3}) {
  return parse_coco_people(file.dump(), "small.json", options);
}

// The message of the FileError that parsing ends in, or "" if it succeeds.
std::string complaint(const std::string& text, ReadOptions options = {.num_keypoints = 3}) {
  try {
    (void)parse_coco_people(text, "small.json", options);
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}
std::string complaint(const Json& file, ReadOptions options = {.num_keypoints = 3}) {
  return complaint(file.dump(), options);
}

void expect_names(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" in: " << message;
  }
}

TEST(CocoFormat, ReadsAPerson) {
  const PersonSet set = parse(small_file());
  ASSERT_EQ(set.people.size(), 1u);
  const PersonRecord& person = set.people[0];
  EXPECT_EQ(set.images[0].name, "a.jpg");
  EXPECT_EQ(person.annotation_id, 9);
  EXPECT_EQ(person.area, 900.5);
  EXPECT_EQ(person.box_image.width, 99);  // one less, as published
  EXPECT_EQ(person.joints[0].image.x, 30);
  EXPECT_EQ(person.joints[0].visible, 1.0f);
  EXPECT_EQ(person.joints[1].visible, 0.0f);
  EXPECT_EQ(person.joints[2].visible, 1.0f);  // hidden counts as labelled
}

TEST(CocoFormat, CleansBoxesAsPublished) {
  BoxXywh box{-5, 10, 100, 50};
  EXPECT_TRUE(clean_box(box, 640, 480, 1));
  EXPECT_EQ(box.x, 0);
  EXPECT_EQ(box.width, 99);
  EXPECT_EQ(box.height, 49);
  BoxXywh thin{10, 10, 0.5, 20};
  EXPECT_TRUE(clean_box(thin, 640, 480, 1));
  EXPECT_EQ(thin.width, 0);
  BoxXywh outside{700, 10, 20, 20};
  EXPECT_FALSE(clean_box(outside, 640, 480, 1));
  BoxXywh empty{10, 10, 20, 20};
  EXPECT_FALSE(clean_box(empty, 640, 480, 0));
}

TEST(CocoFormat, LeavesOutCrowdsOthersAndTheUnlabelled) {
  Json file = small_file();
  Json crowd = file["annotations"][0];
  crowd["iscrowd"] = 1;
  Json other = file["annotations"][0];
  other["category_id"] = 3;
  Json unlabelled = file["annotations"][0];
  unlabelled["keypoints"] = std::vector<int>(9, 0);
  for (const Json& extra : {crowd, other, unlabelled}) file["annotations"].push_back(extra);
  EXPECT_EQ(parse(file).people.size(), 1u);
}

TEST(CocoFormat, PicturesMayComeAfterAnnotationsAndNamesFromIds) {
  Json file = small_file();
  file["images"][0].erase("file_name");
  Json second = file["images"][0];
  second["id"] = 139;
  file["images"].insert(file["images"].begin(), second);
  Json person = file["annotations"][0];
  person["image_id"] = 139;
  file["annotations"].push_back(person);
  std::string text = "{\"annotations\":" + file["annotations"].dump() +
                     ",\"images\":" + file["images"].dump() + "}";
  const PersonSet set = parse_coco_people(text, "small.json", {.num_keypoints = 3});
  ASSERT_EQ(set.people.size(), 2u);
  EXPECT_EQ(set.images[0].name, "000000000139.jpg");
  EXPECT_EQ(set.people[0].image_index, 0);  // grouped in the order of the pictures
  EXPECT_EQ(set.people[1].image_index, 1);
}

TEST(CocoFormat, AFileCutInHalfIsAnError) {
  const std::string text = small_file().dump();
  for (std::size_t n = 0; n < text.size(); n += 7) {
    EXPECT_NE(complaint(text.substr(0, n)), "") << n;
  }
  expect_names(complaint(text.substr(0, text.size() / 2)), {"small.json", "no valid JSON", "byte"});
}

TEST(CocoFormat, WrongTypesNameTheRecord) {
  const auto with = [](const char* key, const Json& value) {
    Json file = small_file();
    file["annotations"][0][key] = value;
    return complaint(file);
  };
  expect_names(with("bbox", "x"), {"small.json: annotation 9", "bbox is \"x\"", "4 numbers"});
  expect_names(with("bbox", {1, 2, nullptr, 4}), {"annotation 9", "bbox"});
  expect_names(with("bbox", {1, 2, -3, 4}), {"annotation 9", "not negative"});
  expect_names(with("bbox", {1, 2, 1e300, 4}), {"annotation 9", "bbox"});
  expect_names(with("area", nullptr), {"annotation 9", "area is null", "a number"});
  expect_names(with("keypoints", {{"a", 1}}), {"annotation 9", "keypoints"});
  expect_names(with("keypoints", {1, 2, -1, 0, 0, 0, 0, 0, 0}), {"annotation 9", "visibilities"});
  expect_names(with("image_id", "5"), {"annotation 9", "image_id", "an integer"});
  expect_names(with("id", Json::array()), {"annotation at position 0", "id"});
  Json file = small_file();
  file["images"][0]["width"] = -3;
  expect_names(complaint(file), {"image 5", "width is -3"});
  file["images"] = 3;
  expect_names(complaint(file), {"small.json lists no images"});
  expect_names(complaint(std::string("7")), {"small.json", "single value"});
  expect_names(complaint(std::string(R"({"images": [{"id": 1e999}]})")), {"small.json"});
  expect_names(complaint(std::string(R"({"images": [{"id": NaN}]})")), {"small.json"});
}

TEST(CocoFormat, UnknownPicturesAndDoublesAreErrorsAndCounted) {
  Json file = small_file();
  file["annotations"][0]["image_id"] = 77;
  expect_names(complaint(file), {"annotation 9", "image_id 77 is not among the 1 images"});
  file["annotations"].push_back(file["annotations"][0]);
  file["annotations"].push_back(file["annotations"][0]);
  expect_names(complaint(file), {"and 2 more bad records"});
  file = small_file();
  file["images"].push_back(file["images"][0]);
  expect_names(complaint(file), {"lists image 5 twice"});
}

TEST(CocoFormat, KeypointsThatContradictTheSkeletonAreRefused) {
  expect_names(complaint(small_file(), {.num_keypoints = 17}),
               {"small.json", "3", "17", "skeleton"});
  Json file = small_file();
  file["categories"] = Json::array();
  file["annotations"][0]["keypoints"] = {1, 2, 2};
  expect_names(complaint(file), {"annotation 9", "skeleton has 3 keypoints"});
}

TEST(CocoFormat, ZeroPeopleAreAnErrorUnlessBoxesFollow) {
  Json file = small_file();
  file["annotations"] = Json::array();
  expect_names(complaint(file), {"small.json holds no person", "1 images"});
  EXPECT_TRUE(parse(file, {.num_keypoints = 3, .require_people = false}).people.empty());
  file.erase("annotations");
  EXPECT_TRUE(parse(file, {.num_keypoints = 3, .require_people = false}).people.empty());
}

TEST(CocoFormat, DetectionsReplaceThePeople) {
  PersonSet set = parse(small_file());
  const std::string boxes = R"([
    {"category_id": 1, "image_id": 5, "bbox": [-5.5, 3, 90, 20], "score": 0.3},
    {"category_id": 2, "image_id": 5, "bbox": [1, 2, 3, 4], "score": 0.9},
    {"category_id": 1, "image_id": 5, "bbox": [1, 2, 3, 4], "score": 0.1}])";
  parse_detections(set, boxes, "boxes.json", {.num_keypoints = 3}, 0.3);
  ASSERT_EQ(set.people.size(), 1u);
  EXPECT_EQ(set.people[0].score, 0.3);
  EXPECT_EQ(set.people[0].box_image.x, -5.5);
  EXPECT_EQ(set.people[0].joints.size(), 3u);
  EXPECT_EQ(set.people[0].joints[0].visible, 1.0f);
}

TEST(CocoFormat, BadDetectionsNameTheRecord) {
  const auto complain = [](const std::string& boxes) -> std::string {
    PersonSet set = parse(small_file());
    try {
      parse_detections(set, boxes, "boxes.json", {.num_keypoints = 3});
    } catch (const FileError& e) {
      return e.what();
    }
    return "";
  };
  expect_names(complain(R"([{"category_id": 1, "image_id": 6, "bbox": [1,2,3,4], "score": 1}])"),
               {"boxes.json: detection 0", "image_id is 6", "small.json"});
  expect_names(complain(R"([{"category_id": 1, "image_id": 5, "bbox": [1,2,3,-4], "score": 1}])"),
               {"detection 0", "not negative"});
  expect_names(complain(R"([{"category_id": 1, "image_id": 5, "bbox": [1,2,3,NaN], "score": 1}])"),
               {"boxes.json"});
  expect_names(complain(R"([{"category_id": 1, "image_id": 5, "bbox": [1,2,3,4]}])"),
               {"detection 0", "score is missing"});
  expect_names(complain("[]"), {"boxes.json holds no person box"});
  expect_names(complain("{}"), {"boxes.json holds no person box"});
}

TEST(CocoFormat, RecordsEqualTheReference) {
  for (const char* name : {"data_first.json", "data_second.json"}) {
    SCOPED_TRACE(name);
    const auto path = test_support::shared_path(std::string("data/golden/topdown/") + name);
    if (!path) GTEST_SKIP() << test_support::kNoSharedData;
    const Json golden = io::read_json(*path);
    PersonSet set = parse_coco_people(golden["annotations"].dump(), "golden", {});
    const auto expect_records = [&](const Json& wanted) {
      ASSERT_EQ(set.people.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const PersonRecord& person = set.people[i];
        EXPECT_EQ(static_cast<float>(person.region.center.x), wanted[i]["center"][0].get<float>());
        EXPECT_EQ(static_cast<float>(person.region.center.y), wanted[i]["center"][1].get<float>());
        EXPECT_EQ(static_cast<float>(person.region.scale_x), wanted[i]["scale"][0].get<float>());
        EXPECT_EQ(static_cast<float>(person.region.scale_y), wanted[i]["scale"][1].get<float>());
        EXPECT_EQ(person.score, wanted[i].value("score", 1.0));
        for (std::size_t k = 0; k < 17; ++k) {
          EXPECT_EQ(person.joints[k].visible, wanted[i]["visible"][k].get<float>());
          if (!wanted[i]["joints"].is_array()) continue;
          EXPECT_EQ(person.joints[k].image.x, wanted[i]["joints"][k][0].get<double>());
          EXPECT_EQ(person.joints[k].image.y, wanted[i]["joints"][k][1].get<double>());
        }
      }
    };
    expect_records(golden["coco_val_gt_records"]);
    for (const Json& c : golden["select_data"]["cases"]) {
      PersonRecord person = set.people[c["record"].get<std::size_t>()];
      if (c["center_shift"].is_number()) {
        person.region.center.x += c["center_shift"].get<double>();
        person.region.center.y += c["center_shift"].get<double>();
      } else {  // "all joints invisible"
        for (Joint& joint : person.joints) joint.visible = 0;
      }
      EXPECT_EQ(is_selected(person), c["kept"].get<bool>()) << c;
    }
    parse_detections(set, golden["detections"].dump(), "boxes", {});
    expect_records(golden["coco_val_detector_records"]);
    parse_detections(set, golden["detections"].dump(), "boxes", {}, 0.3);
    EXPECT_EQ(set.people.size(), golden["detector_records_with_threshold_0.3"].size());
  }
}

TEST(CocoFormat, RealFilesAreRead) {
  const auto coco = test_support::shared_path("data/real/coco/test_coco.json");
  const auto lspet = test_support::shared_path("data/lspet/annotations/val.json");
  if (!coco || !lspet) GTEST_SKIP() << test_support::kNoSharedData;
  PersonSet set = read_coco_people(*coco, {});
  EXPECT_EQ(set.images.size(), 4u);
  EXPECT_EQ(set.people.size(), 12u);  // two of the 14 have no labels
  use_detections(set, coco->parent_path() / "test_coco_det_AP_H_56.json", {});
  EXPECT_EQ(set.people.size(), 118u);
  EXPECT_EQ(read_coco_people(*lspet, {.num_keypoints = 14}).people.size(), 368u);
  EXPECT_THROW((void)read_coco_people(*lspet, {}), FileError);
}

}  // namespace
}  // namespace akimbo::datasets
