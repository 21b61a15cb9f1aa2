#include "engine/ops/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "tests/support/numeric_gradient.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using test_support::gradients_match;
using test_support::leaf;
using test_support::max_difference;
using test_support::random_tensor;

struct Operands {
  Tensor x, gamma, beta, mean, var, residual;
};

Operands operands(const Shape& shape, DType dtype = DType::f64) {
  const Shape channels{shape[-1]};
  return {.x = random_tensor(shape, 1, -2, 3, dtype),
          .gamma = random_tensor(channels, 2, 0.5, 1.5, dtype),
          .beta = random_tensor(channels, 3, -0.3, 0.3, dtype),
          .mean = random_tensor(channels, 4, -0.2, 0.2, dtype),
          .var = random_tensor(channels, 5, 0.5, 1.5, dtype),
          .residual = random_tensor(shape, 6, -1, 1, dtype)};
}

TEST(BatchNorm, TrainingByHand) {
  // Channel 0 holds 1, 3: mean 2, biased variance 1, unbiased 2. Channel 1 holds 0, 4: 2, 4, 8.
  const Tensor x = Tensor::from_values<double>({2, 2}, {1, 0, 3, 4});
  const Tensor gamma = Tensor::from_values<double>({2}, {1, 2});
  const Tensor beta = Tensor::from_values<double>({2}, {0, 1});
  Tensor mean = Tensor::from_values<double>({2}, {0, 1});
  Tensor var = Tensor::from_values<double>({2}, {1, 1});
  const Tensor y =
      ops::batch_norm(x, gamma, beta, mean, var, {.training = true, .eps = 0, .momentum = 0.1});
  EXPECT_LT(max_difference(y, Tensor::from_values<double>({2, 2}, {-1, -1, 1, 3})), 1e-15);
  EXPECT_LT(max_difference(mean, Tensor::from_values<double>({2}, {0.2, 1.1})), 1e-15);
  EXPECT_LT(max_difference(var, Tensor::from_values<double>({2}, {1.1, 1.7})), 1e-15);
}

TEST(BatchNorm, EvaluationByHand) {
  const Tensor x = Tensor::from_values<float>({1, 2}, {3, -4});
  const Tensor gamma = Tensor::from_values<float>({2}, {2, 1});
  const Tensor beta = Tensor::from_values<float>({2}, {0.5, 0});
  Tensor mean = Tensor::from_values<float>({2}, {1, 0});
  Tensor var = Tensor::from_values<float>({2}, {3, 15});
  const Tensor residual = Tensor::from_values<float>({1, 2}, {10, 0.5});
  const Tensor y = ops::batch_norm(x, gamma, beta, mean, var, {.eps = 1, .relu = true}, residual);
  EXPECT_EQ(y.values<float>()[0], 12.5f);
  EXPECT_EQ(y.values<float>()[1], 0.0f);
  EXPECT_EQ(mean.values<float>()[0], 1.0f);
}

TEST(BatchNorm, GradientsOfEveryVariant) {
  for (const bool training : {true, false}) {
    for (const bool relu : {true, false}) {
      for (const bool with_residual : {true, false}) {
        const Operands o = operands({2, 3, 2, 3});
        std::vector<Tensor> inputs{leaf(o.x), leaf(o.gamma), leaf(o.beta)};
        if (with_residual) inputs.push_back(leaf(o.residual));
        const auto f = [&](const std::vector<Tensor>& in) {
          Tensor mean = o.mean.clone();
          Tensor var = o.var.clone();
          return ops::batch_norm(in[0], in[1], in[2], mean, var,
                                 {.training = training, .relu = relu},
                                 with_residual ? in[3] : Tensor());
        };
        EXPECT_TRUE(gradients_match(f, inputs))
            << "training " << training << " relu " << relu << " residual " << with_residual;
      }
    }
  }
}

// Frozen layers: only what is asked for is computed, and it is the same.
TEST(BatchNorm, GradientOfOneOperandAlone) {
  const Operands o = operands({3, 2, 2, 5});
  for (std::size_t wanted = 0; wanted < 4; ++wanted) {
    std::vector<Tensor> inputs{o.x.clone(), o.gamma.clone(), o.beta.clone(), o.residual.clone()};
    inputs[wanted].set_requires_grad();
    const auto f = [&](const std::vector<Tensor>& in) {
      Tensor mean = o.mean.clone();
      Tensor var = o.var.clone();
      return ops::batch_norm(in[0], in[1], in[2], mean, var, {.training = true, .relu = true},
                             in[3]);
    };
    EXPECT_TRUE(gradients_match(f, inputs)) << wanted;
  }
}

