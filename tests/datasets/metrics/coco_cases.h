// Random annotation and result files for the evaluator, drawn exactly as
// tests/parity/make_coco_eval_cases.py draws them: that script asks pycocotools for the figures.
#pragma once

#include <cstdint>
#include <string>

#include "datasets/metrics/coco_files.h"

namespace akimbo::test_support {

struct CocoCase {
  std::string labels;  // JSON texts
  std::string results;
};

[[nodiscard]] CocoCase make_coco_case(std::uint64_t seed);

// Three poses near every person of an annotation file.
[[nodiscard]] std::string make_real_results(const datasets::CocoLabels& labels);

}  // namespace akimbo::test_support
