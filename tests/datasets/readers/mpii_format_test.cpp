#include "datasets/readers/mpii_format.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/mutate.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo::datasets {
namespace {

const ReadOptions kMpii{.num_keypoints = 16};

Json record(const char* image = "a.jpg") {
  Json joints = Json::array(), visible = Json::array();
  for (int j = 0; j < 16; ++j) {
    joints.push_back({804 + j, 711});
    visible.push_back(j == 3 ? 0 : 1);
  }
  return {{"image", image},
          {"center", {966, 340}},
          {"scale", 4.718488},
          {"joints", joints},
          {"joints_vis", visible}};
}

PersonSet parse(const Json& records) { return parse_mpii_people(records.dump(), "t.json", kMpii); }

TEST(MpiiFormat, ShiftsGrowsAndCountsFromZeroAsPublished) {
  const PersonSet set = parse(Json::array({record()}));
  const PersonRecord& person = set.people.at(0);
  EXPECT_DOUBLE_EQ(person.region.center.x, 965);
  EXPECT_DOUBLE_EQ(person.region.center.y, 409.77732);
  EXPECT_DOUBLE_EQ(person.region.scale_x, 5.89811);
  EXPECT_FALSE(person.region.single);
  EXPECT_EQ(person.joints[0].image.x, 803);
  EXPECT_EQ(person.joints[0].image.y, 710);
  EXPECT_EQ(person.joints[3].visible, 0);
  EXPECT_DOUBLE_EQ(person.box_image.width, 200 * 4.718488);
  EXPECT_TRUE(set.labelled);
}

TEST(MpiiFormat, AnUnknownCentreIsNeitherShiftedNorGrown) {
  Json unknown = record();
  unknown["center"] = {-1, -1};
  const PersonRecord person = parse(Json::array({unknown})).people.at(0);
  EXPECT_EQ(person.region.center.x, -2);
  EXPECT_EQ(person.region.center.y, -2);
  EXPECT_EQ(person.region.scale_x, 4.718488);
}

TEST(MpiiFormat, KeepsFileOrderAndSharesPictures) {
  const PersonSet set = parse({record("a.jpg"), record("b.jpg"), record("a.jpg")});
  ASSERT_EQ(set.people.size(), 3u);
  EXPECT_EQ(set.images.size(), 2u);
  EXPECT_EQ(set.people[2].image_index, 0);
  EXPECT_EQ(set.people[2].annotation_id, 2);
}

TEST(MpiiFormat, ATestSetHasNoLabels) {
  Json test = record();
  test.erase("joints");
  test.erase("joints_vis");
  const PersonSet set = parse({test, test});
  EXPECT_FALSE(set.labelled);
  EXPECT_EQ(set.people[1].joints.size(), 16u);
  EXPECT_EQ(set.people[1].joints[0].visible, 0);
  EXPECT_THROWS_WITH((void)parse({record(), test}), FileError, "record 1: joints is missing");
}

TEST(MpiiFormat, SelectionLeavesOutWhoIsPosedAwayFromTheMiddle) {
  Json away = record();
  away["center"] = {3000, 340};
  Json near = record();
  near["center"] = {812, 640};
  const std::string text = Json({away, near}).dump();
  const PersonSet set = parse_mpii_people(text, "t.json", {.num_keypoints = 16, .select = true});
  ASSERT_EQ(set.people.size(), 1u);
  EXPECT_EQ(set.people[0].annotation_id, 1);
}

TEST(MpiiFormat, BadRecordsAreNamed) {
  const auto changed = [](const char* key, const Json& value) {
    Json records = {record(), record()};
    records[1][key] = value;
    try {
      (void)parse(records);
    } catch (const FileError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  const auto expect = [&](const char* key, const Json& value, const std::string& part) {
    const std::string message = changed(key, value);
    EXPECT_NE(message.find("t.json: record 1"), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect("image", 7, "wanted a text");
  expect("center", {1, 2, 3}, "center");
  expect("center", {1, nullptr}, "center");
  expect("scale", 0, "above 0");
  expect("scale", "big", "a number");
  expect("joints", Json::array({{1, 2}}), "holds 1 entries, but the skeleton has 16");
  expect("joints_vis", Json::array({1}), "holds 1 entries");
  Json pairs = record()["joints"];
  pairs[5] = {1, "x"};
  expect("joints", pairs, "pairs of numbers");
  Json visible = record()["joints_vis"];
  visible[2] = 2;
  expect("joints_vis", visible, "0 and 1");
  EXPECT_THROWS_WITH((void)parse(Json::array()), FileError, "holds no person");
  EXPECT_THROWS_WITH((void)parse_mpii_people("{\"a\": []}", "t.json", kMpii), FileError,
                     "holds no person");
  EXPECT_THROWS_WITH((void)read_mpii_people("absent.json", kMpii), FileError, "absent.json");
}

TEST(MpiiFormat, DamagedFilesAreReadOrRefused) {
  const std::string text = Json({record(), record("b.jpg")}).dump();
  int num_refused = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    try {
      (void)parse_mpii_people(test_support::mutate(text, seed), "t.json", kMpii);
    } catch (const FileError&) {
      ++num_refused;
    }
  }
  EXPECT_GT(num_refused, 200);
}

TEST(MpiiFormatGolden, RecordsOfBothReferences) {
  for (const char* name : {"data_first.json", "data_second.json"}) {
    const auto path = test_support::shared_path(std::string("data/golden/topdown/") + name);
    if (!path) GTEST_SKIP() << test_support::kNoSharedData;
    const Json golden = io::read_json(*path);
    const PersonSet set = parse(golden["mpii_annotations"]);
    const Json& wanted = golden["mpii_records"];
    ASSERT_EQ(set.people.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const PersonRecord& person = set.people[i];
      const std::string image = set.images[static_cast<std::size_t>(person.image_index)].name;
      EXPECT_EQ("images/" + image, wanted[i]["image"].get<std::string>());
      EXPECT_NEAR(person.region.center.x, wanted[i]["center"][0].get<double>(), 1e-9);
      EXPECT_NEAR(person.region.center.y, wanted[i]["center"][1].get<double>(), 1e-9);
      EXPECT_NEAR(person.region.scale_x, wanted[i]["scale"][0].get<double>(), 1e-9);
      for (std::size_t k = 0; k < 16; ++k) {
        EXPECT_EQ(person.joints[k].visible, wanted[i]["visible"][k].get<float>());
        EXPECT_NEAR(person.joints[k].image.x, wanted[i]["joints"][k][0].get<double>(), 1e-9);
        EXPECT_NEAR(person.joints[k].image.y, wanted[i]["joints"][k][1].get<double>(), 1e-9);
      }
    }
  }
}

TEST(MpiiFormat, RealFileIsRead) {
  const auto path = test_support::shared_path("data/real/mpii/test_mpii.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const PersonSet set = read_mpii_people(*path, kMpii);
  EXPECT_EQ(set.people.size(), 5u);
  EXPECT_EQ(set.images.size(), 5u);
}

}  // namespace
}  // namespace akimbo::datasets
