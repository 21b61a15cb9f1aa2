#include "engine/optim/average.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace akimbo::optim {
namespace {

TEST(ParameterAverage, FollowsTheFormula) {
  Tensor w = Tensor::from_values<double>({2}, {1, 2});
  Tensor count = Tensor::from_values<std::int64_t>({}, {0});
  ParameterAverage average({{"w", w}, {"count", count}}, {.decay = 0.9, .warm_up = false});
  w.fill(11);
  count.fill(5);
  average.update();
  EXPECT_DOUBLE_EQ(average.state()[0].second.values<double>()[0], 0.9 * 1 + 0.1 * 11);
  EXPECT_DOUBLE_EQ(average.state()[0].second.values<double>()[1], 0.9 * 2 + 0.1 * 11);
  EXPECT_EQ(average.state()[1].second.item(), 5);
}

TEST(ParameterAverage, WarmUpForgetsTheStart) {
  Tensor w = Tensor::zeros({1}, DType::f64);
  ParameterAverage average({{"w", w}});
  w.fill(11);
  average.update();  // decay 2 / 11
  EXPECT_DOUBLE_EQ(average.state()[0].second.item(), 9);
}

TEST(ParameterAverage, ExchangeTwiceIsNothing) {
  Tensor w = Tensor::full({3}, 1);
  ParameterAverage average({{"w", w}}, {.decay = 0.5, .warm_up = false});
  w.fill(3);
  average.update();
  average.exchange();
  EXPECT_EQ(w.values<float>()[0], 2);
  average.exchange();
  EXPECT_EQ(w.values<float>()[0], 3);
  EXPECT_EQ(average.state()[0].second.values<float>()[0], 2);
}

TEST(ParameterAverage, ResumedAveragesGoOnAlike) {
  Tensor w = Tensor::full({3}, 1);
  ParameterAverage one({{"w", w}});
  w.fill(3);
  one.update();
  ParameterAverage two({{"w", w}});
  two.load_state(one.state(), "a test");
  w.fill(7);
  one.update();
  two.update();
  EXPECT_EQ(one.state()[0].second.values<float>()[0], two.state()[0].second.values<float>()[0]);
  EXPECT_THROW(two.load_state({}, "a test"), FileError);
}

}  // namespace
}  // namespace akimbo::optim
