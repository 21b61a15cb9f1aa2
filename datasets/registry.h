// The formats that data sets come in, by name: how people are read from their files, and how their
// benchmark scores poses.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datasets/people.h"
#include "engine/pose/skeleton.h"

namespace akimbo::datasets {

class Benchmark;
struct BenchmarkOptions;

// The files of one set; empty where there is none.
struct SetFiles {
  std::filesystem::path annotations;
  std::filesystem::path boxes;         // detections, in place of the annotated boxes
  std::filesystem::path ground_truth;  // MPII: gt_valid.mat
};

// "coco": annotations in COCO's format, any skeleton. "crowdpose": the same without areas, scored
// by CrowdPose's rules. "mpii": the JSON lists of Simple Baselines, scored by PCKh.
[[nodiscard]] std::vector<std::string> format_names();

// The people of a set. Detections scored below `min_box_score` are not used. Throws ConfigError for
// an unknown format or a file that the format does not have, FileError for bad files.
[[nodiscard]] PersonSet read_people(const std::string& format, const SetFiles& files,
                                    const ReadOptions& options, double min_box_score = 0);

// What scores poses of the set (datasets/benchmark.h). Throws as read_people does.
[[nodiscard]] std::unique_ptr<Benchmark> open_benchmark(const std::string& format,
                                                        const SetFiles& files,
                                                        const Skeleton& skeleton,
                                                        const BenchmarkOptions& options);

}  // namespace akimbo::datasets
