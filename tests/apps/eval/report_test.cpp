#include "apps/eval/report.h"

#include <gtest/gtest.h>

#include "apps/cli.h"
#include "engine/io/file.h"
#include "tests/apps/tiny_run.h"

namespace akimbo::apps {
namespace {

using testing_support::run_akimbo;
using testing_support::TinyRun;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Skeleton two_points() {
  Skeleton skeleton;
  skeleton.name = "two";
  skeleton.keypoints = {"left_end", "right_end"};
  skeleton.flip_pairs = {{0, 1}};
  skeleton.limbs = {{0, 1}};
  skeleton.sigmas = {0.1, 0.1};
  skeleton.weights = {1, 1};
  return skeleton;
}

// Two people; the first is found exactly, the second not at all.
struct Case {
  Case() {
    labels.num_keypoints = 2;
    labels.image_ids = {1};
    labels.category_ids = {1};
    for (const int i : {0, 1}) {
      labels.people.push_back({.id = i + 1,
                               .image_id = 1,
                               .area = 2000,
                               .box_xywh = {200.0 * i, 0, 50, 50},
                               .has_keypoints = true});
      for (const double v : {200.0 * i, 0.0, 2.0, 200.0 * i + 50, 50.0, 2.0}) {
        labels.keypoints.push_back(v);
      }
    }
    const float pose[] = {0, 0, 1, 50, 50, 1};
    results.num_keypoints = 2;
    results.add(1, 0.9, pose, 2);
    scores.tables.push_back({.corner = "Arch", .columns = {"AP"}, .rows = {{"", {0.5}}}});
  }
  [[nodiscard]] std::string page(bool by_oks = true) const {
    return report_page({.title = "a <test>",
                        .facts = {{"model", "none"}},
                        .scores = scores,
                        .labels = labels,
                        .results = results,
                        .skeleton = two_points(),
                        .by_oks = by_oks});
  }
  datasets::CocoLabels labels;
  datasets::CocoResults results;
  datasets::Scores scores;
};

TEST(EvalReport, HoldsPlotsAndWorstCasesAndNothingElsewhere) {
  const std::string page = Case().page();
  // AP, precision, PCK, people, keypoints, kinds of errors, their cost
  EXPECT_EQ(7u, count(page, "<svg "));
  EXPECT_EQ(4u, count(page, "<img "));  // labels and prediction of both
  EXPECT_EQ(0u, count(page, "http"));
  EXPECT_EQ(0u, count(page, "<test>"));
  const std::size_t worst = page.find("<b>not found</b>"), best = page.find("<b>OKS 1.000</b>");
  ASSERT_NE(std::string::npos, best);
  EXPECT_LT(worst, best);
}

// One of two people: recall .5, so that AP is 51 of 101 at every threshold, PCK a half.
TEST(EvalReport, CurvesAreRight) {
  const std::string page = Case().page();
  EXPECT_NE(std::string::npos, page.find("AP: 0.505 at 0.5<"));
  EXPECT_NE(std::string::npos, page.find("AP: 0.505 at 0.95<"));
  EXPECT_NE(std::string::npos, page.find("left_end, PCK@0.2: 0.5<"));
  EXPECT_NE(std::string::npos, page.find("not found, share of people: 0.5<"));
  // With a pose for the second person, AP would be 1.
  EXPECT_NE(std::string::npos, page.find("people not found, AP lost: 0.495<"));
  EXPECT_NE(std::string::npos, page.find("1 labelled people have no pose"));
}

TEST(EvalReport, PckhComesFromTheBenchmark) {
  Case with_heads;
  for (const char* name : {"left_end", "right_end"}) {
    with_heads.scores.details["pckh_per_keypoint"][name]["curve"] = std::vector<double>(51, 80.0);
  }
  const std::string page = with_heads.page(false);
  EXPECT_EQ(1u, count(page, ">end</title>"));  // left and right together
  EXPECT_EQ(0u, count(page, "average precision"));
}

TEST(EvalReport, NobodyLabelledIsSaid) {
  Case nobody;
  nobody.labels.people.clear();
  nobody.labels.keypoints.clear();
  EXPECT_NE(std::string::npos, nobody.page().find("Nobody is labelled"));
}

TEST(EvalReport, TheProgramWritesIt) {
  const TinyRun tiny;
  ASSERT_EQ(kExitDone, tiny.train("run", {"--set", "train.epochs=1"}).exit_code);
  const std::string model = tiny.file("run/checkpoint_last.safetensors");
  const auto eval = [&](const std::string& report, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "eval", model, "--data", tiny.data(), "--out", tiny.file("eval"), "--report", report};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  };
  const std::string report = tiny.file("pages/report.html");
  ASSERT_EQ(kExitDone, eval(report, {"--worst", "2"}).exit_code);
  EXPECT_EQ(4u, count(io::read_file(report), "<img "));
  // Of a results file, also where the pictures are not at hand.
  ASSERT_EQ(kExitDone, eval(report, {"--results", tiny.file("eval/results.json"), "--set",
                                     "data.val.images=nowhere"})
                           .exit_code);
  EXPECT_NE(std::string::npos, io::read_file(report).find("no pictures, because"));
  EXPECT_EQ(kExitUsage, eval(report, {"--worst", "-1"}).exit_code);
  EXPECT_EQ(kExitUsage, eval(report, {"--results", "pred.mat"}).exit_code);
  EXPECT_EQ(kExitFailed, eval("/proc/none/report.html", {}).exit_code);
}

}  // namespace
}  // namespace akimbo::apps