// f32 against f64 on the same numbers. Each output is off by a few roundings of terms of its size.
TEST(BatchNorm, SinglePrecisionFollowsDouble) {
  for (const Shape& shape : {Shape{7, 1}, Shape{2, 3, 5, 3}, Shape{3, 5, 7, 17}, Shape{2, 8, 8, 64},
                             Shape{1, 3, 3, 131}, Shape{5, 512}}) {
    for (const bool training : {true, false}) {
      Operands narrow = operands(shape, DType::f32);
      Operands wide{narrow.x.to(DType::f64),    narrow.gamma.to(DType::f64),
                    narrow.beta.to(DType::f64), narrow.mean.to(DType::f64),
                    narrow.var.to(DType::f64),  narrow.residual.to(DType::f64)};
      const Tensor grad_y = random_tensor(shape, 9, -1, 1, DType::f32);
      const auto run = [&](Operands& o) {
        for (Tensor* t : {&o.x, &o.gamma, &o.beta, &o.residual}) t->set_requires_grad();
        const Tensor y = ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var,
                                         {.training = training, .relu = true}, o.residual);
        y.backward(grad_y.to(y.dtype()));
        return y;
      };
      const Tensor y32 = run(narrow);
      const Tensor y64 = run(wide);
      const double rows = static_cast<double>(shape.numel() / shape[-1]);
      const double eps = 6e-8;
      EXPECT_LT(max_difference(y32, y64), 64 * eps) << shape.str();
      EXPECT_LT(max_difference(narrow.mean, wide.mean), 4 * eps) << shape.str();
      EXPECT_LT(max_difference(narrow.var, wide.var), 16 * eps) << shape.str();
      EXPECT_LT(max_difference(narrow.x.grad(), wide.x.grad()), 64 * eps) << shape.str();
      EXPECT_LT(max_difference(narrow.gamma.grad(), wide.gamma.grad()), 16 * eps * rows);
      EXPECT_LT(max_difference(narrow.beta.grad(), wide.beta.grad()), 2 * eps * rows);
      EXPECT_EQ(max_difference(narrow.residual.grad(), wide.residual.grad()), 0) << shape.str();
    }
  }
}

// The variance must survive a mean that is large against it.
TEST(BatchNorm, LargeMeanDoesNotCancel) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tensor x = Tensor::empty({4096, 3}, DType::f64);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      x.data<double>()[i] = 1024 + (i / 3 % 2 == 0 ? 0.125 : -0.125);
    }
    Tensor mean = Tensor::zeros({3}, dtype);
    Tensor var = Tensor::zeros({3}, dtype);
    const Tensor y =
        ops::batch_norm(x.to(dtype), Tensor::full({3}, 1, dtype), Tensor::zeros({3}, dtype), mean,
                        var, {.training = true, .eps = 0, .momentum = 1});
    EXPECT_EQ(mean.to(DType::f64).values<double>()[1], 1024);
    EXPECT_NEAR(var.to(DType::f64).values<double>()[1], 4096.0 / 4095 / 64, 1e-9);
    EXPECT_EQ(y.to(DType::f64).values<double>()[0], 1);
  }
}

TEST(BatchNorm, NumberOfThreadsDoesNotMatter) {
  const auto run = [](int threads) {
    set_num_threads(threads);
    Operands o = operands({3, 61, 47, 33}, DType::f32);
    for (Tensor* t : {&o.x, &o.gamma, &o.beta}) t->set_requires_grad();
    const Tensor y = ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var,
                                     {.training = true, .relu = true}, o.residual);
    y.backward(o.residual);
    set_num_threads(0);
    return std::vector<Tensor>{y, o.mean, o.var, o.x.grad(), o.gamma.grad(), o.beta.grad()};
  };
  const std::vector<Tensor> one = run(1);
  const std::vector<Tensor> three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(max_difference(one[i], three[i]), 0) << i;
}

// Two blocks with a residual from the first to the second. With `keep`, outputs count as written
// to, so that they are saved as they are and not made again.
std::vector<Tensor> gradients_of_chain(DType dtype, bool keep, std::size_t* bytes_between) {
  Operands o = operands({2, 32, 31, 21}, dtype);
  for (Tensor* t : {&o.x, &o.gamma, &o.beta, &o.residual}) t->set_requires_grad();
  const auto block = [&](const Tensor& x, const Tensor& residual) {
    Tensor y = ops::batch_norm(x, o.gamma, o.beta, o.mean, o.var, {.training = true, .relu = true},
                               residual);
    if (keep) y.bump_version();
    return y;
  };
  const std::size_t before = memory_report(kCpu).in_use_bytes;
  Tensor loss;
  {
    const Tensor first = block(o.x, {});
    const Tensor second = block(ops::square(first), first);
    const Tensor third = block(ops::square(second), second);
    loss = ops::sum(ops::mul(third, ops::square(third)));
  }
  *bytes_between = memory_report(kCpu).in_use_bytes - before;
  loss.backward();
  return {o.x.grad(), o.gamma.grad(), o.beta.grad()};
}

