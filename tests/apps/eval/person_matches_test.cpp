#include "apps/eval/person_matches.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

using datasets::CocoLabels;
using datasets::CocoResults;

// Two keypoints ten pixels apart, the first at x.
CocoLabels people_at(const std::vector<double>& places) {
  CocoLabels labels{.num_keypoints = 2};
  labels.image_ids = {1};
  for (std::size_t i = 0; i < places.size(); ++i) {
    labels.people.push_back({.id = static_cast<std::int64_t>(i), .image_id = 1, .area = 100});
    for (const double v : {places[i], 0.0, 2.0, places[i] + 10, 0.0, 2.0}) {
      labels.keypoints.push_back(v);
    }
  }
  return labels;
}

CocoResults poses_at(const std::vector<double>& places) {
  CocoResults results;
  double score = 0.1;
  for (const double x : places) {
    const float keypoints[] = {static_cast<float>(x), 0, 1, static_cast<float>(x + 10), 0, 1};
    results.add(1, score += 0.1, keypoints, 2);
  }
  results.num_keypoints = 2;
  return results;
}

const std::vector<double> kSigmas = {0.1, 0.1};

TEST(PersonMatches, OksIsTheEvaluators) {
  const auto matches = match_people(people_at({0}), poses_at({3}), kSigmas);
  ASSERT_EQ(1u, matches.size());
  // exp(-9 / (2 * 100 * 0.2^2)) of both keypoints.
  EXPECT_NEAR(std::exp(-9.0 / 8), matches[0].oks, 1e-12);
  EXPECT_EQ(0, matches[0].pose);
}

TEST(PersonMatches, TheBestPairGoesFirst) {
  // The pose at 2 is nearest to the person at 3, though the one at 0 has it near too.
  const auto matches = match_people(people_at({0, 3}), poses_at({2, -1}), kSigmas);
  EXPECT_EQ(1, matches[0].pose);
  EXPECT_EQ(0, matches[1].pose);
  EXPECT_NEAR(matches[0].oks, matches[1].oks, 1e-12);
}

TEST(PersonMatches, FarPosesAndCrowdsStandForNobody) {
  CocoLabels labels = people_at({0, 500, 900});
  labels.people[2].is_crowd = true;
  const auto matches = match_people(labels, poses_at({0, 900}), kSigmas);
  ASSERT_EQ(2u, matches.size());
  EXPECT_EQ(1, matches[0].oks);
  EXPECT_EQ(-1, matches[1].pose);
  EXPECT_EQ(0, matches[1].oks);
  EXPECT_TRUE(match_people(labels, CocoResults(), kSigmas)[0].pose < 0);
  EXPECT_THROWS_WITH((void)match_people(labels, CocoResults(), std::vector<double>{0.1}),
                     ArgumentError, "1 sigmas");
}

}  // namespace
}  // namespace akimbo::apps
