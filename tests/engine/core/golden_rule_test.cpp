#include <gtest/gtest.h>

#include "tests/support/golden.h"

namespace akimbo::test_support {
namespace {

TEST(GoldenRule, HashIsFnv1a) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cu);  // published test vector
}

TEST(GoldenRule, WeightsArePermutedFromTheReferenceOrder) {
  const std::vector<float> oihw = fill_values("w", {2, 3, 1, 2});
  const Tensor w = golden_weight("w", {2, 1, 2, 3}, RefLayout::channels_second);
  // Ours [o, y, x, i] = (1, 0, 1, 2); the reference's [o, i, y, x] = (1, 2, 0, 1).
  EXPECT_EQ(w.values<float>()[6 + 3 + 2], oihw[6 + 4 + 1]);
  const std::vector<float> iohw = fill_values("w", {3, 2, 1, 2});
  const Tensor t = golden_weight("w", {2, 1, 2, 3}, RefLayout::transposed_conv);
  EXPECT_EQ(t.values<float>()[6 + 3 + 2], iohw[2 * 4 + 1 * 2 + 1]);
  EXPECT_EQ(reference_values(t, RefLayout::transposed_conv)[11], static_cast<double>(iohw[11]));
}

}  // namespace
}  // namespace akimbo::test_support
