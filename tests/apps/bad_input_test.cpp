// What the program says to wrong data, and with which exit code.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "apps/cli.h"
#include "datasets/readers/image_file.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "tests/apps/tiny_run.h"

namespace akimbo::apps {
namespace {

namespace fs = std::filesystem;
using testing_support::ProgramResult;
using testing_support::run_akimbo;
using testing_support::TinyRun;

// One line that begins with "akimbo: " and holds `part`.
void expect_error(const ProgramResult& result, int exit_code, const std::string& part) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  const std::size_t begin = result.err.rfind("akimbo: ");
  ASSERT_NE(begin, std::string::npos) << result.err;
  EXPECT_NE(result.err.find(part, begin), std::string::npos) << result.err;
  EXPECT_EQ(
      std::count(result.err.begin() + static_cast<std::ptrdiff_t>(begin), result.err.end(), '\n'),
      1)
      << result.err;
}

class BadInput : public testing::Test {
 protected:
  void change_annotations(const std::function<void(Json&)>& change) {
    const std::string path = tiny_.file("data/annotations/person_keypoints_train.json");
    Json json = io::read_json(path);
    change(json);
    io::write_json(path, json);
  }
  std::string first_picture() const {
    return fs::directory_iterator(tiny_.file("data/images/train"))->path();
  }
  TinyRun tiny_;
};

TEST_F(BadInput, MissingPicture) {
  fs::remove(first_picture());
  expect_error(tiny_.train("run"), kExitBadData, "0000");
}

TEST_F(BadInput, TruncatedPicture) {
  const std::string path = first_picture();
  io::write_file_atomic(path, io::read_file(path).substr(0, 500));
  expect_error(tiny_.train("run"), kExitBadData, fs::path(path).filename());
}

TEST_F(BadInput, AnnotationsCutInHalf) {
  const std::string path = tiny_.file("data/annotations/person_keypoints_train.json");
  const std::string text = io::read_file(path);
  io::write_file_atomic(path, text.substr(0, text.size() / 2));
  expect_error(tiny_.train("run"), kExitBadData, "person_keypoints_train.json");
}

TEST_F(BadInput, AnnotationsOfTheWrongTypes) {
  change_annotations([](Json& json) { json["annotations"][0]["keypoints"] = "all"; });
  expect_error(tiny_.train("run"), kExitBadData, "keypoints");
}

TEST_F(BadInput, UnknownImageId) {
  change_annotations([](Json& json) { json["annotations"][0]["image_id"] = 987654; });
  expect_error(tiny_.train("run"), kExitBadData, "987654");
}

TEST_F(BadInput, NegativeBox) {
  change_annotations([](Json& json) { json["annotations"][0]["bbox"] = {5, 5, -3, 10}; });
  expect_error(tiny_.train("run"), kExitBadData, "box");
}

TEST_F(BadInput, NobodyInTheData) {
  change_annotations([](Json& json) { json["annotations"] = Json::array(); });
  expect_error(tiny_.train("run"), kExitBadData, "person_keypoints_train.json");
}

TEST_F(BadInput, KeypointCountThatContradictsTheConfig) {
  expect_error(tiny_.train("run", {"--set", "skeleton=lspet"}), kExitBadData, "14");
}

TEST_F(BadInput, NoDataFolder) {
  expect_error(run_akimbo({"train", tiny_.config(), "--out", tiny_.file("run")}), kExitUsage,
               "--data");
  expect_error(run_akimbo({"train", tiny_.config(), "--data", tiny_.file("nowhere"), "--out",
                           tiny_.file("run")}),
               kExitBadData, "nowhere");
}

TEST_F(BadInput, UnknownConfigKeyAndConfig) {
  expect_error(tiny_.train("run", {"--set", "train.epoch=3"}), kExitUsage, "train.epochs");
  expect_error(run_akimbo({"train", "no/such/config"}), kExitUsage, "no/such/config");
  expect_error(tiny_.train("run", {"--set", "model.depth=19"}), kExitUsage, "19");
}

TEST_F(BadInput, AbsentCudaWhenAskedFor) {
#if !AKIMBO_CUDA
  expect_error(tiny_.train("run", {"--device", "cuda"}), kExitDevice, "cuda");
#endif
  expect_error(tiny_.train("run", {"--device", "gpu"}), kExitUsage, "gpu");
}

class BadModel : public BadInput {
 protected:
  void SetUp() override {
    ASSERT_EQ(tiny_.train("run", {"--set", "train.epochs=1"}).exit_code, kExitDone);
    model_ = tiny_.file("run/checkpoint_last.safetensors");
  }
  ProgramResult eval(const std::string& model, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"eval",       model,   "--data",
                                          tiny_.data(), "--out", tiny_.file("eval")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  }
  std::string model_;
};

TEST_F(BadModel, TruncatedCheckpoint) {
  const std::string bytes = io::read_file(model_);
  const std::string cut = tiny_.file("cut.safetensors");
  io::write_file_atomic(cut, bytes.substr(0, bytes.size() - 100));
  expect_error(eval(cut), kExitBadData, "cut.safetensors");
  expect_error(eval(tiny_.file("absent.safetensors")), kExitBadData, "absent.safetensors");
}

TEST_F(BadModel, CheckpointOfAnotherModel) {
  expect_error(eval(model_, {"--set", "model.width=8"}), kExitBadData, "conv1.weight");
  expect_error(run_akimbo({"eval", tiny_.config(), "--init", model_, "--data", tiny_.data(),
                           "--set", "model.depth=34", "--out", tiny_.file("eval")}),
               kExitBadData, "layer1.2");
  const std::string other = tiny_.file("other.safetensors");
  io::write_safetensors(other, {{"fc", Tensor::zeros({2})}});
  expect_error(eval(other), kExitBadData, "config");
  expect_error(tiny_.train("second", {"--init", other}), kExitBadData, "another model");
}

TEST_F(BadModel, ContradictingOptions) {
  expect_error(eval(model_, {"--init", model_}), kExitUsage, "contradict");
  expect_error(eval(model_, {"--results", "a.json", "--boxes", "b.json"}), kExitUsage,
               "contradict");
  expect_error(eval(tiny_.config()), kExitUsage, "--init");
}

TEST_F(BadModel, GatesEndWithTheirOwnCode) {
  expect_error(eval(model_, {"--require", "AP=1.01"}), kExitCheck, "AP is ");
  expect_error(eval(model_, {"--require", "PA=0.1"}), kExitUsage, "AP");
  expect_error(eval(model_, {"--require", "AP"}), kExitUsage, "METRIC=LEAST");
  EXPECT_EQ(eval(model_, {"--require", "AP=0"}).exit_code, kExitDone);
}

TEST_F(BadModel, OnePixelAndOddPicturesArePredicted) {
  write_png(tiny_.file("one.png"), Image(1, 1, 3));
  write_png(tiny_.file("grey.png"), Image(5, 700, 1));
  const ProgramResult result =
      run_akimbo({"predict", model_, tiny_.file("one.png"), tiny_.file("grey.png"), "--out",
                  tiny_.file("drawn"), "--heatmaps"});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_EQ(io::read_json(tiny_.file("drawn/results.json")).size(), 2u);
  EXPECT_TRUE(fs::exists(tiny_.file("drawn/one_pose.jpg")));
  EXPECT_TRUE(fs::exists(tiny_.file("drawn/grey_pose.jpg")));
}

TEST_F(BadModel, ABadPictureCostsOnlyItsOwnResult) {
  io::write_file_atomic(tiny_.file("bad.jpg"), "no picture");
  const ProgramResult result =
      run_akimbo({"predict", model_, tiny_.file("bad.jpg"), tiny_.file("data/images/val"), "--out",
                  tiny_.file("drawn")});
  expect_error(result, kExitBadData, "1 of 4 pictures");
  EXPECT_NE(result.err.find("bad.jpg"), std::string::npos);
  EXPECT_EQ(io::read_json(tiny_.file("drawn/results.json")).size(), 3u);
}

TEST_F(BadModel, BoxFilesAreChecked) {
  const auto predict = [&](const char* boxes) {
    io::write_file_atomic(tiny_.file("boxes.json"), boxes);
    return run_akimbo({"predict", model_, tiny_.file("data/images/val"), "--boxes",
                       tiny_.file("boxes.json"), "--out", tiny_.file("drawn")});
  };
  expect_error(predict("{}"), kExitBadData, "boxes.json");
  expect_error(predict(R"([{"image_id": 1, "bbox": [0, 0, 5]}])"), kExitBadData, "bbox");
  expect_error(predict(R"([{"image_id": 1, "bbox": [0, 0, -5, 5]}])"), kExitBadData, "above 0");
  expect_error(predict(R"([{"image_id": 1, "bbox": [0, 0, 5, 5]}, 7])"), kExitBadData, "record 1");
  expect_error(run_akimbo({"predict", model_, tiny_.file("nobody.jpg")}), kExitBadData,
               "nobody.jpg");
}

TEST_F(BadModel, RunChecksItsInput) {
  const auto run = [&](const Tensor& input, const char* layout) {
    io::write_safetensors(tiny_.file("in.safetensors"), {{"input", input}}, {{"layout", layout}});
    return run_akimbo({"run", model_, tiny_.file("in.safetensors"), tiny_.file("out.safetensors")});
  };
  expect_error(run(Tensor::zeros({1, 4, 32, 32}), "NCHW"), kExitBadData, "3 channels");
  expect_error(run(Tensor::zeros({1, 3, 32, 32}), "HWC"), kExitBadData, "NCHW or NHWC");
  EXPECT_EQ(run(Tensor::zeros({2, 3, 32, 64}), "NCHW").exit_code, kExitDone);
  const io::SafetensorsFile out(tiny_.file("out.safetensors"));
  EXPECT_EQ(out.read("heatmaps").shape(), Shape({2, 17, 8, 16}));
}

}  // namespace
}  // namespace akimbo::apps
