// Elementwise kernels of every provider against their formulas.
#include "kernels/elementwise.h"

#include <cmath>

#include "kernels/gather.h"
#include "tests/kernels/conformance/conformance.h"

namespace akimbo {
namespace {

using namespace conformance;

class Elementwise : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Elementwise);

using Binary = kernels::BinaryForward*;

void expect_binary(Provider provider, const kernels::Exec& exec, Binary function, DType dtype,
                   const Shape& shape, std::int64_t offset, double (*formula)(double, double)) {
  const Values a = random_values(shape, 1, dtype), b = random_values(shape, 2, dtype, 0.5, 2);
  const auto da = DeviceTensor::at_offset(provider, a, dtype, offset);
  const auto db = DeviceTensor::at_offset(provider, b, dtype, offset);
  const auto dy = DeviceTensor::poisoned(provider, shape, dtype, offset);
  function(exec, da.view(), db.view(), dy.view());
  expect_close(dy.read(), map(a, b, formula), tolerance(dtype, 1, 3),
               shape.str() + " " + std::string(dtype_name(dtype)));
}

// One past a block of vectors, and tails of every length.
const std::vector<Shape> kShapes = {{0}, {1}, {7}, {13, 17}, {8193}};

TEST_P(Elementwise, BinaryOperations) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kShapes) {
      for (const std::int64_t offset : {0, 1}) {
        const auto check = [&](Binary function, double (*formula)(double, double)) {
          expect_binary(provider(), exec(), function, dtype, shape, offset, formula);
        };
        check(AKIMBO_PROVIDED(add_forward), [](double u, double v) { return u + v; });
        check(AKIMBO_PROVIDED(sub_forward), [](double u, double v) { return u - v; });
        check(AKIMBO_PROVIDED(mul_forward), [](double u, double v) { return u * v; });
        check(AKIMBO_PROVIDED(div_forward), [](double u, double v) { return u / v; });
        check(AKIMBO_PROVIDED(relu_input_grad), [](double y, double g) { return y > 0 ? g : 0.0; });
      }
    }
  }
}

// Formula in double, how many roundings of f32 it is allowed beside the last one, and a bound on
// its result and on what it is made of.
struct Unary {
  const char* name;
  kernels::UnaryForward* function;
  double (*formula)(double);
  double low, high, roundings, magnitude;
};

void expect_unary(Provider provider, const kernels::Exec& exec, const Unary& u, DType dtype,
                  const Shape& shape, std::int64_t offset) {
  const Values x = random_values(shape, 1, dtype, u.low, u.high);
  const auto dx = DeviceTensor::at_offset(provider, x, dtype, offset);
  const auto dy = DeviceTensor::poisoned(provider, shape, dtype, offset);
  u.function(exec, dx.view(), dy.view());
  expect_close(dy.read(), map(x, u.formula), tolerance(dtype, u.roundings, u.magnitude),
               std::string(u.name) + " " + shape.str() + " " + std::string(dtype_name(dtype)));
}

TEST_P(Elementwise, UnaryOperations) {
  const std::vector<Unary> functions = {
      {"relu", AKIMBO_PROVIDED(relu_forward), [](double v) { return v > 0 ? v : 0; }, -2, 2, 0, 2},
      {"sigmoid", AKIMBO_PROVIDED(sigmoid_forward), [](double v) { return 1 / (1 + std::exp(-v)); },
       -20, 20, 8, 1},
      {"tanh", AKIMBO_PROVIDED(tanh_forward), [](double v) { return std::tanh(v); }, -5, 5, 4, 1},
      {"exp", AKIMBO_PROVIDED(exp_forward), [](double v) { return std::exp(v); }, -3, 2, 4, 8},
      {"log", AKIMBO_PROVIDED(log_forward), [](double v) { return std::log(v); }, 0.1, 9, 4, 3},
      {"sqrt", AKIMBO_PROVIDED(sqrt_forward), [](double v) { return std::sqrt(v); }, 0, 9, 1, 3},
      {"abs", AKIMBO_PROVIDED(abs_forward), [](double v) { return std::abs(v); }, -2, 2, 0, 2},
      {"square", AKIMBO_PROVIDED(square_forward), [](double v) { return v * v; }, -2, 2, 1, 4}};
  for (const DType dtype : dtypes()) {
    for (const Unary& u : functions) {
      for (const Shape& shape : kShapes) expect_unary(provider(), exec(), u, dtype, shape, 0);
      expect_unary(provider(), exec(), u, dtype, {13, 17}, 1);
    }
  }
}

