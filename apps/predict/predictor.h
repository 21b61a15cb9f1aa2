// The run of `akimbo predict`: pictures and videos one after the other, their results and drawings.
#pragma once

#include <functional>
#include <map>

#include "apps/common/load_model.h"
#include "apps/predict/boxes.h"
#include "apps/predict/drawing.h"
#include "apps/predict/results.h"
#include "inference/estimator.h"

namespace akimbo::apps {

struct PredictOptions {
  std::string boxes, annotations;
  std::string out = "out/predict";
  std::string json;                             // in place of OUT/results.json
  std::vector<std::string> formats = {"coco"};  // make_result_writer
  bool drawings = true;
  DrawingOptions drawing;
};

class Predictor {
 public:
  // Throws ConfigError for an unknown format. The folder is there.
  Predictor(const PredictOptions& options, LoadedModel model, Device device);

  // Throw FileError for what cannot be read.
  void picture(const std::filesystem::path& path);
  // False when `stop` became true on the way: then nothing of this video is left behind. A damaged
  // one gives what can be read of it before FileError says so.
  [[nodiscard]] bool video(const std::filesystem::path& path, const std::function<bool()>& stop);
  // Writes the results of the pictures, if there were any.
  void finish();
  [[nodiscard]] std::size_t num_people() const { return num_people_; }

 private:
  using Writers = std::vector<std::unique_ptr<ResultWriter>>;

  [[nodiscard]] Writers make_writers(const std::filesystem::path& stem) const;
  // Fills picture.people; returns the drawing where one is wanted.
  [[nodiscard]] Image look_at(const Image& image, const std::vector<ScoredBox>& boxes,
                              FoundPicture& picture);
  // Pictures of one name from different folders each get files of their own.
  [[nodiscard]] std::string unused_name(const std::filesystem::path& path);

  const PredictOptions& options_;
  Config config_;
  Estimator estimator_;
  BoxSource boxes_;
  std::map<std::string, int> num_of_name_;
  Writers writers_;  // of the pictures
  bool has_pictures_ = false;
  std::size_t num_people_ = 0;
};

}  // namespace akimbo::apps
