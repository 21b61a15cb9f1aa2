#include "apps/eval/error_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/html/page.h"
#include "apps/html/plot.h"
#include "datasets/metrics/error_analysis.h"

namespace akimbo::apps {

namespace {

using datasets::ErrorAnalysis;

constexpr std::size_t kNumKinds = datasets::kKeypointErrorNames.size();

// Of the keypoints that were judged, each row a keypoint, "all" last. Without the good ones, whose
// share is what is left.
std::string kinds_plot(const ErrorAnalysis& analysis, const Skeleton& skeleton) {
  html::BarPlot plot{.categories = skeleton.keypoints, .high = 0, .stacked = true};
  plot.categories.emplace_back("all");
  std::vector<ErrorAnalysis::Counts> rows = analysis.per_keypoint;
  rows.push_back(analysis.counts);
  for (std::size_t kind = 1; kind < kNumKinds; ++kind) {
    plot.series.push_back({datasets::kKeypointErrorNames[kind], {}});
  }
  for (const ErrorAnalysis::Counts& counts : rows) {
    const auto judged = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    const auto scale = 1.0 / static_cast<double>(std::max<std::int64_t>(judged, 1));
    for (std::size_t kind = 1; kind < kNumKinds; ++kind) {
      plot.series[kind - 1].values.push_back(static_cast<double>(counts[kind]) * scale);
    }
    plot.high = std::max(plot.high, static_cast<double>(judged - counts[0]) * scale);
  }
  // To the next tenth, so that few errors are seen too.
  plot.high = std::max(0.1, std::ceil(10 * plot.high - 1e-9) / 10);
  return html::bar_plot(plot);
}

std::string cost_plot(const ErrorAnalysis& analysis) {
  html::BarPlot plot{.high = 0};
  html::BarSeries series{.name = "AP lost"};
  const auto add = [&](const char* name, double lost) {
    plot.categories.emplace_back(name);
    series.values.push_back(std::max(lost, 0.0));
    plot.high = std::max(plot.high, lost);
  };
  for (std::size_t kind = 1; kind < kNumKinds; ++kind) {
    add(datasets::kKeypointErrorNames[kind], analysis.ap_lost[kind]);
  }
  add("poses of nobody", analysis.ap_lost_background);
  add("people not found", analysis.ap_lost_missed);
  plot.high = std::max(0.05, std::ceil(20 * plot.high - 1e-9) / 20);
  plot.series = {series};
  return html::bar_plot(plot);
}

}  // namespace

std::string error_section(const ReportInput& input) {
  const ErrorAnalysis analysis =
      datasets::analyze_errors(input.labels, input.results, input.skeleton);
  const std::string counts =
      fmt::format("{} poses belong to a person, {} to nobody; {} labelled people have no pose.",
                  analysis.num_matched, analysis.num_background_poses, analysis.num_missed_people);
  return "<p class=\"dim\">Jitter: near the right place. Inversion: at the mirror keypoint of the "
         "same person. Swap: at a keypoint of another person. Miss: at none of these. " +
         counts + "</p>\n" +
         html::gallery({html::figure(kinds_plot(analysis, input.skeleton),
                                     "Share of judged keypoints with each kind of error"),
                        html::figure(cost_plot(analysis),
                                     fmt::format("What each kind costs: AP ({:.3f}) would be so "
                                                 "much higher without it",
                                                 analysis.ap))},
                       420);
}

}  // namespace akimbo::apps
