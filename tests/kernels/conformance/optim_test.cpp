// Parameter updates of every provider against the CPU's in double.
#include "kernels/optim.h"

#include <cmath>
#include <limits>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/oracle.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::View;

class Optim : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Optim);

// More tensors than a table holds would take long; sizes around vectors and chunks do the rest.
const std::vector<std::int64_t> kCounts = {1, 64, 0, 7, 4096, 4097, 130, 3};

// One operand of all items: on the host, where the oracle works in place, and on the device.
struct Operand {
  std::vector<Values> host;
  std::vector<DeviceTensor> device;
  DType dtype;
};

Operand operand(Provider provider, DType dtype, std::uint64_t seed, double low, double high) {
  Operand o{.host = {}, .device = {}, .dtype = dtype};
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    o.host.push_back(random_values({kCounts[i]}, seed + i, dtype, low, high));
    // Every third tensor starts off 16 bytes.
    o.device.push_back(DeviceTensor::at_offset(provider, o.host[i], dtype, i % 3 == 2 ? 1 : 0));
  }
  return o;
}

void expect_operand(const Operand& o, double error, const std::string& what) {
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    expect_close(o.device[i].read(), o.host[i], error,
                 what + " of item " + std::to_string(i) + " " + std::string(dtype_name(o.dtype)));
  }
}

// A copy is the new parameter rounded: the same bits as the device's parameter, rounded.
void expect_copies(const Operand& copies, const Operand& parameters) {
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    expect_equal(
        copies.device[i].read(),
        map(parameters.device[i].read(), [&](double v) { return rounded(v, copies.dtype); }),
        "copy of item " + std::to_string(i));
  }
}

// What a case varies: the dtype of parameters, that of gradients, that of copies (or none).
struct Types {
  DType parameter, grad;
  bool copy;
  DType copy_dtype;
};
const std::vector<Types> kTypes = {{DType::f32, DType::f32, false, DType::f32},
                                   {DType::f64, DType::f64, false, DType::f32},
                                   {DType::f32, DType::bf16, true, DType::bf16},
                                   {DType::f32, DType::f16, true, DType::f16},
                                   {DType::f32, DType::f32, true, DType::bf16}};

struct AdamState {
  Operand parameter, grad, mean, square, copy;
};

AdamState adam_state(Provider provider, const Types& t) {
  return {operand(provider, t.parameter, 1, -1, 1), operand(provider, t.grad, 20, -2, 2),
          operand(provider, t.parameter, 40, -1, 1), operand(provider, t.parameter, 60, 0.1, 2),
          operand(provider, t.copy ? t.copy_dtype : DType::f32, 80, 0, 1)};
}

double bias(double beta, std::size_t item) {
  return 1 - std::pow(beta, static_cast<double>(item + 1));
}

// Both sides of one update; `given` is for the device, `plain` for the oracle.
void update_adam(Provider provider, const kernels::Exec& exec, AdamState& s, bool copy,
                 const kernels::AdamParams& given, const kernels::AdamParams& plain) {
  std::vector<kernels::AdamItem> device, host;
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    device.push_back({.parameter = s.parameter.device[i].view(),
                      .grad = s.grad.device[i].view(),
                      .mean = s.mean.device[i].view(),
                      .square = s.square.device[i].view(),
                      .copy = copy ? s.copy.device[i].view() : View{},
                      .bias1 = given.step_values ? 0.5 : bias(given.beta1, i),
                      .bias2 = given.step_values ? 0.5 : bias(given.beta2, i)});
    host.push_back({.parameter = oracle_view(s.parameter.host[i]),
                    .grad = oracle_view(std::as_const(s.grad.host[i])),
                    .mean = oracle_view(s.mean.host[i]),
                    .square = oracle_view(s.square.host[i]),
                    .copy = {},
                    .bias1 = bias(plain.beta1, i),
                    .bias2 = bias(plain.beta2, i)});
  }
  (provider == Provider::cpu ? &kernels::cpu::adam_update : &kernels::cuda::adam_update)(
      exec, device, given);
  kernels::cpu::adam_update(oracle_exec(), host, plain);
}

