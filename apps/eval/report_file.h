// The report of one evaluation, put together from what `akimbo eval` has at hand.
#pragma once

#include <filesystem>
#include <string>

#include "config/config.h"
#include "datasets/benchmark.h"
#include "engine/pose/skeleton.h"

namespace akimbo::apps {

struct ReportFile {
  std::filesystem::path path;  // of the page
  std::string model;           // or the results file
  const Config& config;
  const Skeleton& skeleton;
  const datasets::CocoLabels& labels;
  const datasets::CocoResults& results;
  const datasets::Scores& scores;
  int num_worst = 24;  // people in the gallery
};

// Reads the pictures of the validation set where they are there. Throws OutputError.
void write_report(const ReportFile& report);

}  // namespace akimbo::apps
