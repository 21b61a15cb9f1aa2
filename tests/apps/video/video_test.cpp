#include "apps/video/video.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "apps/cli.h"
#include "apps/video/process.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

namespace fs = std::filesystem;
using testing_support::ScratchFolder;

bool has_ffmpeg() { return std::system("command -v ffmpeg ffprobe >/dev/null 2>&1") == 0; }

Image plain(int width, int height, std::uint8_t grey) {
  Image image(height, width, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), grey);
  return image;
}

// Pictures that take many bytes, so that a cut goes between frames and not through the first.
Image noise(int seed) {
  Image image(64, 64, 3);
  auto state = static_cast<std::uint32_t>(seed + 1);
  for (std::uint8_t& v : image.pixels) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<std::uint8_t>(state >> 24);
  }
  return image;
}

class Video : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_ffmpeg()) GTEST_SKIP() << "the program ffmpeg is not installed";
  }
  // Frames of growing brightness, ten a second.
  std::string make(int num_frames, int width = 48, int height = 32) {
    const std::string path = folder_.file("clip.mp4");
    VideoWriter writer(path, 10);
    for (int i = 0; i < num_frames; ++i) {
      writer.add(plain(width, height, static_cast<std::uint8_t>(20 + 7 * i)), 0.1 * i);
    }
    writer.finish();
    return path;
  }
  static std::vector<VideoReader::Frame> read_all(VideoReader& reader) {
    std::vector<VideoReader::Frame> frames;
    while (auto frame = reader.next()) frames.push_back(std::move(*frame));
    return frames;
  }
  ScratchFolder folder_;
};

TEST_F(Video, WhatIsWrittenIsReadAgain) {
  VideoReader reader(make(12));
  EXPECT_EQ(12, reader.facts().num_frames);
  EXPECT_NEAR(10, reader.facts().rate, 1e-9);
  const auto frames = read_all(reader);
  EXPECT_EQ("", reader.complaint());
  ASSERT_EQ(12u, frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_NEAR(0.1 * static_cast<double>(i), frames[i].time_s, 1e-6);
    EXPECT_EQ(48, frames[i].image.width);
    EXPECT_NEAR(20 + 7 * static_cast<int>(i), frames[i].image.pixels[0], 4);
  }
}

TEST_F(Video, OddSizesGetARowAndAColumn) {
  VideoReader reader(make(2, 33, 21));
  const auto frames = read_all(reader);
  ASSERT_EQ(2u, frames.size());
  EXPECT_EQ(34, frames[0].image.width);
  EXPECT_EQ(22, frames[0].image.height);
}

// Frames 0.5 s and 0.1 s long in a video of ten a second.
TEST_F(Video, UnevenTimesKeepTheirPlaces) {
  const std::string path = folder_.file("uneven.mp4");
  VideoWriter writer(path, 10);
  writer.add(plain(32, 32, 50), 3.0);
  writer.add(plain(32, 32, 120), 3.5);
  writer.add(plain(32, 32, 200), 3.6);
  writer.finish();
  VideoReader reader(path);
  const auto frames = read_all(reader);
  ASSERT_EQ(7u, frames.size());
  EXPECT_NEAR(50, frames[4].image.pixels[0], 4);
  EXPECT_NEAR(120, frames[5].image.pixels[0], 4);
  EXPECT_NEAR(200, frames[6].image.pixels[0], 4);
}

// Every frame once, with its own time, however long each is shown.
TEST_F(Video, VariableRateIsReadAsItIs) {
  const std::string even = make(10), uneven = folder_.file("variable.mkv");
  (void)output_of({"ffmpeg", "-v", "error", "-i", even, "-vf", "select='not(mod(n,3))+eq(n,1)'",
                   "-fps_mode", "vfr", "-f", "matroska", uneven});
  VideoReader reader(uneven);
  std::vector<double> times;
  for (const auto& frame : read_all(reader)) times.push_back(frame.time_s);
  ASSERT_EQ(5u, times.size());  // 0, 1, 3, 6, 9
  const std::vector<double> wanted = {0, 0.1, 0.3, 0.6, 0.9};
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(wanted[i], times[i], 2e-3);
}

TEST_F(Video, RotationIsApplied) {
  const std::string flat = make(3), turned = folder_.file("turned.mp4");
  (void)output_of(
      {"ffmpeg", "-v", "error", "-i", flat, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned});
  VideoReader reader(turned);
  const auto frames = read_all(reader);
  ASSERT_EQ(3u, frames.size());
  EXPECT_EQ(32, frames[0].image.width);
  EXPECT_EQ(48, frames[0].image.height);
}

TEST_F(Video, ATruncatedVideoGivesWhatIsThereAndSaysSo) {
  VideoWriter writer(folder_.file("clip.mp4"), 10);
  for (int i = 0; i < 30; ++i) writer.add(noise(i), 0.1 * i);
  writer.finish();
  const std::string bytes = io::read_file(folder_.file("clip.mp4"));
  const std::string cut = folder_.file("cut.mp4");
  io::write_file_atomic(cut, bytes.substr(0, bytes.size() * 6 / 10));
  VideoReader reader(cut);
  const auto frames = read_all(reader);
  EXPECT_GT(frames.size(), 0u);
  EXPECT_LT(frames.size(), 30u);
  EXPECT_NE("", reader.complaint());
}

TEST_F(Video, WhatIsNoVideoIsRefused) {
  io::write_file_atomic(folder_.file("none.mp4"), "no video at all");
  VideoReader none(folder_.file("none.mp4"));
  EXPECT_THROWS_WITH((void)none.next(), FileError, "none.mp4");
  EXPECT_THROWS_WITH((void)VideoReader(folder_.file("absent.mp4")), FileError, "not there");
  // A name that ffmpeg would take for an option or a protocol is only a name.
  VideoReader odd(
      fs::copy_file(make(2), folder_.file("concat:-y.mp4")) ? folder_.file("concat:-y.mp4") : "");
  EXPECT_EQ(2u, read_all(odd).size());
}

TEST_F(Video, AnUnfinishedVideoIsNotLeftBehind) {
  {
    VideoWriter writer(folder_.file("broken.mp4"), 10);
    for (int i = 0; i < 5; ++i) writer.add(plain(32, 32, 90), 0.1 * i);
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(Video, AFailingEncoderIsAnOutputError) {
  VideoWriter writer(folder_.file("no/such/folder/a.mp4"), 10);
  writer.add(plain(32, 32, 90), 0);
  EXPECT_THROWS_WITH(writer.finish(), OutputError, "a.mp4");
}

TEST(VideoNames, AreToldByTheirEnding) {
  EXPECT_TRUE(is_video_name("a/b.MP4"));
  EXPECT_TRUE(is_video_name("x.webm"));
  EXPECT_FALSE(is_video_name("x.jpg"));
  EXPECT_FALSE(is_video_name("mp4"));
}

TEST(VideoProgram, AMissingOneIsNamed) {
  EXPECT_THROWS_WITH(ChildProcess({"akimbo-no-such-program"}, ChildProcess::Pipe::none),
                     DeviceError, "akimbo-no-such-program is not installed");
}

}  // namespace
}  // namespace akimbo::apps
