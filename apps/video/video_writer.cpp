#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

#include "apps/cli.h"
#include "apps/video/process.h"
#include "apps/video/video.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

// H.264 plays everywhere, but not every ffmpeg was built with it.
std::vector<std::string> encoder_options() {
  static const bool kHasH264 =
      output_of({"ffmpeg", "-hide_banner", "-encoders"}).find(" libx264 ") != std::string::npos;
  if (kHasH264) return {"-c:v", "libx264", "-preset", "veryfast", "-crf", "18"};
  return {"-c:v", "mpeg4", "-q:v", "3"};
}

std::vector<std::string> encode_command(int width, int height, double rate, const fs::path& path) {
  std::vector<std::string> command = {
      "ffmpeg", "-hide_banner", "-nostats", "-loglevel", "error", "-y", "-f", "rawvideo",
      "-pix_fmt", "rgb24", "-s", fmt::format("{}x{}", width, height), "-r",
      fmt::format("{:.6f}", rate), "-i", "pipe:0",
      // These encoders keep colour for blocks of two by two.
      "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"};
  const std::vector<std::string> options = encoder_options();
  command.insert(command.end(), options.begin(), options.end());
  for (const char* word : {"-movflags", "+faststart", "-f", "mp4"}) command.emplace_back(word);
  command.push_back("file:" + path.string());
  return command;
}

}  // namespace

struct VideoWriter::Encoder {
  Encoder(const Image& first, double rate, const fs::path& path)
      : process(encode_command(first.width, first.height, rate, path),
                ChildProcess::Pipe::to_child),
        current(first) {}

  [[noreturn]] void fail(const fs::path& path) {
    (void)process.finish();
    std::string reason = process.said();
    reason.erase(std::min(reason.find('\n'), reason.size()));
    throw OutputError(fmt::format("[video] {} cannot be written: {}", path.string(),
                                  reason.empty() ? "ffmpeg ended early" : reason));
  }

  ChildProcess process;
  Image current;  // shown until the next one's time
  double first_time = 0;
  std::int64_t num_put = 0;  // places of the constant rate that are filled
};

VideoWriter::VideoWriter(const fs::path& path, double rate)
    : path_(path), temporary_(path.string() + fmt::format(".tmp-{}", ::getpid())), rate_(rate) {}

VideoWriter::~VideoWriter() {
  if (!encoder_) return;
  encoder_.reset();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

// Fills all places before that one with the current frame.
void VideoWriter::put_until(double slot) {
  while (static_cast<double>(encoder_->num_put) < slot) {
    const auto& pixels = encoder_->current.pixels;
    if (!encoder_->process.write(pixels.data(), pixels.size())) encoder_->fail(path_);
    ++encoder_->num_put;
  }
}

void VideoWriter::add(const Image& image, double time_s) {
  if (!encoder_) {
    encoder_ = std::make_unique<Encoder>(image, rate_, temporary_);
    encoder_->first_time = time_s;
    return;
  }
  if (image.width != encoder_->current.width || image.height != encoder_->current.height) {
    throw_error<FileError>(
        "[video] a frame of {}x{} follows frames of {}x{}, which one drawn video cannot hold; use "
        "--no-drawings",
        image.width, image.height, encoder_->current.width, encoder_->current.height);
  }
  // Times far apart are a broken clock rather than a pause of hours.
  constexpr double kLongestPause_s = 60;
  const double slot = std::round((time_s - encoder_->first_time) * rate_);
  put_until(std::min(slot, static_cast<double>(encoder_->num_put) + kLongestPause_s * rate_));
  encoder_->current = image;
}

void VideoWriter::finish() {
  if (!encoder_) return;
  put_until(static_cast<double>(encoder_->num_put) + 1);
  if (encoder_->process.finish() != 0) encoder_->fail(path_);
  encoder_.reset();
  std::error_code code;
  fs::rename(temporary_, path_, code);
  if (code) {
    fs::remove(temporary_, code);
    throw OutputError(fmt::format("[video] {} cannot be put in its place", path_.string()));
  }
}

}  // namespace akimbo::apps