void expect_adam(const AdamState& s, const Types& t) {
  // Two divisions and a root after sums of a few terms of magnitude below 8; the step is lr times
  // a quotient below 10.
  const double error = tolerance(t.parameter, 24, 8);
  expect_operand(s.parameter, error, "parameter");
  expect_operand(s.mean, error, "mean");
  expect_operand(s.square, error, "square");
  if (t.copy) expect_copies(s.copy, s.parameter);
}

TEST_P(Optim, Adam) {
  for (const Types& t : kTypes) {
    for (const double decay : {0.0, 0.1}) {
      for (const bool decoupled : {false, true}) {
        AdamState s = adam_state(provider(), t);
        const kernels::AdamParams params{.learning_rate = 0.01,
                                         .weight_decay = decay,
                                         .decoupled = decoupled,
                                         .grad_scale = 0.5};
        update_adam(provider(), exec(), s, t.copy, params, params);
        expect_adam(s, t);
      }
    }
  }
}

// On CUDA every number that changes from step to step comes from device memory.
TEST_P(Optim, AdamWithStepValues) {
  if (provider() == Provider::cpu) GTEST_SKIP() << "the CPU takes the numbers themselves";
  const Types t = kTypes[0];
  AdamState s = adam_state(provider(), t);
  kernels::AdamParams plain{.learning_rate = 0.02, .weight_decay = 0.1, .grad_scale = 0.125};
  Values values = filled({2 + 2 * static_cast<std::int64_t>(kCounts.size())}, 0);
  values[0] = plain.learning_rate;
  values[1] = 0.25;
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    values[static_cast<std::int64_t>(2 + 2 * i)] = bias(plain.beta1, i);
    values[static_cast<std::int64_t>(3 + 2 * i)] = bias(plain.beta2, i);
  }
  const DeviceTensor step_values(provider(), values, DType::f64);
  const DeviceTensor factor(provider(), filled({1}, 0.5), DType::f64);
  kernels::AdamParams given = plain;
  given.learning_rate = given.grad_scale = 100;
  given.step_values = step_values.view();
  given.grad_factor = factor.view();
  update_adam(provider(), exec(), s, false, given, plain);
  expect_adam(s, t);
}

TEST_P(Optim, AFactorThatIsNotFiniteSkipsTheUpdate) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const Types t = kTypes[2];
    AdamState s = adam_state(provider(), t);
    const DeviceTensor factor(provider(), filled({1}, bad), DType::f64);
    const AdamState untouched = adam_state(provider(), t);
    kernels::AdamParams given;
    given.grad_factor = factor.view();
    update_adam(provider(), exec(), s, true, given, {});
    for (std::size_t i = 0; i < kCounts.size(); ++i) {
      expect_equal(s.parameter.device[i].read(), untouched.parameter.host[i], "parameter");
      expect_equal(s.mean.device[i].read(), untouched.mean.host[i], "mean");
      expect_equal(s.copy.device[i].read(), untouched.copy.host[i], "copy");
    }
  }
}

