// Data of the user's own and of the other formats, through the program: a skeleton from a file,
// MPII from its lists, test sets without labels.
#include <gtest/gtest.h>

#include "apps/cli.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "tests/apps/tiny_run.h"

namespace akimbo::apps {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

void expect_error(const ProgramResult& result, int code, const std::string& part) {
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
}

// The tiny data set with four of COCO's keypoints, under names of its own.
class OwnSkeleton : public ::testing::Test {
 protected:
  OwnSkeleton() {
    io::write_file_atomic(tiny_.file("arms.json"), R"({
      "name": "arms", "keypoints": ["shoulder_l", "shoulder_r", "hand_l", "hand_r"],
      "sigmas": [0.08, 0.08, 0.06, 0.06],
      "flip_pairs": [["shoulder_l", "shoulder_r"], ["hand_l", "hand_r"]],
      "limbs": [["shoulder_l", "hand_l"], ["shoulder_r", "hand_r"]],
      "limb_colors": ["#ff0000", "#00ff00"]})");
    for (const char* split : {"train", "val"}) {
      const std::string file =
          tiny_.file("data/annotations/person_keypoints_" + std::string(split) + ".json");
      Json json = io::read_json(file);
      for (Json& person : json["annotations"]) cut_keypoints(person);
      json["categories"] = {{{"id", 1}, {"name", "person"}}};
      io::write_json(file, json);
    }
    Json config = io::read_json(tiny_.config());
    config["skeleton"] = "arms.json";
    config["train"]["epochs"] = 1;
    io::write_json(tiny_.config(), config);
  }

  static void cut_keypoints(Json& person) {
    Json cut = Json::array();
    int labelled = 0;
    for (const int k : {5, 6, 9, 10}) {
      for (int i = 0; i < 3; ++i) cut.push_back(person["keypoints"][3 * k + i]);
      labelled += cut.back().get<int>() > 0 ? 1 : 0;
    }
    person["keypoints"] = cut;
    person["num_keypoints"] = labelled;
  }

  TinyRun tiny_;
};

TEST_F(OwnSkeleton, TrainsScoresAndPredictsWithoutCode) {
  const ProgramResult trained = tiny_.train("run");
  ASSERT_EQ(trained.exit_code, kExitDone) << trained.err;
  fs::remove(tiny_.file("arms.json"));  // the model file carries it
  const std::string model = tiny_.file("run/checkpoint_last.safetensors");
  const ProgramResult scored =
      run_akimbo({"eval", model, "--data", tiny_.data(), "--out", tiny_.file("eval")});
  EXPECT_EQ(scored.exit_code, kExitDone) << scored.err;
  const Json metrics = io::read_json(tiny_.file("eval/metrics.json"));
  EXPECT_TRUE(metrics["AP"].is_number());
  EXPECT_EQ(metrics["pck_per_keypoint"].size(), 4u);
  EXPECT_TRUE(metrics["pck_per_keypoint"].contains("hand_l"));
  const ProgramResult again =
      run_akimbo({"eval", model, "--data", tiny_.data(), "--results",
                  tiny_.file("eval/results.json"), "--out", tiny_.file("again")});
  EXPECT_EQ(again.exit_code, kExitDone) << again.err;
  EXPECT_EQ(io::read_json(tiny_.file("again/metrics.json"))["AP"], metrics["AP"]);
  const ProgramResult predicted =
      run_akimbo({"predict", model, tiny_.file("data/images/val"), "--out", tiny_.file("drawn")});
  EXPECT_EQ(predicted.exit_code, kExitDone) << predicted.err;
  EXPECT_EQ(io::read_json(tiny_.file("drawn/results.json"))[0]["keypoints"].size(), 12u);
}

TEST_F(OwnSkeleton, MistakesAreNamed) {
  Json skeleton = io::read_json(tiny_.file("arms.json"));
  skeleton["limbs"][0][1] = "hand_left";
  io::write_json(tiny_.file("arms.json"), skeleton);
  expect_error(tiny_.train("run"), kExitBadData, "arms.json: \"limbs\" names \"hand_left\"");
  fs::remove(tiny_.file("arms.json"));
  expect_error(tiny_.train("run"), kExitBadData, "arms.json");
  Json config = io::read_json(tiny_.config());
  config["skeleton"] = "coco";
  io::write_json(tiny_.config(), config);
  expect_error(tiny_.train("run"), kExitBadData, "choose the skeleton");
}

// The tiny pictures as a set in MPII's form: everybody's joints on the diagonal of the picture.
class MpiiRun : public ::testing::Test {
 protected:
  MpiiRun() {
    for (const char* split : {"train", "val"}) {
      Json people = Json::array();
      for (const auto& entry : fs::directory_iterator(tiny_.file(images(split)))) {
        people.push_back(person(entry.path().filename()));
      }
      io::write_json(tiny_.file(std::string("data/") + split + ".json"), people);
    }
    Json config = io::read_json(tiny_.config());
    config["skeleton"] = "mpii";
    config["train"]["epochs"] = 1;
    config["data"] = {{"format", "mpii"},
                      {"train", {{"annotations", "train.json"}, {"images", "images/train"}}},
                      {"val", {{"annotations", "val.json"}, {"images", "images/val"}}}};
    io::write_json(tiny_.config(), config);
  }

