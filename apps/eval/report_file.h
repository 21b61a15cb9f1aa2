// The report of one evaluation, put together from what `akimbo eval` has at hand.
#pragma once

#include <filesystem>
#include <string>

#include "apps/config/config.h"
#include "datasets/metrics/coco_files.h"
#include "engine/io/json.h"
#include "engine/pose/skeleton.h"

namespace akimbo::apps {

struct ReportFile {
  std::filesystem::path path;  // of the page
  std::string model;           // or the results file
  const Config& config;
  const Skeleton& skeleton;
  const datasets::CocoLabels& labels;
  const datasets::CocoResults& results;
  const Json& metrics;
};

// Reads the pictures of the validation set where they are there. Throws OutputError.
void write_report(const ReportFile& report);

}  // namespace akimbo::apps
