#include "datasets/registry.h"

#include <gtest/gtest.h>

#include "datasets/benchmark.h"
#include "datasets/meta.h"
#include "datasets/metrics/pckh.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/throws.h"

namespace akimbo::datasets {
namespace {

class Formats : public ::testing::Test {
 protected:
  std::string write(const char* name, const Json& json) const {
    io::write_file_atomic(folder_.path() / name, json.dump());
    return folder_.path() / name;
  }
  test_support::TemporaryFolder folder_;
};

Json joints(double x, double y) {
  Json list = Json::array();
  for (int j = 0; j < 16; ++j) list.push_back({x + 3 * j, y + 20 * j});
  return list;
}

Json mpii_person(double x) {
  return {{"image", "a.jpg"},
          {"center", {x + 20, 150}},
          {"scale", 2},
          {"joints", joints(x, 10)},
          {"joints_vis", std::vector<int>(16, 1)}};
}

// Perfect but for one joint of the first person.
std::vector<PredictedPose> poses_of(const PersonSet& set, double off) {
  std::vector<PredictedPose> poses;
  for (const PersonRecord& person : set.people) {
    PredictedPose pose{.image_id = 0, .keypoints = {}, .region = person.region};
    for (const Joint& joint : person.joints) {
      pose.keypoints.insert(pose.keypoints.end(), {static_cast<float>(joint.image.x),
                                                   static_cast<float>(joint.image.y), 0.5f});
    }
    poses.push_back(pose);
  }
  poses[0].keypoints[0] += static_cast<float>(off);
  return poses;
}

TEST_F(Formats, MpiiIsReadScoredAndWritten) {
  const SetFiles files{.annotations = write("valid.json", {mpii_person(100), mpii_person(400)}),
                       .boxes = {},
                       .ground_truth = {}};
  const Skeleton skeleton = skeleton_by_name("mpii");
  const PersonSet set = read_people("mpii", files, {.num_keypoints = 16});
  EXPECT_EQ(set.people.size(), 2u);
  const auto benchmark = open_benchmark("mpii", files, skeleton, {});
  EXPECT_TRUE(benchmark->labelled());
  const auto poses = benchmark->finish(poses_of(set, 100));
  EXPECT_EQ(poses[0].score, 0.5);
  const Scores scores = benchmark->score(poses);
  EXPECT_NEAR(scores.figure("Mean"), 100 * 27.0 / 28, 1e-9);
  EXPECT_EQ(scores.figure("Ankle"), 75);
  EXPECT_EQ(scores.figure("Mean@0.1"), scores.figure("Mean"));
  EXPECT_EQ(scores.tables.size(), 2u);
  EXPECT_EQ(scores.details["pckh_per_keypoint"]["right_ankle"]["@0.5"], 50);
  const auto paths = benchmark->write_results(folder_.path(), poses);
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_NEAR(benchmark->score_file(paths[1]).figure("Mean"), scores.figure("Mean"), 1e-9);
  EXPECT_EQ(benchmark->labels().people.size(), 2u);
  write_mpii_predictions(folder_.path() / "few.mat", std::vector<double>(32));
  EXPECT_THROWS_WITH((void)benchmark->score_file(folder_.path() / "few.mat"), FileError,
                     "poses of 1 people, the annotations have 2");
  const CocoResults read = benchmark->read_results(paths[1]);
  ASSERT_EQ(read.poses.size(), 2u);
  EXPECT_NEAR(read.keypoints[0], poses[0].keypoints[0], 1e-3);
  EXPECT_EQ(read.poses[1].image_id, benchmark->labels().people[1].image_id);
}

TEST_F(Formats, MpiiRefusesWhatDoesNotFit) {
  const std::string annotations = write("valid.json", Json::array({mpii_person(100)}));
  const Skeleton mpii = skeleton_by_name("mpii");
  EXPECT_THROWS_WITH((void)read_people("mpii", {annotations, "boxes.json", {}}, {}), ConfigError,
                     "leave the boxes out");
  EXPECT_THROWS_WITH(
      (void)open_benchmark("mpii", {annotations, {}, {}}, skeleton_by_name("coco"), {}),
      ConfigError, "set skeleton to");
  EXPECT_THROWS_WITH((void)open_benchmark("mpii", {annotations, {}, "absent.mat"}, mpii, {}),
                     FileError, "absent.mat");
  const auto gt = test_support::shared_path("data/metrics/mpii_gt_synth.mat");
  if (!gt) GTEST_SKIP() << test_support::kNoSharedData;
  EXPECT_THROWS_WITH((void)open_benchmark("mpii", {annotations, {}, *gt}, mpii, {}), FileError,
                     "has 25 people");
}

TEST_F(Formats, ATestSetOfMpiiIsWrittenAndNotScored) {
  Json person = mpii_person(100);
  person.erase("joints");
  const SetFiles files{write("test.json", Json::array({person})), {}, {}};
  const auto benchmark = open_benchmark("mpii", files, skeleton_by_name("mpii"), {});
  EXPECT_FALSE(benchmark->labelled());
  const PersonSet set = read_people("mpii", files, {.num_keypoints = 16});
  EXPECT_FALSE(set.labelled);
  EXPECT_THROWS_WITH((void)benchmark->score(poses_of(set, 0)), ArgumentError, "no joints");
  EXPECT_EQ(benchmark->write_results(folder_.path(), poses_of(set, 0)).size(), 2u);
}

// image_info_test-dev2017.json has images and no annotations.
TEST_F(Formats, ATestSetOfCocoNeedsBoxes) {
  const std::string info =
      write("image_info.json",
            {{"images", {{{"id", 7}, {"file_name", "7.jpg"}, {"width", 64}, {"height", 48}}}},
             {"categories", {{{"id", 1}, {"name", "person"}}}}});
  const std::string boxes =
      write("boxes.json",
            Json::array(
                {{{"image_id", 7}, {"category_id", 1}, {"bbox", {1, 2, 30, 40}}, {"score", 0.9}},
                 {{"image_id", 7}, {"category_id", 1}, {"bbox", {1, 2, 30, 40}}, {"score", 0.1}}}));
  const Skeleton skeleton = skeleton_by_name("coco");
  const SetFiles files{info, boxes, {}};
  const PersonSet set = read_people("coco", files, {}, 0.5);
  EXPECT_EQ(set.people.size(), 1u);
  EXPECT_FALSE(set.labelled);
  const auto benchmark = open_benchmark("coco", files, skeleton, {});
  EXPECT_FALSE(benchmark->labelled());
  EXPECT_THROWS_WITH((void)benchmark->score({}), ArgumentError, "no labels");
  EXPECT_EQ(benchmark->write_results(folder_.path(), {}).size(), 1u);
  EXPECT_THROWS_WITH((void)read_people("coco", {info, {}, {}}, {}), FileError,
                     "a detector's boxes");
}

TEST_F(Formats, CrowdPoseNeedsNoAreas) {
  Json keypoints = Json::array();
  for (int k = 0; k < 14; ++k) keypoints.insert(keypoints.end(), {10 + k, 20 + k, 2});
  const Json file = {
      {"images",
       {{{"id", 1}, {"file_name", "1.jpg"}, {"width", 64}, {"height", 48}, {"crowdIndex", 0.5}}}},
      {"annotations",
       {{{"id", 1},
         {"image_id", 1},
         {"category_id", 1},
         {"iscrowd", 0},
         {"num_keypoints", 12},
         {"bbox", {5, 5, 40, 40}},
         {"keypoints", keypoints}}}},
      {"categories", {{{"id", 1}, {"name", "person"}}}}};
  const SetFiles files{write("crowd.json", file), {}, {}};
  const PersonSet set = read_people("crowdpose", files, {.num_keypoints = 14});
  EXPECT_DOUBLE_EQ(set.people.at(0).area, 0.53 * 1600);
  EXPECT_THROWS_WITH((void)read_people("coco", files, {.num_keypoints = 14}), FileError,
                     "area is missing");
  const auto benchmark = open_benchmark("crowdpose", files, skeleton_by_name("crowdpose"), {});
  auto poses = benchmark->finish(poses_of(set, 0));
  for (PredictedPose& pose : poses) pose.image_id = 1;
  const Scores scores = benchmark->score(poses);
  EXPECT_NEAR(scores.figure("AP"), 1, 1e-12);
  EXPECT_EQ(scores.figure("AP (medium)"), 1);
  EXPECT_EQ(scores.figure("AP (hard)"), -1);
}

TEST(Registry, UnknownFormatsGetTheNearest) {
  EXPECT_THROWS_WITH((void)read_people("cocoo", {}, {}), ConfigError, "did you mean \"coco\"");
  EXPECT_EQ(format_names(), (std::vector<std::string>{"coco", "crowdpose", "mpii"}));
}

TEST(ScoreTable, IsMarkdown) {
  const ScoreTable table{"Arch", {"AP", "AR"}, {{"", {0.5, 0.25}}, {"other", {1, -1}}}};
  EXPECT_EQ(markdown(table, "mine"),
            "| Arch | AP | AR |\n|---|---|---|\n| mine | 0.500 | 0.250 |\n"
            "| other | 1.000 | -1.000 |\n");
}

}  // namespace
}  // namespace akimbo::datasets