  static std::string images(const std::string& split) { return "data/images/" + split; }

  static Json person(const std::string& image) {
    Json joints = Json::array();
    for (int j = 0; j < 16; ++j) joints.push_back({10 + 5 * j, 12 + 5 * j});
    return {{"image", image},
            {"center", {48, 40}},
            {"scale", 0.4},
            {"joints", joints},
            {"joints_vis", std::vector<int>(16, 1)}};
  }

  TinyRun tiny_;
};

TEST_F(MpiiRun, TrainsScoresAndWritesPredictions) {
  const ProgramResult trained = tiny_.train("run");
  ASSERT_EQ(trained.exit_code, kExitDone) << trained.err;
  EXPECT_NE(trained.out.find("best Mean"), std::string::npos) << trained.out;
  const std::string model = tiny_.file("run/checkpoint_last.safetensors");
  const auto eval = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"eval",       model,   "--data",
                                          tiny_.data(), "--out", tiny_.file("eval")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  };
  const ProgramResult scored = eval({});
  EXPECT_EQ(scored.exit_code, kExitDone) << scored.err;
  EXPECT_NE(
      scored.out.find("| Arch | Head | Shoulder | Elbow | Wrist | Hip | Knee | Ankle | Mean | "
                      "Mean@0.1 |"),
      std::string::npos);
  const Json metrics = io::read_json(tiny_.file("eval/metrics.json"));
  EXPECT_TRUE(metrics["Mean@0.10"].is_number());
  EXPECT_TRUE(metrics["Mean@0.1"].is_number());
  EXPECT_EQ(metrics["pckh_per_keypoint"].size(), 16u);
  const ProgramResult again = eval({"--results", tiny_.file("eval/pred.mat")});
  EXPECT_EQ(again.exit_code, kExitDone) << again.err;
  EXPECT_EQ(io::read_json(tiny_.file("eval/metrics.json"))["Mean"], metrics["Mean"]);
  expect_error(eval({"--results", tiny_.file("eval/metrics.json")}), kExitBadData,
               "no MATLAB file");
  expect_error(eval({"--boxes", tiny_.file("eval/results.json")}), kExitUsage,
               "leave the boxes out");
  expect_error(eval({"--set", "data.val.ground_truth=gone.mat"}), kExitBadData, "gone.mat");
}

TEST_F(MpiiRun, ATestSetIsPredictedAndNotScored) {
  ASSERT_EQ(tiny_.train("run").exit_code, kExitDone);
  Json people = io::read_json(tiny_.file("data/val.json"));
  for (Json& person : people) {
    person.erase("joints");
    person.erase("joints_vis");
  }
  io::write_json(tiny_.file("data/test.json"), people);
  const ProgramResult result =
      run_akimbo({"eval", tiny_.file("run/checkpoint_last.safetensors"), "--data", tiny_.data(),
                  "--set", "data.val.annotations=test.json", "--out", tiny_.file("test")});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_NE(result.out.find("nothing was scored"), std::string::npos) << result.out;
  EXPECT_TRUE(fs::exists(tiny_.file("test/pred.mat")));
  expect_error(tiny_.train("other", {"--set", "data.train.annotations=test.json"}), kExitUsage,
               "test.json has no labels");
}

TEST(TestSet, OfCocoIsPredictedFromADetectorsBoxes) {
  const TinyRun tiny;
  ASSERT_EQ(tiny.train("run", {"--set", "train.epochs=1"}).exit_code, kExitDone);
  Json info = io::read_json(tiny.annotations());
  Json boxes = Json::array();
  for (const Json& person : info["annotations"]) {
    boxes.push_back({{"image_id", person["image_id"]},
                     {"category_id", 1},
                     {"bbox", person["bbox"]},
                     {"score", 0.9}});
  }
  info.erase("annotations");
  io::write_json(tiny.file("data/image_info.json"), info);
  io::write_json(tiny.file("boxes.json"), boxes);
  const auto eval = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "eval",  tiny.file("run/checkpoint_last.safetensors"), "--data", tiny.data(),
        "--set", "data.val.annotations=image_info.json",       "--out",  tiny.file("test")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  };
  const ProgramResult result = eval({"--boxes", tiny.file("boxes.json")});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_NE(result.out.find("nothing was scored"), std::string::npos) << result.out;
  EXPECT_EQ(io::read_json(tiny.file("test/results.json")).size(), boxes.size());
  expect_error(eval({}), kExitBadData, "a detector's boxes");
}

// Unbiased coordinates all the way through: training, flip test, decoding, prediction.
TEST(Unbiased, UdpAndDarkRunThroughTheProgram) {
  const TinyRun tiny;
  const std::vector<std::string> options = {
      "--set", "codec.alignment=udp", "--set", "codec.targets=subpixel",
      "--set", "codec.decoding=dark", "--set", "codec.dark_kernel=5",
      "--set", "eval.flip_test=true", "--set", "train.epochs=1"};
  const ProgramResult result = tiny.train("run", options);
  ASSERT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_EQ(run_akimbo({"predict", tiny.file("run/checkpoint_last.safetensors"),
                        tiny.file("data/images/val"), "--out", tiny.file("drawn")})
                .exit_code,
            kExitDone);
}

}  // namespace
}  // namespace akimbo::apps
