// The gallery of people who were found worst.
#pragma once

#include <string>
#include <vector>

#include "apps/eval/person_matches.h"
#include "apps/eval/report.h"

namespace akimbo::apps {

// input.num_worst of them, lowest OKS first: labels and prediction side by side. HTML.
[[nodiscard]] std::string worst_cases(const ReportInput& input, std::vector<PersonMatch> matches);

}  // namespace akimbo::apps
