#include "apps/inspect/findings.h"

#include <fmt/format.h>

#include <algorithm>

namespace akimbo::apps {

void Findings::add(const std::string& what, const std::string& example, bool is_problem) {
  constexpr std::size_t kMaxExamples = 5;
  auto it = std::find_if(findings_.begin(), findings_.end(),
                         [&](const Finding& f) { return f.what == what; });
  if (it == findings_.end()) {
    it = findings_.insert(it, {.what = what, .is_problem = is_problem});
  }
  ++it->count;
  if (!example.empty() && it->examples.size() < kMaxExamples) it->examples.push_back(example);
}

std::int64_t Findings::num_problems() const {
  std::int64_t count = 0;
  for (const Finding& finding : findings_) count += finding.is_problem ? finding.count : 0;
  return count;
}

Json Findings::json() const {
  Json list = Json::array();
  for (const Finding& finding : findings_) {
    list.push_back({{"what", finding.what},
                    {"count", finding.count},
                    {"examples", finding.examples},
                    {"problem", finding.is_problem}});
  }
  return list;
}

std::string Findings::text() const {
  std::string text;
  for (const Finding& finding : findings_) {
    text += fmt::format("  {}: {} x {}", finding.is_problem ? "problem" : "remark", finding.count,
                        finding.what);
    if (!finding.examples.empty()) {
      const bool more = finding.count > static_cast<std::int64_t>(finding.examples.size());
      text += fmt::format(" ({}{})", fmt::join(finding.examples, ", "), more ? ", ..." : "");
    }
    text += '\n';
  }
  return text;
}

}  // namespace akimbo::apps
