#include "engine/pose/heatmap_codec.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

const std::array<float, 17> kCocoWeights = {1,    1,    1, 1, 1,    1,    1,    1.2f, 1.2f,
                                            1.5f, 1.5f, 1, 1, 1.2f, 1.2f, 1.5f, 1.5f};

struct Encoded {
  float weight;
  std::vector<float> map;  // [h, w]
};

Encoded encode_one(const HeatmapCodec& codec, Point joint, float weight = 1,
                   std::span<const float> loss_weights = {}) {
  Encoded result{weight, std::vector<float>(static_cast<std::size_t>(codec.heatmap_size.width) *
                                            codec.heatmap_size.height)};
  encode_heatmaps(codec, {&joint, 1}, {&result.weight, 1}, result.map, loss_weights);
  return result;
}

double sum_of(const std::vector<float>& map) {
  return std::accumulate(map.begin(), map.end(), 0.0);
}

TEST(HeatmapCodec, DrawsTheGaussianAroundTheNearestCell) {
  const HeatmapCodec codec;
  const Encoded e = encode_one(codec, {97.9, 129.9});
  EXPECT_EQ(e.map[32 * 48 + 24], 1.0f);
  EXPECT_NEAR(e.map[32 * 48 + 25], 0.8824969, 1e-7);
  EXPECT_NEAR(e.map[32 * 48 + 30], 0.0111090, 1e-7);
  EXPECT_EQ(e.map[32 * 48 + 31], 0.0f);
  EXPECT_NEAR(e.map[26 * 48 + 18], 1.2340980e-4, 1e-10);
  EXPECT_NEAR(sum_of(e.map), 25.081291, 1e-5);
  const HeatmapCodec fine{{288, 384}, {72, 96}, 3};
  EXPECT_NEAR(sum_of(encode_one(fine, {144, 192}).map), 56.382989, 1e-5);
}

TEST(HeatmapCodec, EdgesFollowTheReferences) {
  const HeatmapCodec codec;
  EXPECT_NEAR(sum_of(encode_one(codec, {0, 0}).map), 9.024384, 1e-5);
  EXPECT_EQ(encode_one(codec, {-3.9, 40}).map[10 * 48], 1.0f);  // towards zero, not floor
  const auto at_cell = [&](double cell) { return encode_one(codec, {cell * 4, 40}); };
  EXPECT_EQ(at_cell(-7.5).weight, 1.0f);  // touches the edge: weight stays, the map is empty
  EXPECT_EQ(sum_of(at_cell(-7.5).map), 0.0);
  EXPECT_EQ(at_cell(-8.5).weight, 0.0f);
  EXPECT_GT(sum_of(at_cell(53).map), 0.0);
  EXPECT_EQ(at_cell(54).weight, 0.0f);
}

TEST(HeatmapCodec, InvisibleAndImpossibleKeypointsGiveEmptyMaps) {
  const HeatmapCodec codec;
  EXPECT_EQ(sum_of(encode_one(codec, {96, 128}, 0).map), 0.0);
  for (const double x : {1e300, -1e300, std::numeric_limits<double>::quiet_NaN()}) {
    const Encoded e = encode_one(codec, {x, 10});
    EXPECT_EQ(e.weight, 0.0f);
    EXPECT_EQ(sum_of(e.map), 0.0);
  }
}

TEST(HeatmapCodec, KeypointsDoNotMix) {
  const HeatmapCodec codec{{16, 16}, {4, 4}, 1};
  const std::vector<Point> joints = {{0, 0}, {12, 12}};
  std::vector<float> weight = {1, 1};
  std::vector<float> target(4 * 4 * 2, -1);
  encode_heatmaps(codec, joints, weight, target);
  EXPECT_EQ(target[0], 1.0f);
  EXPECT_EQ(target[(3 * 4 + 3) * 2 + 1], 1.0f);
  EXPECT_FLOAT_EQ(target[1], std::exp(-9.0f));
  std::vector<float> small(3);
  EXPECT_THROW(encode_heatmaps(codec, joints, weight, small), ArgumentError);
  EXPECT_THROW((HeatmapCodec{{0, 1}, {1, 1}, 2}.check("test")), ArgumentError);
}

void expect_joint(const HeatmapCodec& codec, const Json& c, std::span<const float> loss_weight) {
  const Json& j = c["joint"];
  const Encoded e = encode_one(codec, {j[0], j[1]}, j[2], loss_weight);
  EXPECT_EQ(e.weight, c["weight"].get<float>()) << c;
  double sum_sq = 0;
  std::size_t peak = 0;
  for (std::size_t i = 0; i < e.map.size(); ++i) {
    sum_sq += static_cast<double>(e.map[i]) * e.map[i];
    if (e.map[i] > e.map[peak]) peak = i;
  }
  EXPECT_NEAR(sum_of(e.map), c["sum"].get<double>(), 2e-7 * c["sum"].get<double>()) << c;
  EXPECT_NEAR(sum_sq, c["sum_sq"].get<double>(), 2e-7 * c["sum_sq"].get<double>()) << c;
  const auto w = static_cast<std::size_t>(codec.heatmap_size.width);
  if (!c["peak"].is_null()) {
    EXPECT_EQ(peak % w, c["peak"][0].get<std::size_t>()) << c;
    EXPECT_EQ(peak / w, c["peak"][1].get<std::size_t>()) << c;
  }
  if (!c.contains("cells")) return;
  for (const Json& cell : c["cells"]) {
    const float value = e.map[cell[1].get<std::size_t>() * w + cell[0].get<std::size_t>()];
    EXPECT_NEAR(value, cell[2].get<float>(), 2e-7 * cell[2].get<float>()) << c;
  }
}

TEST(HeatmapCodec, TargetsEqualTheReference) {
  const auto path = test_support::shared_path("data/golden/topdown/targets.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  for (const Json& c : golden["cases"]) {
    const HeatmapCodec codec{{c["image_size"][0], c["image_size"][1]},
                             {c["heatmap_size"][0], c["heatmap_size"][1]},
                             c["sigma"]};
    const bool weighted = c["name"].get<std::string>().starts_with("joint weights option");
    for (std::size_t k = 0; k < c["joints"].size(); ++k) {
      const std::span<const float> weights(kCocoWeights);
      expect_joint(codec, c["joints"][k], weighted ? weights.subspan(k, 1) : weights.first(0));
    }
  }
}

}  // namespace
}  // namespace akimbo
