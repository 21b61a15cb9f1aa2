// akimbo predict, whole: what it writes for pictures and videos, and what it says to wrong options.
#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "apps/cli.h"
#include "apps/video/video.h"
#include "datasets/readers/image_file.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "tests/apps/tiny_run.h"

namespace akimbo::apps {
namespace {

namespace fs = std::filesystem;
using testing_support::ProgramResult;
using testing_support::run_akimbo;
using testing_support::start_akimbo;
using testing_support::TinyRun;
using testing_support::wait_for;

bool has_ffmpeg() { return std::system("command -v ffmpeg ffprobe >/dev/null 2>&1") == 0; }

// One model for all of these.
class PredictProgram : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = std::make_unique<TinyRun>();
    ASSERT_EQ(0, tiny_->train("run", {"--set", "train.epochs=1"}).exit_code);
  }
  static void TearDownTestSuite() { tiny_.reset(); }

  static std::string model() { return tiny_->file("run/checkpoint_last.safetensors"); }
  std::string out(const std::string& name = "") const {
    return tiny_->file(std::string("out_") + info_->name() + (name.empty() ? "" : "/" + name));
  }
  ProgramResult predict(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"predict", model(), "--out", out()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  }
  static std::string pictures() { return tiny_->file("data/images/val"); }
  // The first picture with changing noise over it.
  static std::string video(int num_frames) {
    const std::string path = tiny_->file("clip.mp4");
    Image image = read_image(fs::directory_iterator(pictures())->path());
    VideoWriter writer(path, 10);
    std::uint32_t state = 1;
    for (int i = 0; i < num_frames; ++i) {
      for (std::uint8_t& v : image.pixels) {
        state = state * 1664525u + 1013904223u;
        v = static_cast<std::uint8_t>(v / 2 + (state >> 25));
      }
      writer.add(image, 0.1 * i);
    }
    writer.finish();
    return path;
  }

  static std::unique_ptr<TinyRun> tiny_;
  const testing::TestInfo* info_ = testing::UnitTest::GetInstance()->current_test_info();
};
std::unique_ptr<TinyRun> PredictProgram::tiny_;

TEST_F(PredictProgram, WritesEveryFormat) {
  const ProgramResult result =
      predict({pictures() + "/*", "--format", "coco", "--format", "csv", "--format", "openpose"});
  ASSERT_EQ(kExitDone, result.exit_code) << result.err;
  EXPECT_EQ(3u, io::read_json(out("results.json")).size());
  const std::string csv = io::read_file(out("results.csv"));
  EXPECT_EQ(4, std::count(csv.begin(), csv.end(), '\n'));
  EXPECT_NE(std::string::npos, csv.find("box_height,nose_x,nose_y,nose_score,left_eye_x"));
  int num_openpose = 0;
  for (const auto& entry : fs::directory_iterator(out("openpose"))) {
    const Json json = io::read_json(entry.path());
    EXPECT_EQ(75u, json.at("people")[0].at("pose_keypoints_2d").size());
    ++num_openpose;
  }
  EXPECT_EQ(3, num_openpose);
  const Json side = io::read_json(out("keypoints.json"));
  EXPECT_EQ(Json({"x", "y", "score"}), side.at("order"));
  EXPECT_EQ("nose", side.at("skeleton").at("keypoints")[0]);
}

TEST_F(PredictProgram, FlipTestChangesThePoses) {
  const std::string plain = tiny_->file("plain.json"), flipped = tiny_->file("flipped.json");
  ASSERT_EQ(kExitDone, predict({pictures(), "--no-drawings", "--json", plain}).exit_code);
  ASSERT_EQ(kExitDone,
            predict({pictures(), "--no-drawings", "--json", flipped, "--flip"}).exit_code);
  EXPECT_NE(io::read_json(plain), io::read_json(flipped));
  EXPECT_FALSE(fs::exists(out("results.json")));
}

