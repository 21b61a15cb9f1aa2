#include "datasets/metrics/pckh.h"

#include <gtest/gtest.h>

#include "datasets/readers/mat_file.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/throws.h"

namespace akimbo::datasets {
namespace {

// People at the origin whose head is `head` px.
MpiiGroundTruth people_at_origin(int num_people, double head) {
  MpiiGroundTruth truth{.where = "test", .num_people = num_people};
  const auto n = static_cast<std::size_t>(num_people);
  truth.positions.assign(n * 32, 1);  // counted from 1
  truth.labelled.assign(n * 16, 1);
  truth.head_sizes.assign(n, head);
  return truth;
}

// Every joint of person i off by errors[i] px.
std::vector<double> off_by(const std::vector<double>& errors) {
  std::vector<double> predictions;
  for (const double error : errors) {
    for (int j = 0; j < 16; ++j) predictions.insert(predictions.end(), {0, error});
  }
  return predictions;
}

TEST(Pckh, BothEndsCountAndTheTenthIsReallyEleven) {
  const MpiiGroundTruth truth = people_at_origin(1, 30);
  const PckhResult half = evaluate_pckh(truth, off_by({15}));
  for (const double value : half.row(-1)) EXPECT_EQ(value, 100);
  const PckhResult tenth = evaluate_pckh(truth, off_by({3.2}));  // 0.10667 head sizes
  EXPECT_EQ(tenth.row(PckhResult::kPublishedTenth).back(), 100);
  EXPECT_EQ(tenth.row(PckhResult::kTenth).back(), 0);
  const PckhResult four = evaluate_pckh(people_at_origin(4, 10), off_by({0.5, 1.05, 5, 5.1}));
  EXPECT_EQ(four.at_half[0], 75);
  EXPECT_EQ(four.at_share[0][PckhResult::kPublishedTenth], 50);
  EXPECT_EQ(four.at_share[0][PckhResult::kTenth], 25);
}

TEST(Pckh, TheMeanLeavesOutPelvisAndThoraxAndWeighsByLabels) {
  MpiiGroundTruth truth = people_at_origin(2, 10);
  std::vector<double> predictions = off_by({0, 0});
  for (const int j : {6, 7}) predictions[static_cast<std::size_t>(2 * j)] = 100;
  EXPECT_EQ(evaluate_pckh(truth, predictions).row(-1).back(), 100);
  predictions[2 * 8] = 100;  // upper neck of the first: 27 of 28
  EXPECT_NEAR(evaluate_pckh(truth, predictions).row(-1).back(), 100 * 27.0 / 28, 1e-12);
  truth.labelled[8] = 0;
  EXPECT_EQ(evaluate_pckh(truth, predictions).row(-1).back(), 100);
  // A joint that nobody has.
  truth.labelled[0] = truth.labelled[16] = 0;
  const PckhResult result = evaluate_pckh(truth, predictions);
  EXPECT_EQ(result.at_half[0], -1);
  EXPECT_EQ(result.row(-1)[6], 100);  // ankles: the left one alone
  truth.labelled.assign(32, 0);
  EXPECT_EQ(evaluate_pckh(truth, predictions).row(-1).back(), -1);
}

TEST(Pckh, OtherNumbersOfPeopleAreRefused) {
  EXPECT_THROWS_WITH((void)evaluate_pckh(people_at_origin(2, 10), off_by({0})), ArgumentError,
                     "poses of 1 people, but test has 2");
}

TEST(Pckh, LabelsAloneMeasureTheHeadFromNeckToTop) {
  PersonSet set{.where = "test", .num_keypoints = 16, .images = {}, .people = {}};
  set.people.resize(2);
  for (PersonRecord& person : set.people) person.joints.assign(16, Joint{{5, 5}, 1});
  set.people[0].joints[9].image = {5, -15};  // 20 px above the neck
  const MpiiGroundTruth truth = mpii_ground_truth_of(set);
  EXPECT_EQ(truth.head_sizes[0], 20);
  EXPECT_EQ(truth.positions[0], 6);
  EXPECT_TRUE(truth.labelled[0]);
  EXPECT_FALSE(truth.labelled[16]);  // no size: neck and top in one place
  set.num_keypoints = 17;
  EXPECT_THROW((void)mpii_ground_truth_of(set), ArgumentError);
}

TEST(Pckh, PredictionsGoThroughTheirFile) {
  const test_support::TemporaryFolder folder;
  const auto path = folder.path() / "pred.mat";
  std::vector<double> predictions;
  for (int i = 0; i < 3 * 32; ++i) predictions.push_back(i * 0.25);
  write_mpii_predictions(path, predictions);
  EXPECT_EQ(read_mpii_predictions(path), predictions);
  const MatArray preds = MatFile(path).numbers("preds");
  EXPECT_EQ(preds.dims, (std::vector<std::size_t>{3, 16, 2}));
  EXPECT_EQ(preds.values[1], predictions[32] + 1);  // person 1, joint 0, x; counted from 1
  write_mpii_predictions(path, off_by({1}));        // one person: MATLAB keeps the axes
  EXPECT_EQ(read_mpii_predictions(path).size(), 32u);
}

// tests/parity/make_mpii_fixture.py has made these, and computed the figures on its own.
const std::string kFolder = AKIMBO_TEST_DATA "/mpii/";

TEST(Pckh, FiguresOfAnIndependentComputation) {
  const Json expected = io::read_json(kFolder + "expected.json");
  const PckhResult result = evaluate_pckh(read_mpii_ground_truth(kFolder + "gt.mat"),
                                          test_support::flat_numbers(expected["predictions"]));
  const std::pair<const char*, int> shares[] = {
      {"0.5", -1}, {"0.11", PckhResult::kPublishedTenth}, {"0.1", PckhResult::kTenth}};
  for (const auto& [name, share] : shares) {
    const std::vector<double> wanted = test_support::flat_numbers(expected["rows"][name]);
    const auto row = result.row(share);
    for (std::size_t c = 0; c < row.size(); ++c) {
      EXPECT_NEAR(row[c], wanted[c], 1e-9) << name << " " << PckhResult::kColumns[c];
    }
  }
}

TEST(Pckh, BadGroundTruthIsNamed) {
  const std::pair<const char*, const char*> files[] = {
      {"bad_order.mat", "joint 1 of dataset_joints is \"lwri\", wanted \"rank\""},
      {"bad_names.mat", "5 names, wanted 16"},
      {"bad_shape.mat", "pos_gt_src is of shape [16, 2, 3], wanted [16, 2, 7]"},
      {"bad_head.mat", "head box of person 1 has no size"},
      {"bad_nan.mat", "pos_gt_src holds nan"},
      {"bad_class.mat", "jnt_missing is no array of real numbers"},
      {"absent.mat", "absent.mat"}};
  for (const auto& [name, part] : files) {
    EXPECT_THROWS_WITH((void)read_mpii_ground_truth(kFolder + name), FileError, part);
  }
  EXPECT_THROWS_WITH((void)read_mpii_predictions(kFolder + "gt.mat"), FileError,
                     "no variable preds");
}

class PckhGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = test_support::shared_path("data/metrics/mpii_synth.json");
    if (!path) GTEST_SKIP() << test_support::kNoSharedData;
    folder_ = path->parent_path();
    golden_ = io::read_json(*path);
  }
  std::filesystem::path folder_;
  Json golden_;
};

TEST_F(PckhGolden, FiguresOfThePublishedCode) {
  const std::vector<double> predictions = test_support::flat_numbers(golden_["preds_0based"]);
  for (const char* name : {"mpii_gt_synth.mat", "mpii_gt_synth_nocomp.mat"}) {
    SCOPED_TRACE(name);
    const MpiiGroundTruth truth = read_mpii_ground_truth(folder_ / name);
    EXPECT_EQ(truth.num_people, 25);
    const PckhResult result = evaluate_pckh(truth, predictions);
    const auto half = result.row(-1);
    for (std::size_t c = 0; c < half.size(); ++c) {
      EXPECT_NEAR(half[c], golden_["name_value"][PckhResult::kColumns[c]].get<double>(), 1e-12);
    }
    EXPECT_NEAR(result.row(PckhResult::kPublishedTenth).back(),
                golden_["name_value"]["Mean@0.1"].get<double>(), 1e-12);
    EXPECT_NEAR(result.row(PckhResult::kTenth).back(), golden_["mean_at_true_0.1"].get<double>(),
                1e-12);
  }
}

}  // namespace
}  // namespace akimbo::datasets
