#include "datasets/registry.h"

#include <fmt/ranges.h>

#include "datasets/benchmarks/coco.h"
#include "datasets/benchmarks/mpii.h"
#include "datasets/metrics/crowdpose.h"
#include "datasets/readers/coco_format.h"
#include "datasets/readers/mpii_format.h"
#include "engine/core/error.h"
#include "engine/core/text.h"

namespace akimbo::datasets {
namespace {

PersonSet read_coco(const SetFiles& files, ReadOptions options, double min_box_score) {
  options.require_people = options.require_people && files.boxes.empty();
  PersonSet set = read_coco_people(files.annotations, options);
  if (!files.boxes.empty()) use_detections(set, files.boxes, options, min_box_score);
  return set;
}

PersonSet read_crowdpose(const SetFiles& files, ReadOptions options, double min_box_score) {
  options.box_area_share = kCrowdPoseAreaShare;
  return read_coco(files, options, min_box_score);
}

PersonSet read_mpii(const SetFiles& files, ReadOptions options, double) {
  if (!files.boxes.empty()) {
    throw_error<ConfigError>(
        "[data] boxes {} with the format mpii, whose files say where people are; leave the boxes "
        "out",
        files.boxes.string());
  }
  return read_mpii_people(files.annotations, options);
}

std::unique_ptr<Benchmark> open_mpii(const SetFiles& files, const Skeleton& skeleton,
                                     const BenchmarkOptions&) {
  return open_mpii_benchmark(files, skeleton);
}

struct Format {
  const char* name;
  PersonSet (*read)(const SetFiles&, ReadOptions, double min_box_score);
  std::unique_ptr<Benchmark> (*open)(const SetFiles&, const Skeleton&, const BenchmarkOptions&);
};

constexpr Format kFormats[] = {
    {"coco", read_coco, open_coco_benchmark},
    {"crowdpose", read_crowdpose, open_crowdpose_benchmark},
    {"mpii", read_mpii, open_mpii},
};

const Format& find_format(const std::string& name) {
  for (const Format& format : kFormats) {
    if (name == format.name) return format;
  }
  const std::vector<std::string> names = format_names();
  const std::string nearest = nearest_name(name, names);
  throw_error<ConfigError>("[data] there is no format \"{}\"; {}known are {}", name,
                           nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest),
                           fmt::join(names, ", "));
}

}  // namespace

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const Format& format : kFormats) names.emplace_back(format.name);
  return names;
}

PersonSet read_people(const std::string& format, const SetFiles& files, const ReadOptions& options,
                      double min_box_score) {
  return find_format(format).read(files, options, min_box_score);
}

std::unique_ptr<Benchmark> open_benchmark(const std::string& format, const SetFiles& files,
                                          const Skeleton& skeleton,
                                          const BenchmarkOptions& options) {
  return find_format(format).open(files, skeleton, options);
}

}  // namespace akimbo::datasets
