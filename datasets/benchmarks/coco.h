// The benchmarks of annotations in COCO's format: COCO's own and CrowdPose's.
#pragma once

#include <memory>

#include "datasets/benchmark.h"
#include "datasets/registry.h"
#include "engine/pose/skeleton.h"

namespace akimbo::datasets {

// AP by OKS of poses rescored by their box and suppressed by OKS, and PCK beside it.
[[nodiscard]] std::unique_ptr<Benchmark> open_coco_benchmark(const SetFiles& files,
                                                             const Skeleton& skeleton,
                                                             const BenchmarkOptions& options);
// The same by CrowdPose's rules.
[[nodiscard]] std::unique_ptr<Benchmark> open_crowdpose_benchmark(const SetFiles& files,
                                                                  const Skeleton& skeleton,
                                                                  const BenchmarkOptions& options);

}  // namespace akimbo::datasets
