#include "apps/eval/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/eval/person_matches.h"
#include "apps/eval/worst_cases.h"
#include "apps/html/page.h"
#include "apps/html/plot.h"
#include "datasets/metrics/coco_keypoints.h"
#include "datasets/metrics/pck.h"

namespace akimbo::apps {

namespace {

using datasets::CocoEvaluation;

double threshold_of(int index) { return 0.5 + 0.05 * index; }

// The mean over categories of the precision at one OKS threshold and recall, all sizes of people;
// NaN where nobody is labelled.
double precision_at(const CocoEvaluation& evaluation, int threshold, int recall) {
  double sum = 0;
  int count = 0;
  for (int c = 0; c < evaluation.num_categories; ++c) {
    const auto at = static_cast<std::size_t>(
        ((threshold * CocoEvaluation::kRecalls + recall) * evaluation.num_categories + c) *
        CocoEvaluation::kAreas);
    if (evaluation.precision[at] < 0) continue;
    sum += evaluation.precision[at];
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

std::string ap_plot(const CocoEvaluation& evaluation) {
  html::Curve curve{.name = "AP"};
  for (int t = 0; t < CocoEvaluation::kThresholds; ++t) {
    double sum = 0;
    for (int r = 0; r < CocoEvaluation::kRecalls; ++r) sum += precision_at(evaluation, t, r);
    curve.x.push_back(threshold_of(t));
    curve.y.push_back(sum / CocoEvaluation::kRecalls);
  }
  return html::line_plot({.x_label = "OKS threshold",
                          .y_label = "average precision",
                          .x_low = 0.5,
                          .curves = {curve},
                          .marks = true});
}

std::string precision_recall_plot(const CocoEvaluation& evaluation) {
  html::LinePlot plot{.x_label = "recall", .y_label = "precision"};
  for (const int t : {0, 3, 5, 7, 9}) {
    html::Curve curve{.name = fmt::format("OKS {:.2f}", threshold_of(t))};
    for (int r = 0; r < CocoEvaluation::kRecalls; ++r) {
      curve.x.push_back(r / 100.0);
      curve.y.push_back(precision_at(evaluation, t, r));
    }
    plot.curves.push_back(std::move(curve));
  }
  return html::line_plot(plot);
}

std::string pck_plot(const ReportInput& input) {
  constexpr int kSteps = 25;
  constexpr double kLast = 0.5;
  html::Curve curve{.name = "PCK", .x = {0}, .y = {0}};
  for (int i = 1; i <= kSteps; ++i) {
    const double threshold = kLast * i / kSteps;
    curve.x.push_back(threshold);
    curve.y.push_back(datasets::evaluate_pck(input.labels, input.results, threshold).pck);
  }
  return html::line_plot({.x_label = "distance, share of the box's longer side",
                          .y_label = "share of keypoints within it (PCK)",
                          .x_high = kLast,
                          .curves = {curve}});
}

std::string keypoint_bars(const ReportInput& input) {
  html::BarPlot plot{.categories = input.skeleton.keypoints};
  for (const double threshold : {0.2, 0.1, 0.05}) {
    plot.series.push_back(
        {fmt::format("PCK@{}", threshold),
         datasets::evaluate_pck(input.labels, input.results, threshold).per_keypoint});
  }
  return html::bar_plot(plot);
}

std::string oks_bars(const std::vector<PersonMatch>& matches) {
  const std::vector<std::pair<std::string, double>> bins = {
      {"OKS .90 to 1", 0.9}, {".75 to .90", 0.75}, {".50 to .75", 0.5}, {"below .50", 0}};
  html::BarPlot plot;
  html::BarSeries series{.name = "share of people"};
  double above = 2;
  for (const auto& [name, low] : bins) {
    const auto count = std::count_if(matches.begin(), matches.end(), [&](const PersonMatch& m) {
      return m.pose >= 0 && m.oks >= low && m.oks < above;
    });
    plot.categories.push_back(name);
    series.values.push_back(static_cast<double>(count) / static_cast<double>(matches.size()));
    above = low;
  }
  const auto missed = std::count_if(matches.begin(), matches.end(),
                                    [](const PersonMatch& m) { return m.pose < 0; });
  plot.categories.emplace_back("not found");
  series.values.push_back(static_cast<double>(missed) / static_cast<double>(matches.size()));
  plot.series = {series};
  return html::bar_plot(plot);
}

std::string metrics_list(const Json& metrics) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : metrics.items()) {
    if (value.is_number()) rows.push_back({name, fmt::format("{:.4f}", value.get<double>())});
  }
  return html::table({"figure", "value"}, rows);
}

}  // namespace

std::string report_page(const ReportInput& input) {
  html::Page page(input.title);
  page.section("Evaluation", html::facts(input.facts) + metrics_list(input.metrics));
  const std::vector<PersonMatch> matches =
      match_people(input.labels, input.results, input.skeleton.sigmas);
  if (matches.empty()) {
    page.section("Nothing to plot", "<p>Nobody is labelled in these data.</p>\n");
    return page.text();
  }
  const CocoEvaluation evaluation = datasets::evaluate_coco_keypoints(
      input.labels, input.results, {.sigmas = input.skeleton.sigmas});
  page.section(
      "Precision",
      html::gallery({html::figure(ap_plot(evaluation), "AP at each OKS threshold"),
                     html::figure(precision_recall_plot(evaluation),
                                  "Precision over recall at some OKS thresholds, people of all "
                                  "sizes")},
                    420));
  page.section("Keypoints",
               html::gallery({html::figure(pck_plot(input),
                                           "Share of labelled keypoints that are placed "
                                           "within a distance"),
                              html::figure(keypoint_bars(input),
                                           "The same of every keypoint, at three "
                                           "distances")},
                             420));
  page.section(
      "People",
      html::gallery({html::figure(oks_bars(matches), fmt::format("How well {} labelled people were "
                                                                 "found",
                                                                 matches.size()))},
                    420));
  page.section("Worst cases", worst_cases(input, matches));
  return page.text();
}

}  // namespace akimbo::apps