TEST_P(Elementwise, GradientsFromTheSavedTensor) {
  const auto check = [&](kernels::UnaryInputGrad* function, double (*formula)(double, double)) {
    for (const DType dtype : dtypes()) {
      // `saved` lies in (0, 1], where every formula is defined and at most 20.
      const Values saved = random_values({1031}, 1, dtype, 0.05, 1),
                   grad = random_values({1031}, 2, dtype);
      const DeviceTensor dsaved(provider(), saved, dtype), dgrad(provider(), grad, dtype);
      function(exec(), dsaved.view(), dgrad.view(), dgrad.view());  // in place
      expect_close(dgrad.read(), map(saved, grad, formula), tolerance(dtype, 4, 20),
                   std::string(dtype_name(dtype)));
    }
  };
  check(AKIMBO_PROVIDED(sigmoid_input_grad), [](double y, double g) { return g * y * (1 - y); });
  check(AKIMBO_PROVIDED(tanh_input_grad), [](double y, double g) { return g * (1 - y * y); });
  check(AKIMBO_PROVIDED(exp_input_grad), [](double y, double g) { return g * y; });
  check(AKIMBO_PROVIDED(log_input_grad), [](double x, double g) { return g / x; });
  check(AKIMBO_PROVIDED(sqrt_input_grad), [](double y, double g) { return g / (2 * y); });
  check(AKIMBO_PROVIDED(square_input_grad), [](double x, double g) { return 2 * x * g; });
}

TEST_P(Elementwise, FunctionsWithParametersAndKinks) {
  for (const DType dtype : dtypes()) {
    const std::string what(dtype_name(dtype));
    Values x = random_values({1031}, 1, dtype, -2, 2);
    x[3] = 0;
    const Values grad = random_values({1031}, 2, dtype);
    const DeviceTensor dx(provider(), x, dtype), dgrad(provider(), grad, dtype);
    const auto y = poisoned(provider(), {1031}, dtype);
    const double error = tolerance(dtype, 2, 6);
    AKIMBO_PROVIDED(affine_forward)(exec(), dx.view(), {.scale = 2.5, .shift = -0.75}, y.view());
    expect_close(y.read(), map(x, [](double v) { return 2.5 * v - 0.75; }), error, what);
    AKIMBO_PROVIDED(leaky_relu_forward)(exec(), dx.view(), 0.1, y.view());
    expect_close(y.read(), map(x, [](double v) { return v > 0 ? v : 0.1 * v; }), error, what);
    AKIMBO_PROVIDED(leaky_relu_input_grad)(exec(), dx.view(), dgrad.view(), 0.1, y.view());
    expect_close(y.read(), map(x, grad, [](double v, double g) { return v > 0 ? g : 0.1 * g; }),
                 error, what);
    AKIMBO_PROVIDED(clamp_forward)(exec(), dx.view(), {-0.5, 0.25}, y.view());
    expect_equal(y.read(), map(x, [](double v) { return v < -0.5   ? -0.5
                                                        : v > 0.25 ? 0.25
                                                                   : v; }),
                 what);
    AKIMBO_PROVIDED(clamp_input_grad)(exec(), dx.view(), dgrad.view(), {-0.5, 0.25}, y.view());
    expect_equal(y.read(),
                 map(x, grad, [](double v, double g) { return v < -0.5 || v > 0.25 ? 0 : g; }),
                 what);
    AKIMBO_PROVIDED(abs_input_grad)(exec(), dx.view(), dgrad.view(), y.view());
    expect_equal(y.read(),
                 map(x, grad, [](double v, double g) { return v > 0   ? g
                                                              : v < 0 ? -g
                                                                      : v * g; }),
                 what);
  }
}

