// Which pose stands for which labelled person, and how well: what reports about single people need.
// Benchmark figures are made elsewhere (datasets/metrics), by the benchmark's own rules.
#pragma once

#include <span>
#include <vector>

#include "datasets/metrics/coco_files.h"

namespace akimbo::apps {

struct PersonMatch {
  int person = 0;  // index into labels.people
  int pose = -1;   // index into results.poses; -1: nobody was found there
  double oks = 0;  // 0 without a pose
};

// A match for everybody with labelled keypoints, crowds left out, in the order of the labels. Of
// all pairs in a picture those of the highest OKS (the COCO evaluator's formula) are taken first,
// each person and pose once. Poses that are nowhere near (OKS below 1e-6) stand for nobody.
[[nodiscard]] std::vector<PersonMatch> match_people(const datasets::CocoLabels& labels,
                                                    const datasets::CocoResults& results,
                                                    std::span<const double> sigmas);

}  // namespace akimbo::apps
