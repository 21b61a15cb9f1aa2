#include "engine/ops/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/shared_data.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using test_support::gradients_match;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;
using Tensors = std::vector<Tensor>;

Tensor vector_of(const std::vector<double>& values) {
  return Tensor::from_values<double>({static_cast<std::int64_t>(values.size())}, values);
}

TEST(JointsMse, ByHand) {
  // Two keypoints, two pixels. Differences (1, 2) and (0, 4); weights 1 and 0.5.
  const Tensor pred = Tensor::from_values<double>({1, 2, 1, 2}, {1, 2, 0, 4});
  const Tensor target = Tensor::zeros({1, 2, 1, 2}, DType::f64);
  const Tensor weight = Tensor::from_values<double>({1, 2}, {1, 0.5});
  // Keypoint 0: (1 + 0) / 2 / 2 pixels; keypoint 1: (1 + 4) / 2 / 2; mean of both.
  EXPECT_DOUBLE_EQ(ops::joints_mse(pred, target, weight).item(), (0.25 + 1.25) / 2);
  EXPECT_DOUBLE_EQ(ops::joints_mse(pred, target).item(), 21.0 / 8);
}

TEST(JointsMse, GradientEntersWithTheSquaredWeight) {
  const Tensor target = random_tensor({2, 3, 5, 7}, 2);
  const Tensor weight = random_tensor({2, 7}, 3, 0, 1.5);
  EXPECT_TRUE(
      gradients_match([&](const Tensors& in) { return ops::joints_mse(in[0], target, weight); },
                      {leaf(random_tensor({2, 3, 5, 7}, 1))}));
  EXPECT_TRUE(gradients_match([&](const Tensors& in) { return ops::joints_mse(in[0], target); },
                              {leaf(random_tensor({2, 3, 5, 7}, 1))}));
}

using JointsLoss = std::function<Tensor(const Tensor& pred, const Tensor& target, const Tensor& w)>;

// Loss and gradient of every case of losses.json that has an entry `key` (with or without weights).
void expect_published(const std::string& key, const JointsLoss& loss_of) {
  const auto path = test_support::shared_path("data/golden/topdown/losses.json");
  if (!path) GTEST_SKIP() << test_support::kNoSharedData;
  const Json golden = io::read_json(*path);
  int count = 0;
  for (const Json& test : golden.at("cases")) {
    Shape shape;
    for (const double d : test_support::flat_numbers(test.at("shape"))) {
      shape.push_back(static_cast<std::int64_t>(d));
    }
    const Tensor target = test_support::golden_input("loss_target", shape);
    const Tensor weight = Tensor::from_values<double>(
                              {shape[0], shape[1]}, test_support::flat_numbers(test.at("weights")))
                              .to(DType::f32);
    for (const bool weighted : {true, false}) {
      const std::string name = key + (weighted ? "_weighted" : "_unweighted");
      if (!test.contains(name)) continue;
      ++count;
      const Tensor pred = leaf(test_support::golden_input("loss_output", shape));
      const Tensor loss = loss_of(pred, target, weighted ? weight : Tensor());
      const double wanted = test.at(name).at("loss").get<double>();
      EXPECT_NEAR(loss.item(), wanted, 2e-7 * wanted) << test.at("name") << " " << name;
      loss.backward();
      test_support::expect_golden(test.at(name).at("gradient"), pred.grad(),
                                  test_support::RefLayout::channels_second, 1e-6, name);
    }
  }
  EXPECT_GE(count, 9);
}

TEST(JointsMse, EqualsThePublishedLoss) {
  expect_published("joints_mse", [](const Tensor& pred, const Tensor& target, const Tensor& w) {
    return ops::joints_mse(pred, target, w);
  });
}

TEST(JointsOhkm, EqualsThePublishedLoss) {
  for (const std::int64_t top_k : {1, 8, 16}) {
    expect_published(fmt::format("ohkm_top{}", top_k),
                     [&](const Tensor& pred, const Tensor& target, const Tensor& w) {
                       return ops::joints_ohkm(pred, target, w, top_k);
                     });
  }
}

