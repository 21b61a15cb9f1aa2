#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "apps/video/process.h"
#include "apps/video/video.h"
#include "engine/core/error.h"
#include "engine/io/json.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

// "file:" keeps names such as "concat:a" and "-y" from being anything but names; the white list
// keeps a playlist from fetching what it names.
std::string file_url(const fs::path& path) { return "file:" + path.string(); }

// "30000/1001"; 0 when it is nothing.
double ratio_of(const Json& json, const char* key) {
  const std::string text = json.value(key, "");
  const std::size_t slash = text.find('/');
  const double top = std::atof(text.c_str());
  const double bottom = slash == std::string::npos ? 1 : std::atof(text.c_str() + slash + 1);
  return top > 0 && bottom > 0 ? top / bottom : 0;
}

VideoFacts probe(const fs::path& path) {
  const std::string text =
      output_of({"ffprobe", "-v", "error", "-protocol_whitelist", "file,pipe", "-select_streams",
                 "v:0", "-show_entries", "stream=r_frame_rate,avg_frame_rate,nb_frames", "-of",
                 "json", file_url(path)});
  const Json json = Json::parse(text, nullptr, false);
  VideoFacts facts{.average_rate = 25, .rate = 25};
  if (json.is_discarded() || !json.contains("streams") || json.at("streams").empty()) return facts;
  const Json& stream = json.at("streams")[0];
  const double average = ratio_of(stream, "avg_frame_rate");
  const double finest = ratio_of(stream, "r_frame_rate");
  if (average > 0)
    facts.average_rate = average;
  else if (finest > 0)
    facts.average_rate = finest;
  // The finest rate has a place for every frame, but of an uneven video it may be that of its clock
  // (90,000 a second): then the average must do.
  constexpr double kFastest = 120;
  const bool is_fit = finest >= facts.average_rate && finest <= std::max(kFastest, average);
  facts.rate = is_fit ? finest : std::min(facts.average_rate, kFastest);
  facts.num_frames = std::atoll(stream.value("nb_frames", "0").c_str());
  return facts;
}

// ffmpeg is told to put "[error]" and the like before its lines, behind "[part @ address]".
bool is_error_line(const std::string& line) {
  return line.find("[error] ") != std::string::npos || line.find("[fatal] ") != std::string::npos;
}

std::string without_tags(std::string line) {
  for (const char* tag : {"[error] ", "[fatal] "}) {
    const std::size_t at = line.find(tag);
    if (at != std::string::npos) return line.substr(at + std::strlen(tag));
  }
  return line;
}

}  // namespace

bool is_video_name(const std::string& name) {
  std::string ending = fs::path(name).extension();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array kEndings = {".mp4",  ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg",
                                   ".mpeg", ".wmv", ".flv", ".ogv",  ".ts",  ".3gp", ".gif"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const char* known) { return ending == known; });
}

// ffmpeg writes every frame as a PPM picture, whose header tells its size (after rotation), and the
// filter showinfo writes its time on stderr before.
struct VideoReader::Decoder {
  explicit Decoder(const fs::path& path)
      : process({"ffmpeg",
                 "-hide_banner",
                 "-nostdin",
                 "-nostats",
                 "-loglevel",
                 "level+info",
                 "-protocol_whitelist",
                 "file,pipe",
                 "-i",
                 file_url(path),
                 "-map",
                 "0:v:0",
                 "-vf",
                 "showinfo=checksum=0",
                 "-fps_mode",
                 "passthrough",
                 "-f",
                 "image2pipe",
                 "-c:v",
                 "ppm",
                 "-pix_fmt",
                 "rgb24",
                 "pipe:1"},
                ChildProcess::Pipe::from_child) {}

  // One number of the header and the white space behind it; -1 at the end.
  int header_number() {
    std::int64_t number = 0;
    for (char c; process.read(&c, 1) == 1;) {
      if (c < '0' || c > '9') return static_cast<int>(number);
      number = std::min<std::int64_t>(number * 10 + (c - '0'), 1 << 20);
    }
    return -1;
  }

  // Takes in what ffmpeg has said since the last time.
  void listen() {
    const std::string text = process.said(num_heard);
    const std::size_t end = text.rfind('\n') + 1;  // 0 when no line is complete
    for (std::size_t begin = 0; begin < end;) {
      const std::size_t stop = text.find('\n', begin);
      const std::string line = text.substr(begin, stop - begin);
      const std::size_t time = line.find(" pts_time:");
      if (time != std::string::npos) times.push_back(std::atof(line.c_str() + time + 10));
      if (first_error.empty() && is_error_line(line)) first_error = without_tags(line);
      begin = stop + 1;
    }
    num_heard += end;
  }

  ChildProcess process;
  std::size_t num_heard = 0;
  std::vector<double> times;
  std::string first_error;
  std::int64_t num_frames = 0;
  bool is_cut = false;  // the last picture was incomplete
};

VideoReader::VideoReader(const fs::path& path) : path_(path) {
  std::error_code code;
  if (!fs::is_regular_file(path, code)) {
    throw_error<FileError>("[video] {} is not there, or no file", path.string());
  }
  facts_ = probe(path);
  decoder_ = std::make_unique<Decoder>(path);
}

VideoReader::~VideoReader() = default;

std::optional<VideoReader::Frame> VideoReader::next() {
  char magic[3];
  if (decoder_->process.read(magic, 3) != 3) {
    (void)decoder_->process.finish();
    decoder_->listen();
    if (decoder_->num_frames == 0) {
      throw_error<FileError>(
          "[video] {} cannot be read as a video: {}", path_.string(),
          decoder_->first_error.empty() ? "ffmpeg finds no picture in it" : decoder_->first_error);
    }
    return std::nullopt;
  }
  const int width = decoder_->header_number(), height = decoder_->header_number();
  const int maximum = decoder_->header_number();
  constexpr std::int64_t kMaxPixels = 500'000'000;  // as of pictures
  if (std::memcmp(magic, "P6\n", 3) != 0 || width < 1 || height < 1 || maximum != 255 ||
      std::int64_t{width} * height > kMaxPixels) {
    throw_error<FileError>("[video] {}: ffmpeg gave no picture of 8 bits and usual size",
                           path_.string());
  }
  Frame frame{.image = Image(height, width, 3)};
  std::vector<std::uint8_t>& pixels = frame.image.pixels;
  if (decoder_->process.read(pixels.data(), pixels.size()) != pixels.size()) {
    decoder_->is_cut = true;
    return std::nullopt;
  }
  decoder_->listen();
  const auto index = static_cast<std::size_t>(decoder_->num_frames++);
  // A frame without a time of its own, as in raw streams, follows at the average rate.
  frame.time_s = index < decoder_->times.size() ? decoder_->times[index]
                                                : static_cast<double>(index) / facts_.average_rate;
  return frame;
}

std::string VideoReader::complaint() {
  const int code = decoder_->process.finish();
  decoder_->listen();
  if (!decoder_->first_error.empty()) return decoder_->first_error;
  if (code != 0 || decoder_->is_cut) return fmt::format("ffmpeg ended with code {}", code);
  return "";
}

}  // namespace akimbo::apps
