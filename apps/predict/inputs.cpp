#include "apps/predict/inputs.h"

#include <glob.h>

#include <algorithm>

#include "apps/video/video.h"
#include "datasets/readers/image_file.h"
#include "engine/core/error.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

void add_file(const fs::path& path, PredictInputs& inputs) {
  (is_video_name(path.string()) ? inputs.videos : inputs.pictures).push_back(path);
}

bool is_input_name(const fs::path& path) {
  const std::string name = path.filename();
  return is_image_name(name) || is_video_name(name);
}

void add_folder(const fs::path& folder, PredictInputs& inputs) {
  std::vector<fs::path> inside;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (is_input_name(entry.path())) inside.push_back(entry.path());
  }
  if (code) {
    throw_error<FileError>("[predict] the folder {} cannot be read: {}", folder.string(),
                           code.message());
  }
  if (inside.empty()) {
    throw_error<FileError>("[predict] the folder {} holds no picture and no video",
                           folder.string());
  }
  std::sort(inside.begin(), inside.end());
  for (const fs::path& path : inside) add_file(path, inputs);
}

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> matches;
  if (::glob(pattern.c_str(), GLOB_BRACE | GLOB_TILDE, nullptr, &found) == 0) {
    matches.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return matches;
}

void add_pattern(const std::string& pattern, PredictInputs& inputs) {
  const std::size_t before = inputs.pictures.size() + inputs.videos.size();
  std::error_code code;
  for (const std::string& match : matches_of(pattern)) {
    if (fs::is_directory(match, code)) {
      add_folder(match, inputs);
    } else if (is_input_name(match)) {
      add_file(match, inputs);
    }
  }
  if (inputs.pictures.size() + inputs.videos.size() == before) {
    throw_error<FileError>("[predict] no picture and no video matches {}", pattern);
  }
}

}  // namespace

PredictInputs list_inputs(const std::vector<std::string>& arguments) {
  PredictInputs inputs;
  for (const std::string& argument : arguments) {
    std::error_code code;
    if (fs::is_directory(argument, code)) {
      add_folder(argument, inputs);
    } else if (fs::exists(argument, code)) {
      add_file(argument, inputs);
    } else if (argument.find_first_of("*?[{~") != std::string::npos) {
      add_pattern(argument, inputs);
    } else {
      throw_error<FileError>(
          "[predict] {} is not there; give pictures, videos, folders of them, or a pattern such as "
          "'photos/*.jpg'",
          argument);
    }
  }
  return inputs;
}

}  // namespace akimbo::apps
