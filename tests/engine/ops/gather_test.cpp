#include "engine/ops/gather.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using test_support::gradients_match;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;
using Index = std::vector<std::int64_t>;
using Tensors = std::vector<Tensor>;

Tensor counting(const Shape& shape) {
  Tensor t = Tensor::empty(shape, DType::i32);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.data<std::int32_t>()[i] = static_cast<int>(i);
  return t;
}

std::vector<int> numbers(const Tensor& t) {
  const auto values = t.values<std::int32_t>();
  return {values.begin(), values.end()};
}

TEST(Gather, ReshapeWorksOutOneExtent) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(ops::reshape(x, {4, -1}).shape(), (Shape{4, 6}));
  EXPECT_EQ(ops::reshape(Tensor::zeros({0, 3}), {0, 5}).shape(), (Shape{0, 5}));
  EXPECT_TRUE(gradients_match([](const Tensors& in) { return ops::reshape(in[0], {6}); },
                              {leaf(random_tensor({2, 3}, 1))}));
  EXPECT_THROWS_WITH((void)ops::reshape(x, {5, -1}), ArgumentError, "at most one -1");
  EXPECT_THROWS_WITH((void)ops::reshape(x, {-1, -1}), ArgumentError, "24 elements");
  EXPECT_THROWS_WITH((void)ops::reshape(x, {23}), ArgumentError, "24 elements");
}

TEST(Gather, ConcatAlongEachAxis) {
  const Tensor a = counting({2, 2});
  const Tensor b = counting({2, 1});
  EXPECT_EQ(numbers(ops::concat({a, b}, 1)), (std::vector<int>{0, 1, 0, 2, 3, 1}));
  EXPECT_EQ(numbers(ops::concat({a, a}, 0)), (std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3}));
  for (const int axis : {0, 1, -1}) {
    Shape other{2, 3, 4};
    other[axis] = 2;
    EXPECT_TRUE(gradients_match([axis](const Tensors& in) { return ops::concat(in, axis); },
                                {leaf(random_tensor({2, 3, 4}, 1)), leaf(random_tensor(other, 2)),
                                 random_tensor({2, 3, 4}, 3)}));
  }
  EXPECT_THROWS_WITH((void)ops::concat({a, b}, 0), ArgumentError, "do not join");
  EXPECT_THROWS_WITH((void)ops::concat({a, b.to(DType::f32)}, 1), ArgumentError, "dtype");
  EXPECT_THROWS_WITH((void)ops::concat({a, b}, 2), ArgumentError, "axis 2");
  EXPECT_THROWS_WITH((void)ops::concat(std::span<const Tensor>(), 0), ArgumentError, "no tensors");
}

TEST(Gather, SliceAndSplit) {
  const Tensor x = counting({2, 3, 2});
  EXPECT_EQ(numbers(ops::slice(x, 1, 1, 3)), (std::vector<int>{2, 3, 4, 5, 8, 9, 10, 11}));
  EXPECT_EQ(ops::slice(x, -1, 1, 1).shape(), (Shape{2, 3, 0}));
  const Tensors parts = ops::split(x, 1, Index{1, 0, 2});
  EXPECT_EQ(numbers(parts[2]), (std::vector<int>{2, 3, 4, 5, 8, 9, 10, 11}));
  EXPECT_EQ(numbers(ops::concat(parts, 1)), numbers(x));
  for (const int axis : {0, 1, 2}) {
    EXPECT_TRUE(gradients_match([axis](const Tensors& in) { return ops::slice(in[0], axis, 1, 2); },
                                {leaf(random_tensor({2, 3, 4}, 1))}));
  }
  EXPECT_THROWS_WITH((void)ops::slice(x, 1, 2, 4), ArgumentError, "end <= 3");
  EXPECT_THROWS_WITH((void)ops::split(x, 1, Index{1, 1}), ArgumentError, "add up to 2; wanted 3");
}

TEST(Gather, FlipTwiceIsIdentity) {
  const Tensor x = counting({2, 3, 2});
  EXPECT_EQ(numbers(ops::flip(x, 1)), (std::vector<int>{4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7}));
  for (const int axis : {0, 1, 2}) {
    EXPECT_EQ(numbers(ops::flip(ops::flip(x, axis), axis)), numbers(x));
  }
  EXPECT_EQ(ops::flip(counting({2, 0}), 1).numel(), 0);
  EXPECT_TRUE(gradients_match([](const Tensors& in) { return ops::flip(in[0], 1); },
                              {leaf(random_tensor({2, 3, 2}, 1))}));
  EXPECT_THROWS_WITH((void)ops::flip(x, -4), ArgumentError, "[flip] axis -4");
}