TEST_P(Optim, Sgd) {
  for (const Types& t : kTypes) {
    for (const double momentum : {0.0, 0.9}) {
      for (const bool nesterov : {false, true}) {
        if (nesterov && momentum == 0) continue;
        Operand parameter = operand(provider(), t.parameter, 1, -1, 1);
        Operand grad = operand(provider(), t.grad, 20, -2, 2);
        Operand velocity = operand(provider(), t.parameter, 40, -1, 1);
        Operand copy = operand(provider(), t.copy ? t.copy_dtype : DType::f32, 60, 0, 1);
        std::vector<kernels::SgdItem> device, host;
        for (std::size_t i = 0; i < kCounts.size(); ++i) {
          device.push_back({.parameter = parameter.device[i].view(),
                            .grad = grad.device[i].view(),
                            .velocity = momentum != 0 ? velocity.device[i].view() : View{},
                            .copy = t.copy ? copy.device[i].view() : View{}});
          host.push_back({.parameter = oracle_view(parameter.host[i]),
                          .grad = oracle_view(std::as_const(grad.host[i])),
                          .velocity = momentum != 0 ? oracle_view(velocity.host[i]) : View{},
                          .copy = {}});
        }
        const kernels::SgdParams plain{.learning_rate = 0.1,
                                       .momentum = momentum,
                                       .weight_decay = 0.01,
                                       .nesterov = nesterov,
                                       .grad_scale = 0.25};
        kernels::SgdParams given = plain;
        const DeviceTensor factor(provider(), filled({1}, 0.5), DType::f64);
        const DeviceTensor step_values(
            provider(),
            [] {
              Values v = filled({2}, 0.1);
              v[1] = 0.5;
              return v;
            }(),
            DType::f64);
        given.grad_factor = factor.view();
        given.grad_scale = 0.5;
        if (provider() == Provider::cuda) {
          given.step_values = step_values.view();
          given.learning_rate = given.grad_scale = 100;
        }
        AKIMBO_PROVIDED(sgd_update)(exec(), device, given);
        kernels::cpu::sgd_update(oracle_exec(), host, plain);
        const double error = tolerance(t.parameter, 8, 4);
        expect_operand(parameter, error, "parameter");
        expect_operand(velocity, error, "velocity");
        if (t.copy) expect_copies(copy, parameter);
      }
    }
  }
}

TEST_P(Optim, Average) {
  for (const Types& t : kTypes) {
    Operand average = operand(provider(), t.parameter, 1, -1, 1);
    const Operand value = operand(provider(), t.grad, 20, -1, 1);
    std::vector<kernels::AverageItem> items;
    for (std::size_t i = 0; i < kCounts.size(); ++i) {
      items.push_back({average.device[i].view(), value.device[i].view()});
      average.host[i] = map(average.host[i], value.host[i],
                            [](double a, double v) { return a + 0.25 * (v - a); });
    }
    const DeviceTensor decay(provider(), filled({1}, 0.75), DType::f64);
    kernels::AverageParams params{.decay = 0.75};
    if (t.copy) params = {.decay = 0, .step_values = decay.view()};
    AKIMBO_PROVIDED(average_update)(exec(), items, params);
    expect_operand(average, tolerance(t.parameter, 3, 1.5), "average");
  }
}

TEST_P(Optim, SumOfSquares) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    const Operand x = operand(provider(), dtype, 1, -3, 3);
    std::vector<kernels::ConstView> items;
    Values expected = filled({1}, 0);
    for (std::size_t i = 0; i < kCounts.size(); ++i) {
      items.push_back(x.device[i].view());
      for (const double v : x.host[i].at) expected[0] += v * v;
    }
    const auto sum = poisoned(provider(), {1}, DType::f64);
    AKIMBO_PROVIDED(sum_of_squares)(exec(), items, sum.view());
    expect_close(sum.read(), expected, tolerance(DType::f64, 8500, expected[0]));
  }
  const auto none = poisoned(provider(), {1}, DType::f64);
  AKIMBO_PROVIDED(sum_of_squares)(exec(), {}, none.view());
  expect_equal(none.read(), filled({1}, 0), "of nothing");
}

TEST_P(Optim, SumOfSquaresShowsWhatIsNotFinite) {
  Values x = random_values({5000}, 1, DType::bf16);
  for (const double bad : {std::nan(""), -std::numeric_limits<double>::infinity()}) {
    x[4999] = bad;
    const DeviceTensor dx(provider(), x, DType::bf16);
    const std::vector<kernels::ConstView> items{dx.view()};
    const auto sum = poisoned(provider(), {1}, DType::f64);
    AKIMBO_PROVIDED(sum_of_squares)(exec(), items, sum.view());
    EXPECT_FALSE(std::isfinite(sum.read()[0]));
  }
}

