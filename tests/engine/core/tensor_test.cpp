#include "engine/core/tensor.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/ops/elementwise.h"

namespace akimbo {
namespace {

TEST(Tensor, RowsShareStorage) {
  Tensor t = Tensor::from_values<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  Tensor row = t.rows(1, 2);
  EXPECT_EQ(row.shape(), Shape({1, 2}));
  row.data<float>()[0] = 30;
  EXPECT_EQ(t.values<float>()[2], 30);
}

TEST(Tensor, WrongTypeIsNamed) {
  const Tensor t = Tensor::zeros({2});
  try {
    (void)t.data<double>();
    FAIL();
  } catch (const ArgumentError& e) {
    EXPECT_NE(std::string(e.what()).find("f32"), std::string::npos);
  }
}

TEST(Autograd, SharedInputGetsTheSum) {
  Tensor x = Tensor::from_values<double>({1}, {2.0});
  x.set_requires_grad();
  const Tensor y = ops::add(ops::relu(x), x);
  y.backward();
  EXPECT_EQ(x.grad().item(), 2.0);
}

TEST(Autograd, DeepGraphDoesNotOverflowTheStack) {
  Tensor x = Tensor::from_values<float>({1}, {1.0f});
  x.set_requires_grad();
  Tensor y = x;
  for (int i = 0; i < 200000; ++i) y = ops::relu(y);
  y.backward();
  EXPECT_EQ(x.grad().item(), 1.0);
}

TEST(Autograd, WriteToSavedTensorIsDetected) {
  Tensor x = Tensor::from_values<float>({1}, {1.0f});
  x.set_requires_grad();
  Tensor y = ops::relu(x);
  const Tensor z = ops::relu(y);
  y.fill(3);
  EXPECT_THROW(z.backward(), Error);
}

}  // namespace
}  // namespace akimbo