TEST(Gather, PermuteMatchesTheDefinition) {
  const Tensor x = counting({2, 3, 5, 7});
  const Tensor y = ops::permute(x, {0, 3, 1, 2});
  EXPECT_EQ(y.shape(), (Shape{2, 7, 3, 5}));
  const std::vector<int> in = numbers(x);
  const std::vector<int> out = numbers(y);
  std::size_t at = 0;
  for (int n = 0; n < 2; ++n) {
    for (int c = 0; c < 7; ++c) {
      for (int h = 0; h < 3; ++h) {
        for (int w = 0; w < 5; ++w) {
          EXPECT_EQ(out[at++], in[static_cast<std::size_t>(((n * 3 + h) * 5 + w) * 7 + c)]);
        }
      }
    }
  }
  EXPECT_EQ(numbers(ops::permute(y, {0, 2, 3, 1})), in);
  EXPECT_TRUE(gradients_match(
      [](const Tensors& t) {
        return ops::permute(t[0], {2, 0, -2});
      },
      {leaf(random_tensor({2, 3, 4}, 1))}));
  EXPECT_THROWS_WITH((void)ops::permute(x, {0, 1, 2}), ArgumentError, "each of the 4 axes");
  EXPECT_THROWS_WITH((void)ops::permute(x, {0, 1, 2, 2}), ArgumentError, "one twice");
}

TEST(Gather, IndexSelectAddsRepeats) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(numbers(ops::index_select(x, -1, Index{2, 0, 2, 1})),
            (std::vector<int>{2, 0, 2, 1, 5, 3, 5, 4}));
  EXPECT_EQ(numbers(ops::index_select(x, 0, Index{1})), (std::vector<int>{3, 4, 5}));
  for (const int axis : {0, 1, 2}) {
    EXPECT_TRUE(gradients_match(
        [axis](const Tensors& in) {
          return ops::index_select(in[0], axis, Index{2, 0, 2, 1});
        },
        {leaf(random_tensor({3, 3, 3}, 1))}));
  }
  EXPECT_THROWS_WITH((void)ops::index_select(x, 1, Index{3}), ArgumentError,
                     "index 3 is outside axis 1");
}

TEST(Gather, PadOnBothSides) {
  const Tensor x = counting({2, 2});
  const Index before{1, 0};
  const Index after{0, 1};
  EXPECT_EQ(numbers(ops::pad(x, before, after, 9)), (std::vector<int>{9, 9, 9, 0, 1, 9, 2, 3, 9}));
  EXPECT_TRUE(
      gradients_match([&](const Tensors& in) { return ops::pad(in[0], before, after, 1.5); },
                      {leaf(random_tensor({2, 3}, 1))}));
  EXPECT_THROWS_WITH((void)ops::pad(x, before, Index{0, -1}), ArgumentError, "0 or more");
}

TEST(Gather, EveryWidthOfElement) {
  const auto moved = [](const Tensor& x) { return ops::flip(ops::permute(x, {2, 0, 1}), 0); };
  const Tensor wanted = moved(counting({3, 4, 5}).to(DType::f64));
  for (const DType dtype : {DType::u8, DType::f16, DType::f32, DType::f64, DType::i64}) {
    EXPECT_EQ(max_difference(moved(counting({3, 4, 5}).to(dtype)).to(DType::f64), wanted), 0);
  }
}

TEST(Gather, LargeCopiesUseSeveralThreads) {
  const Tensor x = random_tensor({3, 67, 61, 16}, 1, -1, 1, DType::f32);
  set_num_threads(3);
  const Tensor y = ops::permute(ops::permute(x, {0, 3, 1, 2}), {0, 2, 3, 1});
  const Tensor z = ops::concat(ops::split(x, 2, Index{20, 41}), 2);
  set_num_threads(0);
  EXPECT_EQ(max_difference(x, y), 0);
  EXPECT_EQ(max_difference(x, z), 0);
}

}  // namespace
}  // namespace akimbo