TEST(BatchNorm, OutputsAreMadeAgainToTheBit) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    std::size_t bytes_kept = 0, bytes_made_again = 0;
    const auto kept = gradients_of_chain(dtype, true, &bytes_kept);
    const auto made_again = gradients_of_chain(dtype, false, &bytes_made_again);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(max_difference(kept[i], made_again[i]), 0) << i;
    }
    // Beside what both keep (inputs and squares), three outputs.
    const std::size_t map = std::size_t{2} * 32 * 31 * 21 * dtype_bytes(dtype);
    EXPECT_LE(bytes_made_again + 3 * map, bytes_kept + map / 8);
  }
}

TEST(BatchNorm, OutputMayBeWrittenToAfterwards) {
  Operands o = operands({3, 4});
  o.x.set_requires_grad();
  const auto gradient = [&](bool write) {
    o.x.set_grad(Tensor());
    Tensor y = ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var,
                               {.training = true, .relu = true}, o.residual);
    const Tensor loss = ops::sum(ops::square(y));
    if (write) y.fill(-1);
    loss.backward();
    return o.x.grad();
  };
  EXPECT_EQ(max_difference(gradient(false), gradient(true)), 0);
}

TEST(BatchNorm, NanIsNotHiddenByRelu) {
  for (const std::int64_t channels : {1, 16, 21}) {
    Operands o = operands({2, channels}, DType::f32);
    o.x.data<float>()[channels - 1] = std::nanf("");
    const Tensor y = ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var, {.relu = true});
    EXPECT_TRUE(std::isnan(y.values<float>()[static_cast<std::size_t>(channels - 1)]));
    EXPECT_FALSE(std::isnan(y.values<float>()[static_cast<std::size_t>(channels)]));
  }
}

TEST(BatchNorm, EmptyBatchAndNoChannels) {
  for (const Shape& shape : {Shape{0, 4, 4, 3}, Shape{2, 4, 4, 0}}) {
    Operands o = operands(shape, DType::f32);
    o.x.set_requires_grad();
    o.gamma.set_requires_grad();
    const Tensor y = ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var, {});
    EXPECT_EQ(y.shape(), shape);
    y.backward(y.detach());
    EXPECT_EQ(o.x.grad().shape(), shape);
    const Tensor grad_gamma = o.gamma.grad();
    for (const float g : grad_gamma.values<float>()) EXPECT_EQ(g, 0);
  }
}

TEST(BatchNorm, MessagesNameTheOperand) {
  Operands o = operands({2, 3}, DType::f32);
  Tensor none;
  const Tensor four = Tensor::zeros({4});
  EXPECT_THROWS_WITH((void)ops::batch_norm(o.x, four, o.beta, o.mean, o.var, {}), ArgumentError,
                     "gamma is f32 [4]; wanted f32 [3]");
  EXPECT_THROWS_WITH((void)ops::batch_norm(o.x, o.gamma, four, o.mean, o.var, {}), ArgumentError,
                     "beta");
  Tensor wide = o.mean.to(DType::f64);
  EXPECT_THROWS_WITH((void)ops::batch_norm(o.x, o.gamma, o.beta, wide, o.var, {}), ArgumentError,
                     "running_mean is f64");
  EXPECT_THROWS_WITH((void)ops::batch_norm(o.x, o.gamma, o.beta, none, none, {}), ArgumentError,
                     "always outside training");
  EXPECT_THROWS_WITH((void)ops::batch_norm(o.x, o.gamma, o.beta, o.mean, o.var, {}, four),
                     ArgumentError, "residual");
  EXPECT_THROWS_WITH(
      (void)ops::batch_norm(o.x.rows(0, 1), o.gamma, o.beta, o.mean, o.var, {.training = true}),
      ArgumentError, "at least two");
  EXPECT_THROWS_WITH((void)ops::batch_norm(four, four, four, o.mean, o.var, {}), ArgumentError,
                     "rank 2");
  EXPECT_THROWS_WITH((void)ops::batch_norm(o.x.to(DType::bf16), o.gamma, o.beta, o.mean, o.var, {}),
                     ArgumentError, "bf16");
}

}  // namespace
}  // namespace akimbo
