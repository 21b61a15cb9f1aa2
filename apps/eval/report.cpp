#include "apps/eval/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/eval/error_section.h"
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

std::string score_tables(const datasets::Scores& scores) {
  std::string text;
  for (const datasets::ScoreTable& table : scores.tables) {
    std::vector<std::string> header = {table.corner};
    header.insert(header.end(), table.columns.begin(), table.columns.end());
    std::vector<std::vector<std::string>> rows;
    for (const datasets::ScoreTable::Row& row : table.rows) {
      rows.push_back({row.name.empty() ? "this" : row.name});
      for (const double value : row.values) rows.back().push_back(fmt::format("{:.3f}", value));
    }
    text += html::table(header, rows) + "<p></p>\n";
  }
  return text;
}

// "left_knee" and "right_knee" are one part: "knee".
std::string part_of(const std::string& keypoint) {
  for (const std::string side : {"left_", "right_"}) {
    if (keypoint.starts_with(side)) return keypoint.substr(side.size());
  }
  return keypoint;
}

// Curves of PCKh, where the benchmark tells them keypoint by keypoint (0 to .5 of the head's size,
// percent): the mean of left and right. Empty where it does not.
std::string pckh_plot(const ReportInput& input) {
  const auto found = input.scores.details.find("pckh_per_keypoint");
  if (found == input.scores.details.end()) return "";
  html::LinePlot plot{.x_label = "distance, share of the head's size",
                      .y_label = "percent of keypoints within it (PCKh)",
                      .x_high = 0.5,
                      .y_high = 100};
  std::map<std::string, std::vector<std::vector<double>>> curves_of_part;
  for (const auto& [keypoint, figures] : found->items()) {
    if (keypoint == "pelvis" || keypoint == "thorax") continue;  // no part of the published mean
    curves_of_part[part_of(keypoint)].push_back(figures.at("curve").get<std::vector<double>>());
  }
  for (const auto& [part, curves] : curves_of_part) {
    html::Curve mean{.name = part};
    for (std::size_t i = 0; i < curves[0].size(); ++i) {
      double sum = 0;
      for (const auto& curve : curves) sum += curve[i] < 0 ? std::nan("") : curve[i];
      mean.x.push_back(0.5 * static_cast<double>(i) / static_cast<double>(curves[0].size() - 1));
      mean.y.push_back(sum / static_cast<double>(curves.size()));
    }
    plot.curves.push_back(std::move(mean));
  }
  return html::figure(html::line_plot(plot), "PCKh of each keypoint, left and right together");
}

std::string precision_section(const ReportInput& input) {
  const CocoEvaluation evaluation = datasets::evaluate_coco_keypoints(
      input.labels, input.results, {.sigmas = input.skeleton.sigmas});
  return html::gallery(
      {html::figure(ap_plot(evaluation), "AP at each OKS threshold"),
       html::figure(precision_recall_plot(evaluation),
                    "Precision over recall at some OKS thresholds, people of all sizes")},
      420);
}

std::string keypoint_section(const ReportInput& input, const std::vector<PersonMatch>& matches) {
  const std::string people =
      fmt::format("How well {} labelled people were found, by OKS", matches.size());
  return html::gallery(
      {html::stack({html::figure(pck_plot(input), "Labelled keypoints placed within a distance"),
                    pckh_plot(input), html::figure(oks_bars(matches), people)}),
       html::figure(keypoint_bars(input), "The same of every keypoint, at three distances")},
      420);
}

}  // namespace

std::string report_page(const ReportInput& input) {
  html::Page page(input.title);
  page.section("Evaluation", html::facts(input.facts) + score_tables(input.scores));
  const std::vector<PersonMatch> matches =
      match_people(input.labels, input.results, input.skeleton.sigmas);
  if (matches.empty()) {
    page.section("Nothing to plot", "<p>Nobody is labelled in these data.</p>\n");
    return page.text();
  }
  if (input.by_oks) page.section("Precision", precision_section(input));
  page.section("Keypoints and people", keypoint_section(input, matches));
  if (input.by_oks) page.section("Errors", error_section(input));
  page.section("Worst cases", worst_cases(input, matches));
  return page.text();
}

}  // namespace akimbo::apps