// Pixels of keypoint k differ by sqrt(2 (k + 1)), so its loss is k + 1.
TEST(JointsOhkm, ByHand) {
  constexpr std::int64_t kKeypoints = 17;
  Tensor pred = Tensor::zeros({2, 3, 1, kKeypoints}, DType::f64);
  for (std::int64_t i = 0; i < pred.numel(); ++i) {
    pred.data<double>()[i] = std::sqrt(2.0 * static_cast<double>(i % kKeypoints + 1));
  }
  pred = leaf(pred);
  const Tensor target = Tensor::zeros(pred.shape(), DType::f64);
  const Tensor loss = ops::joints_ohkm(pred, target, {});
  EXPECT_NEAR(loss.item(), 13.5, 1e-12);  // the mean of 10 .. 17
  loss.backward();
  for (std::int64_t i = 0; i < pred.numel(); ++i) {
    const double wanted = i % kKeypoints < 9 ? 0 : pred.values<double>()[i] / (2 * 8 * 3);
    EXPECT_NEAR(pred.grad().values<double>()[i], wanted, 1e-12) << i;
  }
  // The weight enters squared: 2 makes keypoint 4's loss 20, the hardest of all.
  Tensor weight = Tensor::full({2, kKeypoints}, 1, DType::f64);
  weight.data<double>()[4] = weight.data<double>()[kKeypoints + 4] = 2;
  EXPECT_NEAR(ops::joints_ohkm(pred, target, weight, 1).item(), 20, 1e-12);
  // Equal losses: exactly top_k keypoints count, the first ones.
  const Tensor ones = leaf(Tensor::full({1, 1, 1, 4}, 1, DType::f64));
  ops::joints_ohkm(ones, Tensor::zeros(ones.shape(), DType::f64), {}, 2).backward();
  EXPECT_EQ(max_difference(ones.grad().view({4}), vector_of({0.5, 0.5, 0, 0})), 0);
}

TEST(JointsOhkm, Gradient) {
  const Tensor target = random_tensor({2, 3, 5, 7}, 2);
  const Tensor weight = random_tensor({2, 7}, 3, 0.5, 1.5);
  EXPECT_TRUE(
      gradients_match([&](const Tensors& in) { return ops::joints_ohkm(in[0], target, weight, 3); },
                      {leaf(random_tensor({2, 3, 5, 7}, 1))}));
}

TEST(JointsOhkm, SaysWhatIsWrong) {
  const Tensor x = Tensor::zeros({2, 4, 3, 17});
  EXPECT_THROWS_WITH((void)ops::joints_ohkm(x, x, {}, 18), ArgumentError,
                     "top_k is 18; pred [2,4,3,17] has 17 keypoints");
  EXPECT_THROWS_WITH((void)ops::joints_ohkm(x, x, {}, 0), ArgumentError, "top_k is 0");
  EXPECT_THROWS_WITH((void)ops::joints_ohkm(x, x, Tensor::zeros({2, 16})), ArgumentError,
                     "[joints_ohkm] weight is f32 [2,16]");
}

TEST(JointsMse, SinglePrecisionAndThreads) {
  const Shape shape{3, 61, 47, 17};
  const Tensor pred = random_tensor(shape, 1, -1, 1, DType::f32);
  const Tensor target = random_tensor(shape, 2, -1, 1, DType::f32);
  const Tensor weight = random_tensor({3, 17}, 3, 0, 1, DType::f32);
  const double wide =
      ops::joints_mse(pred.to(DType::f64), target.to(DType::f64), weight.to(DType::f64)).item();
  set_num_threads(1);
  const double one = ops::joints_mse(pred, target, weight).item();
  set_num_threads(3);
  const double three = ops::joints_mse(pred, target, weight).item();
  set_num_threads(0);
  EXPECT_EQ(one, three);
  EXPECT_NEAR(one, wide, 3 * 6e-8 * wide);
}

TEST(DistanceLosses, ByHand) {
  const Tensor pred = vector_of({0, 3, -1, 2});
  const Tensor target = vector_of({0.5, 1, -1, 4});
  EXPECT_DOUBLE_EQ(ops::l1_loss(pred, target).item(), 4.5 / 4);
  EXPECT_DOUBLE_EQ(ops::mse_loss(pred, target).item(), 8.25 / 4);
  EXPECT_DOUBLE_EQ(ops::smooth_l1_loss(pred, target).item(), (0.125 + 1.5 + 0 + 1.5) / 4);
  EXPECT_DOUBLE_EQ(ops::smooth_l1_loss(pred, target, 4).item(), (0.25 + 4 + 0 + 4) / 8 / 4);
  const Tensor weight = vector_of({1, 0, 1, 0.5});
  EXPECT_DOUBLE_EQ(ops::l1_loss(pred, target, weight).item(), 1.5 / 4);
  EXPECT_DOUBLE_EQ(ops::l1_loss(pred, target, weight, {.sum = true}).item(), 1.5);
}

TEST(DistanceLosses, Gradients) {
  const Tensor target = random_tensor({3, 5}, 2);
  const Tensor weight = random_tensor({3, 5}, 3, 0, 2);
  const std::vector<std::function<Tensor(const Tensors&)>> losses = {
      [&](const Tensors& in) { return ops::mse_loss(in[0], target, weight); },
      [&](const Tensors& in) { return ops::l1_loss(in[0], target, weight); },
      [&](const Tensors& in) { return ops::smooth_l1_loss(in[0], target, 0.7, weight); },
      [&](const Tensors& in) { return ops::mse_loss(in[0], target, {}, {.sum = true}); },
  };
  for (const auto& loss : losses) {
    EXPECT_TRUE(gradients_match(loss, {leaf(random_tensor({3, 5}, 1))}));
  }
}