TEST_P(Elementwise, NanStaysNan) {
  for (const DType dtype : dtypes()) {
    const Values x = filled({19}, std::nan(""));
    const DeviceTensor dx(provider(), x, dtype);
    const auto y = poisoned(provider(), {19}, dtype);
    AKIMBO_PROVIDED(affine_forward)(exec(), dx.view(), {.scale = 0, .shift = 0}, y.view());
    expect_equal(y.read(), x, "affine");
    AKIMBO_PROVIDED(fill_forward)(exec(), 0, y.view());
    AKIMBO_PROVIDED(relu_forward)(exec(), dx.view(), y.view());
    expect_equal(y.read(), x, "relu");
    AKIMBO_PROVIDED(fill_forward)(exec(), 0, y.view());
    AKIMBO_PROVIDED(clamp_forward)(exec(), dx.view(), {-1, 1}, y.view());
    expect_equal(y.read(), x, "clamp");
  }
}

TEST_P(Elementwise, OverChannels) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape :
         {Shape{0, 3}, Shape{1, 1}, Shape{37, 3}, Shape{5, 64}, Shape{2, 8195}}) {
      for (const std::int64_t offset : {0, 1}) {
        const DType vectors = dtype == DType::f64 ? DType::f64 : DType::f32;
        const Values a = random_values(shape, 1, dtype), b = random_values({shape[1]}, 2, vectors);
        const auto da = DeviceTensor::at_offset(provider(), a, dtype, offset);
        const DeviceTensor db(provider(), b, vectors);
        const auto y = DeviceTensor::poisoned(provider(), shape, dtype, offset);
        Values sum = a, product = a;
        for (std::int64_t i = 0; i < a.numel(); ++i) {
          sum[i] += b[i % shape[1]];
          product[i] *= b[i % shape[1]];
        }
        AKIMBO_PROVIDED(add_channels_forward)(exec(), da.view(), db.view(), y.view());
        expect_close(y.read(), sum, tolerance(dtype, 1, 2), shape.str());
        AKIMBO_PROVIDED(mul_channels_forward)(exec(), da.view(), db.view(), y.view());
        expect_close(y.read(), product, tolerance(dtype, 1, 1), shape.str());
      }
    }
  }
}

// Values that every dtype holds pass between any two unchanged; others are rounded once.
TEST_P(Elementwise, Casts) {
  const DType all[] = {DType::u8,  DType::bf16, DType::f16, DType::i32,
                       DType::f32, DType::i64,  DType::f64};
  for (const DType from : all) {
    for (const DType to : all) {
      for (const std::int64_t offset : {0, 1}) {
        const std::int64_t count = 517;
        const double low = from == DType::u8 || to == DType::u8 ? 0 : -100;
        const Values x = random_values({count}, 1, from, low, 200);
        const auto dx = DeviceTensor::at_offset(provider(), x, from, offset);
        const auto y = DeviceTensor::poisoned(provider(), {count}, to, offset);
        AKIMBO_PROVIDED(cast_forward)(exec(), dx.view(), y.view());
        expect_equal(y.read(), map(x, [&](double v) { return rounded(v, to); }),
                     std::string(dtype_name(from)) + " to " + std::string(dtype_name(to)));
      }
    }
  }
}

TEST_P(Elementwise, CastsOfNoElementAndOfValuesAtTheEdges) {
  const auto none = poisoned(provider(), {0}, DType::f32);
  const auto none_half = poisoned(provider(), {0}, DType::bf16);
  AKIMBO_PROVIDED(cast_forward)(exec(), none.view(), none_half.view());
  Values x = filled({8}, 0);
  x.at = {65504, 65520, -1e-8, 6e-8, 1.0 / 3, std::nan(""), 3.4e38, -3e-39};
  for (double& v : x.at) v = rounded(v, DType::f32);
  const DeviceTensor dx(provider(), x, DType::f32);
  for (const DType to : {DType::f16, DType::bf16, DType::f64}) {
    const auto y = poisoned(provider(), {8}, to);
    AKIMBO_PROVIDED(cast_forward)(exec(), dx.view(), y.view());
    expect_equal(y.read(), map(x, [&](double v) { return rounded(v, to); }),
                 std::string(dtype_name(to)));
  }
}

}  // namespace
}  // namespace akimbo
