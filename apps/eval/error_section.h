// The part of a report about kinds of errors (datasets/metrics/error_analysis.h).
#pragma once

#include <string>

#include "apps/eval/report.h"

namespace akimbo::apps {

// What becomes of each keypoint, and what each kind of error costs. HTML.
[[nodiscard]] std::string error_section(const ReportInput& input);

}  // namespace akimbo::apps
