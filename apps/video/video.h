// Videos in and out, through the programs ffmpeg and ffprobe of the system (package ffmpeg), which
// are looked for only when a video is given. Sound is ignored.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/io/image.h"

namespace akimbo::apps {

// True for the file endings of videos (.mp4 .mov .mkv .webm .avi .m4v .mpg .mpeg .wmv .flv .ogv
// .ts .3gp .gif, any case).
[[nodiscard]] bool is_video_name(const std::string& name);

struct VideoFacts {
  double average_rate = 0;      // frames a second
  double rate = 0;              // at which every frame has its place; what drawn videos get
  std::int64_t num_frames = 0;  // as the file states; 0: it does not
};

// Reads one frame after the other, upright (rotation metadata applied), each once however uneven
// their times are.
class VideoReader {
 public:
  struct Frame {
    Image image;        // RGB
    double time_s = 0;  // in the video
  };

  // Throws FileError that gives ffmpeg's reason when there is no picture in the file, DeviceError
  // when ffmpeg is not installed.
  explicit VideoReader(const std::filesystem::path& path);
  ~VideoReader();

  [[nodiscard]] const VideoFacts& facts() const { return facts_; }
  // Nothing after the last frame.
  [[nodiscard]] std::optional<Frame> next();
  // After the last frame: why it may not be the video's last, in ffmpeg's words; empty when all is
  // well.
  [[nodiscard]] std::string complaint();

 private:
  struct Decoder;
  std::filesystem::path path_;
  VideoFacts facts_;
  std::unique_ptr<Decoder> decoder_;
};

// An MP4 (H.264 where ffmpeg has it) of constant rate. Frames are given with their times; each
// stands from its time until the next one's. Odd sizes get a row or column of black.
class VideoWriter {
 public:
  VideoWriter(const std::filesystem::path& path, double rate);
  // Removes what was written unless finish() was reached.
  ~VideoWriter();

  // Throws OutputError with ffmpeg's reason. All frames must have the size of the first.
  void add(const Image& image, double time_s);
  // Puts the whole video under its name.
  void finish();

 private:
  struct Encoder;
  void put_until(double slot);

  std::filesystem::path path_, temporary_;
  double rate_;
  std::unique_ptr<Encoder> encoder_;  // from the first frame on
};

}  // namespace akimbo::apps