TEST_P(Optim, ScaleInPlace) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    Operand x = operand(provider(), dtype, 1, -3, 3);
    std::vector<View> items;
    for (std::size_t i = 0; i < kCounts.size(); ++i) {
      items.push_back(x.device[i].view());
      x.host[i] = map(x.host[i], [](double v) { return 0.3 * v; });
    }
    AKIMBO_PROVIDED(scale_in_place)(exec(), items, 0.3);
    expect_operand(x, tolerance(dtype, 2, 1), "scaled");
  }
}

double grad_factor_of(Provider provider, kernels::GradFactor* function, const kernels::Exec& exec,
                      double sum, double max_norm, double loss_scale, double* norm) {
  const DeviceTensor dsum(provider, filled({1}, sum), DType::f64);
  const DeviceTensor scale(provider, filled({2}, loss_scale), DType::f64);
  const auto factor = poisoned(provider, {1}, DType::f64);
  const auto dnorm = poisoned(provider, {1}, DType::f64);
  function(
      exec, dsum.view(),
      {.max_norm = max_norm,
       .loss_scale = loss_scale != 1 ? kernels::ConstView(scale.view()) : kernels::ConstView{}},
      factor.view(), norm != nullptr ? dnorm.view() : View{});
  if (norm != nullptr) *norm = dnorm.read()[0];
  return factor.read()[0];
}

TEST_P(Optim, GradFactor) {
  const auto factor = [&](double sum, double max_norm, double loss_scale, double* norm) {
    return grad_factor_of(provider(), AKIMBO_PROVIDED(grad_factor), exec(), sum, max_norm,
                          loss_scale, norm);
  };
  double norm = 0;
  EXPECT_NEAR(factor(16, 0, 1, &norm), 1, 1e-15);
  EXPECT_EQ(norm, 4);
  EXPECT_NEAR(factor(16, 1, 1, nullptr), 1 / (4 + 1e-6), 1e-15);
  EXPECT_NEAR(factor(16, 5, 1, &norm), 1, 1e-15);
  EXPECT_NEAR(factor(16 * 64, 1, 8, &norm), 1 / (4 + 1e-6) / 8, 1e-15);
  EXPECT_EQ(norm, 4);
  EXPECT_TRUE(std::isnan(factor(std::numeric_limits<double>::infinity(), 1, 8, &norm)));
  EXPECT_TRUE(std::isnan(factor(std::nan(""), 0, 1, nullptr)));
}

TEST_P(Optim, LossScale) {
  const DeviceTensor state(
      provider(),
      [] {
        Values v = filled({2}, 0);
        v[0] = 8;
        return v;
      }(),
      DType::f64);
  const kernels::LossScaleParams params{.interval = 2, .smallest = 3, .largest = 20};
  const auto step = [&](double factor) {
    const DeviceTensor dfactor(provider(), filled({1}, factor), DType::f64);
    AKIMBO_PROVIDED(loss_scale_update)(exec(), dfactor.view(), params, state.view());
    return state.read()[0];
  };
  EXPECT_EQ(step(1), 8);
  EXPECT_EQ(step(1), 16);
  EXPECT_EQ(step(1), 16);
  EXPECT_EQ(step(std::nan("")), 8);
  EXPECT_EQ(step(1), 8);  // counts from the change
  EXPECT_EQ(step(1), 16);
  EXPECT_EQ(step(1), 16);
  EXPECT_EQ(step(1), 20);
  EXPECT_EQ(step(std::nan("")), 10);
  EXPECT_EQ(step(std::nan("")), 5);
  EXPECT_EQ(step(std::nan("")), 3);
}

}  // namespace
}  // namespace akimbo