TEST_F(PredictProgram, BlackGroundAndStyles) {
  const std::string picture = fs::directory_iterator(pictures())->path();
  const std::string drawing = out(fs::path(picture).stem().string() + "_pose.jpg");
  ASSERT_EQ(kExitDone, predict({picture, "--black", "--no-boxes", "--min-score", "9"}).exit_code);
  // Nothing is sure enough to be drawn, and the score's tag is not all of the picture.
  const Image black = read_image(drawing);
  const auto dark = std::count_if(black.pixels.begin(), black.pixels.end(),
                                  [](std::uint8_t v) { return v < 16; });
  EXPECT_GT(static_cast<std::size_t>(dark), black.pixels.size() * 8 / 10);
  for (const char* style : {"auto", "sides", "limbs", "people", "points", "lines"}) {
    EXPECT_EQ(kExitDone, predict({picture, "--style", style, "--ids", "--radius", "3",
                                  "--thickness", "2", "--heatmaps"})
                             .exit_code);
  }
}

// A photo whose tag says that it lies on its side.
TEST_F(PredictProgram, PhotosAreTurnedUprightUnlessBoxesAreGiven) {
  const std::string jpeg = encode_jpeg(Image(40, 80, 3));
  const std::string tag(
      "\xff\xe1\0\x22"
      "Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
      36);
  io::write_file_atomic(tiny_->file("side.jpg"), jpeg.substr(0, 2) + tag + jpeg.substr(2));
  io::write_file_atomic(tiny_->file("side.json"),
                        R"([{"file_name": "side.jpg", "bbox": [0, 0, 20, 30]}])");
  ASSERT_EQ(kExitDone, predict({tiny_->file("side.jpg")}).exit_code);
  EXPECT_EQ(40, read_image(out("side_pose.jpg")).width);
  ASSERT_EQ(kExitDone,
            predict({tiny_->file("side.jpg"), "--boxes", tiny_->file("side.json")}).exit_code);
  EXPECT_EQ(80, read_image(out("side_pose.jpg")).width);
}

TEST_F(PredictProgram, BoxesOfOtherPicturesAreNoticed) {
  // The pictures of training have no annotation among those of validation.
  const ProgramResult run =
      predict({tiny_->file("data/images/train"), "--annotations", tiny_->annotations()});
  EXPECT_NE(run.err.find("no box belongs to any of these pictures"), std::string::npos) << run.err;
  const ProgramResult fitting = predict({pictures(), "--annotations", tiny_->annotations()});
  EXPECT_EQ(fitting.err.find("no box belongs"), std::string::npos) << fitting.err;
}

TEST_F(PredictProgram, AVideoGetsDrawingsAndFrames) {
  if (!has_ffmpeg()) GTEST_SKIP() << "the program ffmpeg is not installed";
  io::write_file_atomic(tiny_->file("boxes.json"),
                        R"([{"image_id": 0, "bbox": [0, 0, 90, 90]},
                            {"file_name": "clip.mp4", "frame": 3, "bbox": [5, 5, 40, 80]},
                            {"file_name": "other.mp4", "frame": 2, "bbox": [5, 5, 40, 80]}])");
  const ProgramResult result = predict(
      {video(5), "--boxes", tiny_->file("boxes.json"), "--format", "openpose", "--format", "coco"});
  ASSERT_EQ(kExitDone, result.exit_code) << result.err;
  const Json frames = io::read_json(out("clip_frames.json"));
  EXPECT_EQ(96, frames.at("width"));
  ASSERT_EQ(5u, frames.at("frames").size());
  std::vector<std::size_t> num_people;
  for (const Json& frame : frames.at("frames")) num_people.push_back(frame.at("people").size());
  EXPECT_EQ((std::vector<std::size_t>{1, 0, 0, 1, 0}), num_people);
  EXPECT_NEAR(0.3, frames.at("frames")[3].at("time_s").get<double>(), 1e-6);
  EXPECT_EQ(51u, frames.at("frames")[3].at("people")[0].at("keypoints").size());
  EXPECT_EQ(3, io::read_json(out("clip_results.json"))[1].at("image_id"));
  EXPECT_TRUE(fs::exists(out("openpose/clip_000000000004_keypoints.json")));
  EXPECT_FALSE(fs::exists(out("results.json")));  // of pictures, of which there were none
  VideoReader drawn(out("clip_pose.mp4"));
  int num_drawn = 0;
  while (drawn.next()) ++num_drawn;
  EXPECT_EQ(5, num_drawn);
}

