#include "apps/eval/worst_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/draw/poses.h"
#include "apps/html/page.h"
#include "engine/pose/crop.h"

namespace akimbo::apps {

namespace {

constexpr int kShownSide = 320;  // px of the longer side

// The part of the picture around a person that is shown, as a map from picture to page.
struct Window {
  Affine to_shown{};
  Size2 size;
};

Window window_around(const std::array<double, 4>& box_xywh) {
  const auto& [x, y, w, h] = box_xywh;
  constexpr double kMargin = 0.25;  // of the longer side, on every side: limbs go astray
  const double side = std::max({w, h, 1.0});
  const double left = x - kMargin * side, top = y - kMargin * side;
  const double width = w + 2 * kMargin * side, height = h + 2 * kMargin * side;
  const double factor = kShownSide / std::max(width, height);
  return {{factor, 0, -left * factor, 0, factor, -top * factor},
          {std::max(1, static_cast<int>(std::lround(width * factor))),
           std::max(1, static_cast<int>(std::lround(height * factor)))}};
}

// keypoints [K, 3]; `is_label`: the third number is a visibility, else a score.
draw::DrawnPose pose_of(const double* keypoints, std::size_t K, bool is_label,
                        const Affine& to_shown) {
  draw::DrawnPose pose;
  for (std::size_t k = 0; k < K; ++k) {
    const Point p = transform(to_shown, {keypoints[3 * k], keypoints[3 * k + 1]});
    const double third = keypoints[3 * k + 2];
    pose.keypoints.push_back(
        {p.x, p.y, is_label ? draw::score_of_visibility(static_cast<int>(third)) : third});
  }
  return pose;
}

std::string case_figure(const ReportInput& input, const PersonMatch& match) {
  const auto K = static_cast<std::size_t>(input.labels.num_keypoints);
  const auto person_index = static_cast<std::size_t>(match.person);
  const datasets::CocoLabels::Person& person = input.labels.people[person_index];
  const Window window = window_around(person.box_xywh);
  const Image picture = input.picture ? input.picture(person.image_id) : Image();
  Image truth = picture.empty() ? Image(window.size.height, window.size.width, 3)
                                : warp_affine(draw::as_rgb(picture), window.to_shown, window.size,
                                              WarpMode::fast);
  Image prediction = truth;
  draw::draw_poses(
      truth,
      {pose_of(input.labels.keypoints.data() + 3 * K * person_index, K, true, window.to_shown)},
      input.skeleton);
  std::string score;
  if (match.pose >= 0) {
    const auto pose_index = static_cast<std::size_t>(match.pose);
    draw::draw_poses(
        prediction,
        {pose_of(input.results.keypoints.data() + 3 * K * pose_index, K, false, window.to_shown)},
        input.skeleton, {.min_score = 0.01});
    score = fmt::format(", score {:.2f}", input.results.poses[pose_index].score);
  }
  return html::figure(
      html::row({html::picture(truth, "labels"), html::picture(prediction, "prediction")}),
      fmt::format("<b>{}</b>{}<br>picture {}, annotation {}",
                  match.pose < 0 ? "not found" : fmt::format("OKS {:.3f}", match.oks), score,
                  person.image_id, person.id));
}

}  // namespace

std::string worst_cases(const ReportInput& input, std::vector<PersonMatch> matches) {
  std::stable_sort(matches.begin(), matches.end(),
                   [](const PersonMatch& a, const PersonMatch& b) { return a.oks < b.oks; });
  matches.resize(std::min(matches.size(), static_cast<std::size_t>(std::max(input.num_worst, 0))));
  std::vector<std::string> figures;
  for (const PersonMatch& match : matches) figures.push_back(case_figure(input, match));
  return "<p class=\"dim\">The labelled people with the lowest OKS to the pose nearest to them: "
         "labels to the left, prediction to the right.</p>\n" +
         html::gallery(figures, 300);
}

}  // namespace akimbo::apps
