#include "engine/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace akimbo {
namespace {

TEST(Random, DrawsDependOnSeedStreamAndIndexOnly) {
  RandomStream a(1, 2, 3);
  (void)a.bits();
  const std::uint64_t second = a.bits();
  EXPECT_EQ(RandomStream(1, 2, 3).bits_at(1), second);
  EXPECT_NE(RandomStream(2, 2, 3).bits_at(1), second);
  EXPECT_NE(RandomStream(1, 3, 3).bits_at(1), second);
  EXPECT_NE(RandomStream(1, 2, 4).bits_at(1), second);
  EXPECT_NE(RandomStream(1, 3, 2).bits_at(1), second);
}

TEST(Random, NeighbouringStreamsDoNotCollide) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t epoch = 0; epoch < 30; ++epoch) {
    for (std::uint64_t sample = 0; sample < 30; ++sample) {
      for (std::uint64_t i = 0; i < 4; ++i) seen.insert(RandomStream(7, epoch, sample).bits_at(i));
    }
  }
  EXPECT_EQ(seen.size(), 30u * 30u * 4u);
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  // Four standard errors of each mean.
  constexpr int kDraws = 200000;
  RandomStream random(11);
  double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0, fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += u * u;
    const double n = random.normal();
    normal_sum += n;
    normal_squares += n * n;
    fourth += n * n * n * n;
  }
  const double root = std::sqrt(static_cast<double>(kDraws));
  EXPECT_NEAR(sum / kDraws, 0.5, 4 * std::sqrt(1.0 / 12) / root);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 4 * std::sqrt(4.0 / 45) / root);
  EXPECT_NEAR(normal_sum / kDraws, 0, 4 / root);
  EXPECT_NEAR(normal_squares / kDraws, 1, 4 * std::sqrt(2.0) / root);
  EXPECT_NEAR(fourth / kDraws, 3, 4 * std::sqrt(96.0) / root);
}

TEST(Random, BelowIsEvenAndShuffleKeepsTheElements) {
  RandomStream random(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  // Four standard deviations of a binomial count.
  for (const int count : counts) EXPECT_NEAR(count, 10000, 4 * std::sqrt(10000.0 * 6 / 7));
  std::vector<int> order(100), sorted(100);
  std::iota(order.begin(), order.end(), 0);
  shuffle(order.begin(), order.end(), random);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::partial_sort_copy(order.begin(), order.end(), sorted.begin(), sorted.end());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sorted[i], i);
  std::vector<int> empty;
  shuffle(empty.begin(), empty.end(), random);
}

}  // namespace
}  // namespace akimbo