TEST(DistanceLosses, NoSlopeWhereEqual) {
  const Tensor pred = leaf(vector_of({1, 2}));
  ops::l1_loss(pred, vector_of({1, 3})).backward();
  EXPECT_EQ(max_difference(pred.grad(), vector_of({0, -0.5})), 0);
}

TEST(CrossEntropy, ByHandAndGradient) {
  const Tensor index = Tensor::from_values<std::int64_t>({3}, {1, -100, 0});
  const Tensor logits =
      leaf(Tensor::from_values<double>({3, 2}, {0, std::log(3.0), 5, 5, 1000, 1000}));
  EXPECT_NEAR(ops::cross_entropy(logits, index).item(), (std::log(4.0 / 3) + std::log(2.0)) / 2,
              1e-15);
  EXPECT_TRUE(gradients_match([&](const Tensors& in) { return ops::cross_entropy(in[0], index); },
                              {leaf(random_tensor({3, 2}, 1))}));
  const Tensor none = Tensor::full({3}, -100, DType::i64);
  EXPECT_EQ(ops::cross_entropy(logits, none).item(), 0);
  const Tensor grid = Tensor::full({2, 3}, 4, DType::i64);
  EXPECT_TRUE(gradients_match([&](const Tensors& in) { return ops::cross_entropy(in[0], grid); },
                              {leaf(random_tensor({2, 3, 7}, 1))}));
}

// Terms of order 1 are rounded a few times each, sums are in double: 8 roundings of the mean, and
// of each gradient element.
TEST(Losses, SinglePrecisionFollowsDouble) {
  const Tensor index = Tensor::from_values<std::int64_t>({7}, {0, 12, 3, -100, 5, 5, 1});
  const std::vector<std::function<Tensor(const Tensor&, const Tensor&)>> losses = {
      [](auto& p, auto& t) { return ops::mse_loss(p, t, t); },
      [](auto& p, auto& t) { return ops::l1_loss(p, t); },
      [](auto& p, auto& t) { return ops::smooth_l1_loss(p, t, 0.3); },
      [&](auto& p, auto&) { return ops::cross_entropy(p, index); },
  };
  const Tensor target = random_tensor({7, 13}, 2, -1, 1, DType::f32);
  for (const auto& loss : losses) {
    const Tensor narrow = leaf(random_tensor({7, 13}, 1, -1, 1, DType::f32));
    const Tensor wide = leaf(narrow.to(DType::f64));
    const Tensor y32 = loss(narrow, target);
    const Tensor y64 = loss(wide, target.to(DType::f64));
    EXPECT_LE(max_difference(y32, y64), 8 * 6e-8 * 3);
    y32.backward();
    y64.backward();
    EXPECT_LE(max_difference(narrow.grad(), wide.grad()), 8 * 6e-8);
  }
}

TEST(Losses, Messages) {
  const Tensor x = Tensor::zeros({2, 3, 4, 5});
  EXPECT_THROWS_WITH((void)ops::joints_mse(x, Tensor::zeros({2, 3, 4, 6})), ArgumentError,
                     "[joints_mse] target");
  EXPECT_THROWS_WITH((void)ops::joints_mse(x, x, Tensor::zeros({2, 4})), ArgumentError,
                     "wanted f32 [2,5]");
  EXPECT_THROWS_WITH((void)ops::joints_mse(Tensor::zeros({2, 3}), Tensor::zeros({2, 3})),
                     ArgumentError, "[N,H,W,K]");
  EXPECT_THROWS_WITH((void)ops::joints_mse(x, leaf(x.clone())), ArgumentError, "target.detach()");
  const Tensor empty = Tensor::zeros({0, 3, 4, 5});
  EXPECT_THROWS_WITH((void)ops::joints_mse(empty, empty), ArgumentError, "no elements");
  EXPECT_THROWS_WITH((void)ops::l1_loss(x, x, Tensor::zeros({1})), ArgumentError, "weight");
  EXPECT_THROWS_WITH((void)ops::smooth_l1_loss(x, x, 0), ArgumentError, "beta is 0");
  EXPECT_THROWS_WITH((void)ops::mse_loss(x.to(DType::i32), x), ArgumentError, "pred is i32");
  EXPECT_THROWS_WITH((void)ops::cross_entropy(Tensor::zeros({2, 3}), Tensor::zeros({2})),
                     ArgumentError, "wanted i64 [2]");
  EXPECT_THROWS_WITH(
      (void)ops::cross_entropy(Tensor::zeros({1, 3}), Tensor::full({1}, 3, DType::i64)),
      ArgumentError, "class 3 of 3");
}

}  // namespace
}  // namespace akimbo
