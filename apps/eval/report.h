// `akimbo eval --report`: one self-contained page about an evaluation, with plots, and pictures of
// the people who were found worst.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/benchmark.h"
#include "engine/io/image.h"
#include "engine/pose/skeleton.h"

namespace akimbo::apps {

struct ReportInput {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // model, data, settings
  const datasets::Scores& scores;
  const datasets::CocoLabels& labels;
  const datasets::CocoResults& results;
  const Skeleton& skeleton;
  // The picture of an id; empty where it cannot be read. Null: no pictures.
  std::function<Image(std::int64_t image_id)> picture;
  int num_worst = 24;
  bool by_oks = true;  // false: the benchmark knows no OKS, so its precision is not plotted
};

[[nodiscard]] std::string report_page(const ReportInput& input);

}  // namespace akimbo::apps