TEST_F(PredictProgram, ATruncatedVideoIsReported) {
  if (!has_ffmpeg()) GTEST_SKIP() << "the program ffmpeg is not installed";
  const std::string bytes = io::read_file(video(40));
  io::write_file_atomic(tiny_->file("cut.mp4"), bytes.substr(0, bytes.size() * 7 / 10));
  const ProgramResult result = predict({tiny_->file("cut.mp4")});
  EXPECT_EQ(kExitBadData, result.exit_code);
  EXPECT_NE(std::string::npos, result.err.find("cut.mp4 may be damaged")) << result.err;
  EXPECT_GT(io::read_json(out("cut_frames.json")).at("frames").size(), 0u);
  EXPECT_TRUE(fs::exists(out("cut_pose.mp4")));
}

TEST_F(PredictProgram, CtrlCLeavesNoHalfWrittenFile) {
  if (!has_ffmpeg()) GTEST_SKIP() << "the program ffmpeg is not installed";
  const int process =
      start_akimbo({"predict", model(), video(500), "--out", out()}, tiny_->file("ctrl_c.log"));
  const auto has_begun = [&] {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(out(), code)) {
      if (entry.path().string().find(".mp4.tmp-") != std::string::npos) return true;
    }
    return false;
  };
  for (int i = 0; i < 600 && !has_begun(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_TRUE(has_begun()) << io::read_file(tiny_->file("ctrl_c.log"));
  ::kill(process, SIGINT);
  EXPECT_EQ(kExitInterrupt, wait_for(process));
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(out())) left.push_back(entry.path().filename());
  EXPECT_EQ(std::vector<std::string>{"keypoints.json"}, left);
}

TEST_F(PredictProgram, WithoutFfmpegAVideoIsExplained) {
  const std::string path = std::getenv("PATH");
  io::write_file_atomic(tiny_->file("some.mp4"), "never read");
  ::setenv("PATH", tiny_->file("nowhere").c_str(), 1);
  const ProgramResult result = predict({tiny_->file("some.mp4")});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(kExitDevice, result.exit_code);
  EXPECT_NE(std::string::npos, result.err.find("install the package ffmpeg")) << result.err;
}

TEST_F(PredictProgram, WrongOptionsAreNamed) {
  const auto expect = [&](const std::vector<std::string>& more, int code, const char* part) {
    const ProgramResult result = predict(more);
    EXPECT_EQ(code, result.exit_code) << part;
    EXPECT_NE(std::string::npos, result.err.find(part)) << result.err;
  };
  expect({pictures(), "--format", "xml"}, kExitUsage, "coco, openpose or csv");
  expect({pictures(), "--style", "fancy"}, kExitUsage, "sides, limbs, people");
  expect({pictures(), "--radius", "-1"}, kExitUsage, "--radius -1");
  expect({pictures(), "--thickness", "nan"}, kExitUsage, "--thickness");
  expect({pictures(), "--json", "a.txt"}, kExitUsage, ".json");
  expect({pictures() + "/*.bmp"}, kExitBadData, "*.bmp");
  io::write_file_atomic(tiny_->file("fake.mp4"), "no video");
  expect({tiny_->file("fake.mp4"), "--annotations", tiny_->annotations()}, kExitUsage,
         "give its boxes by frame");
  if (has_ffmpeg()) expect({tiny_->file("fake.mp4")}, kExitBadData, "cannot be read as a video");
}

}  // namespace
}  // namespace akimbo::apps
