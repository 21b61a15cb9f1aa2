#include "engine/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "kernels/common/parallel.h"

namespace akimbo::optim {
namespace {

constexpr std::int64_t kCount = 37;

Tensor start(DType dtype) {
  std::vector<double> values;
  for (int i = 0; i < kCount; ++i) values.push_back(std::sin(1 + 0.7 * i));
  return Tensor::from_values<double>({kCount}, values).to(dtype).set_requires_grad();
}

Tensor gradient(int step, DType dtype) {
  std::vector<double> values;
  for (int i = 0; i < kCount; ++i) values.push_back(std::cos(step + 0.3 * i) * (1 + i % 3));
  return Tensor::from_values<double>({kCount}, values).to(dtype);
}

std::unique_ptr<Optimizer> make(const std::string& name, const NamedTensors& parameters) {
  if (name == "adam") return std::make_unique<Adam>(parameters, AdamOptions{});
  if (name == "adam_decay") {
    return std::make_unique<Adam>(
        parameters,
        AdamOptions{
            .learning_rate = 2e-3, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.1});
  }
  if (name == "adamw") {
    return std::make_unique<Adam>(
        parameters, AdamOptions{.learning_rate = 1e-2, .weight_decay = 0.05, .decoupled = true});
  }
  SgdOptions options{.learning_rate = 0.1};
  if (name == "sgd_decay") options.weight_decay = 0.01;
  if (name == "sgd_momentum" || name == "sgd_nesterov") {
    options.momentum = 0.9;
    options.weight_decay = 1e-4;
    options.nesterov = name == "sgd_nesterov";
  }
  return std::make_unique<Sgd>(parameters, options);
}

void run_steps(Optimizer& optimizer, int first, int last) {
  for (int step = first; step < last; ++step) {
    for (auto [name, parameter] : optimizer.parameters()) {
      parameter.set_grad(gradient(step, parameter.dtype()));
    }
    optimizer.step();
  }
}

// Five steps take at most a few roundings apart from PyTorch's: values are below 4.
void expect_as_pytorch(DType dtype, const char* key, double tolerance) {
  const Json fixture = io::read_json(std::string(AKIMBO_TEST_DATA) + "/optim/optimizers.json");
  ASSERT_EQ(fixture.at("cases").size(), 7u);
  for (const auto& [name, expected] : fixture.at("cases").items()) {
    Tensor weight = start(dtype);
    const auto optimizer = make(name, {{"w", weight}});
    run_steps(*optimizer, 0, 5);
    const Tensor values = weight.to(DType::f64);
    for (int i = 0; i < kCount; ++i) {
      EXPECT_NEAR(values.values<double>()[i], expected.at(key)[i].get<double>(), tolerance)
          << name << " " << key << " " << i;
    }
  }
}

TEST(Optimizer, FiveStepsInDoubleAreThoseOfPytorch) { expect_as_pytorch(DType::f64, "f64", 2e-15); }

TEST(Optimizer, FiveStepsInFloatAreThoseOfPytorch) { expect_as_pytorch(DType::f32, "f32", 5e-7); }

TEST(Optimizer, FirstAdamStepIsTheLearningRateAgainstTheSign) {
  Tensor weight = Tensor::from_values<double>({2}, {1, 1}).set_requires_grad();
  Adam adam({{"w", weight}}, {.learning_rate = 0.01});
  weight.set_grad(Tensor::from_values<double>({2}, {3, -0.2}));
  adam.step();
  EXPECT_NEAR(weight.values<double>()[0], 0.99, 1e-9);
  EXPECT_NEAR(weight.values<double>()[1], 1.01, 1e-9);
}

TEST(Optimizer, ParameterWithoutGradientStaysAndDoesNotAge) {
  Tensor a = start(DType::f64), b = start(DType::f64);
  Adam both({{"a", a}, {"b", b}}, {});
  a.set_grad(gradient(0, DType::f64));
  both.step();
  EXPECT_EQ(b.values<double>()[0], std::sin(1.0));
  // b's first update counts as its first.
  b.set_grad(gradient(0, DType::f64));
  a.set_grad(Tensor());
  both.step();
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(a.values<double>()[i], b.values<double>()[i]);
}

TEST(Optimizer, ResumedRunHasTheSameBits) {
  for (const std::string name : {"adam_decay", "adamw", "sgd_nesterov"}) {
    Tensor straight = start(DType::f32), resumed = start(DType::f32);
    const auto whole = make(name, {{"w", straight}});
    whole->set_learning_rate(0.02);
    run_steps(*whole, 0, 5);
    const auto before = make(name, {{"w", resumed}});
    before->set_learning_rate(0.02);
    run_steps(*before, 0, 3);
    NamedTensors saved;
    for (const auto& [key, tensor] : before->state()) saved.emplace_back(key, tensor.clone());
    const auto after = make(name, {{"w", resumed}});
    after->load_state(saved, "a test");
    EXPECT_EQ(after->learning_rate(), 0.02);
    run_steps(*after, 3, 5);
    for (int i = 0; i < kCount; ++i) {
      ASSERT_EQ(straight.values<float>()[i], resumed.values<float>()[i]) << name << " " << i;
    }
  }
}

TEST(Optimizer, StateOfAnotherOptimizerIsListedWhole) {
  Tensor weight = start(DType::f32);
  Adam adam({{"w", weight}}, {});
  Tensor other = Tensor::zeros({3}).set_requires_grad();
  const Sgd sgd({{"v", other}}, {.momentum = 0.9});
  try {
    adam.load_state(sgd.state(), "x.safetensors");
    FAIL();
  } catch (const FileError& e) {
    const std::string message = e.what();
    for (const char* part : {"x.safetensors", "missing: exp_avg.w", "missing: exp_avg_sq.w",
                             "unexpected: momentum_buffer.v"}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
}

TEST(Optimizer, WrongUseIsExplained) {
  Tensor weight = start(DType::f32);
  EXPECT_THROW(Sgd({{"w", weight}}, {.nesterov = true}), ArgumentError);
  EXPECT_THROW(Adam({}, {}), ArgumentError);
  Adam adam({{"w", weight}}, {});
  weight.set_grad(Tensor::zeros({kCount}, DType::f64));
  EXPECT_THROW(adam.step(), ArgumentError);
}

TEST(Optimizer, ThreadsDoNotChangeTheBits) {
  const std::int64_t count = 100003;
  Tensor one = Tensor::full({count}, 0.5).set_requires_grad();
  Tensor many = Tensor::full({count}, 0.5).set_requires_grad();
  Tensor grad = Tensor::empty({count});
  for (std::int64_t i = 0; i < count; ++i) {
    grad.data<float>()[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  }
  one.set_grad(grad);
  many.set_grad(grad);
  kernels::set_num_threads(1);
  Adam a({{"w", one}}, {});
  a.step();
  const double norm_one = clip_grad_norm({one}, 1.0);
  kernels::set_num_threads(3);
  Adam b({{"w", many}}, {});
  b.step();
  const double norm_many = clip_grad_norm({many}, 1.0);
  kernels::set_num_threads(0);
  EXPECT_EQ(norm_one, norm_many);
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(one.values<float>()[i], many.values<float>()[i]) << i;
  }
}

TEST(ClipGradNorm, ScalesToTheLimitOnly) {
  Tensor a = Tensor::zeros({2}).set_requires_grad(), b = Tensor::zeros({1}).set_requires_grad();
  const Tensor none = Tensor::zeros({1}).set_requires_grad();
  a.set_grad(Tensor::from_values<float>({2}, {3, 0}));
  b.set_grad(Tensor::from_values<float>({1}, {4}));
  EXPECT_DOUBLE_EQ(clip_grad_norm({a, b, none}, 10), 5);
  EXPECT_EQ(a.grad().values<float>()[0], 3);
  EXPECT_DOUBLE_EQ(clip_grad_norm({a, b, none}, 1), 5);
  EXPECT_NEAR(a.grad().values<float>()[0], 0.6, 1e-6);
  EXPECT_NEAR(b.grad().values<float>()[0], 0.8, 1e-6);
  EXPECT_EQ(clip_grad_norm({none}, 1), 0);
}

TEST(ClipGradNorm, SharedGradientIsScaledOnce) {
  Tensor a = Tensor::zeros({1}).set_requires_grad(), b = Tensor::zeros({1}).set_requires_grad();
  const Tensor shared = Tensor::from_values<float>({1}, {4});
  a.set_grad(shared);
  b.set_grad(shared);
  const double norm = clip_grad_norm({a, b}, 1);
  EXPECT_NEAR(a.grad().item(), 4 / norm, 1e-5);
  EXPECT_NEAR(b.grad().item(), 4 / norm, 1e-5);
  EXPECT_EQ(shared.item(), 4);
}

TEST(ClipGradNorm, NanIsReturnedAndNothingChanged) {
  Tensor a = Tensor::zeros({2}).set_requires_grad();
  a.set_grad(Tensor::from_values<float>({2}, {NAN, 5}));
  EXPECT_TRUE(std::isnan(clip_grad_norm({a}, 1)));
  EXPECT_EQ(a.grad().values<float>()[1], 5);
}

}  // namespace
}  // namespace akimbo::optim
