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

TEST(Tensor, TakesTheMemoryOfASoleOwner) {
  Tensor to = Tensor::zeros({4}), from = Tensor::full({4}, 3);
  const Tensor same = to, before = to.view({2, 2});
  const void* memory = from.raw();
  const std::uint64_t version = before.version();
  to.take(std::move(from));
  EXPECT_EQ(to.raw(), memory);
  EXPECT_EQ(same.values<float>()[3], 3) << "the same tensor";
  EXPECT_EQ(before.values<float>()[3], 0) << "a view made before";
  EXPECT_GT(before.version(), version);
}

TEST(Tensor, CopiesWhatOthersSeeOrDoesNotFit) {
  Tensor to = Tensor::zeros({4}), shared = Tensor::full({4}, 3);
  const Tensor view = shared.view({2, 2});
  to.take(std::move(shared));
  EXPECT_NE(to.raw(), view.raw());
  EXPECT_EQ(to.values<float>()[3], 3);
  to.take(Tensor::full({4}, 5, DType::f64));
  EXPECT_EQ(to.values<float>()[3], 5);
  EXPECT_THROW(to.take(Tensor::zeros({5})), ArgumentError);
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
