// The benchmark of MPII Human Pose: PCKh.
#pragma once

#include <memory>

#include "datasets/benchmark.h"
#include "datasets/registry.h"
#include "engine/pose/skeleton.h"

namespace akimbo::datasets {

// Against SetFiles::ground_truth (gt_valid.mat), or without it against the labels of the
// annotations, heads then being as long as from upper neck to head top. A set without joints and
// ground truth is a test set. Poses stay as decoded, in the set's order: one a person. Writes
// pred.mat beside results.json. Throws FileError when the numbers of people differ.
[[nodiscard]] std::unique_ptr<Benchmark> open_mpii_benchmark(const SetFiles& files,
                                                             const Skeleton& skeleton);

}  // namespace akimbo::datasets
