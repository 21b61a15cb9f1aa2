// Softmax kernels of every provider against their formulas.
#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "tests/kernels/conformance/conformance.h"

namespace akimbo {
namespace {

using namespace conformance;

class Softmax : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Softmax);

// Sub-warp groups with tails, whole warps with one to eight accesses, rows of 16-byte accesses,
// rows that only a block holds, and nothing.
const std::vector<Shape> kShapes = {{0, 5},    {3, 0},    {1, 1},   {65, 2},  {33, 17},
                                    {5, 32},   {9, 33},   {5, 40},  {3, 250}, {2, 256},
                                    {2, 1024}, {2, 1031}, {1, 2600}};

// log sum exp of each row.
std::vector<double> log_sums(const Values& x) {
  std::vector<double> result;
  const std::int64_t columns = x.shape[1];
  for (std::int64_t m = 0; m < x.shape[0]; ++m) {
    const double* row = x.at.data() + m * columns;
    const double largest = columns > 0 ? *std::max_element(row, row + columns) : 0;
    double sum = 0;
    for (std::int64_t c = 0; c < columns; ++c) sum += std::exp(row[c] - largest);
    result.push_back(largest + std::log(sum));
  }
  return result;
}

Values log_softmax_of(const Values& x) {
  const std::vector<double> sums = log_sums(x);
  Values y = x;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    y[i] -= sums[static_cast<std::size_t>(i / x.shape[1])];
  }
  return y;
}

// The fast exp of differences up to 25 has 2 + 1.2 * 25 units in the last place; sums of a row are
// trees over at most 32 terms per thread.
constexpr double kRoundings = 32 + 32 + 16;

std::string label(const Shape& shape, DType dtype) {
  return shape.str() + " " + std::string(dtype_name(dtype));
}

TEST_P(Softmax, Forward) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kShapes) {
      for (const std::int64_t offset : {0, 1}) {
        const Values x = random_values(shape, 1, dtype, -10, 10);
        const auto dx = DeviceTensor::at_offset(provider(), x, dtype, offset);
        const auto dy = DeviceTensor::poisoned(provider(), shape, dtype, offset);
        AKIMBO_PROVIDED(softmax_forward)(exec(), dx.view(), dy.view());
        const Values y = map(log_softmax_of(x), [](double v) { return std::exp(v); });
        const double floor = dtype == DType::f16 ? 0x1p-24 : 0;  // its subnormal spacing
        expect_close(
            dy.read(), y,
            [&](std::int64_t i) { return tolerance(dtype, kRoundings, y[i]) + floor; },
            label(shape, dtype));
        const auto dlog = DeviceTensor::poisoned(provider(), shape, dtype, offset);
        AKIMBO_PROVIDED(log_softmax_forward)(exec(), dx.view(), dlog.view());
        expect_close(dlog.read(), log_softmax_of(x), tolerance(dtype, kRoundings, 30),
                     "log " + label(shape, dtype));
      }
    }
  }
}

TEST_P(Softmax, ForwardInPlaceAndOfLargeNumbers) {
  const Values x = map(random_values({4, 19}, 2, DType::f32, -2, 2),
                       [](double v) { return rounded(v + 3e4, DType::f32); });
  const DeviceTensor d(provider(), x, DType::f32);
  AKIMBO_PROVIDED(softmax_forward)(exec(), d.view(), d.view());
  const Values y = map(log_softmax_of(x), [](double v) { return std::exp(v); });
  expect_close(d.read(), y, tolerance(DType::f32, kRoundings, 1));
}

TEST_P(Softmax, MinusInfinityHasNoMass) {
  for (const std::int64_t columns : {5, 3000}) {
    Values x = random_values({1, columns}, 3, DType::f32);
    x[1] = x[4] = -HUGE_VAL;
    const DeviceTensor dx(provider(), x, DType::f32);
    const auto dy = poisoned(provider(), x.shape, DType::f32);
    AKIMBO_PROVIDED(softmax_forward)(exec(), dx.view(), dy.view());
    const Values y = map(log_softmax_of(x), [](double v) { return std::exp(v); });
    EXPECT_EQ(y[1], 0);
    expect_close(dy.read(), y, tolerance(DType::f32, kRoundings, 1));
  }
}

TEST_P(Softmax, InputGrad) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kShapes) {
      const std::int64_t columns = shape[1];
      const Values logits = random_values(shape, 4, dtype, -3, 3);
      const Values log_p = map(log_softmax_of(logits), [&](double v) { return rounded(v, dtype); });
      const Values p = map(log_p, [&](double v) { return rounded(std::exp(v), dtype); });
      const Values g = random_values(shape, 5, dtype);
      Values grad = g, log_grad = g;
      for (std::int64_t m = 0; m < shape[0]; ++m) {
        double dot = 0, sum = 0;
        for (std::int64_t i = m * columns; i < (m + 1) * columns; ++i) {
          dot += p[i] * g[i];
          sum += g[i];
        }
        for (std::int64_t i = m * columns; i < (m + 1) * columns; ++i) {
          grad[i] = p[i] * (g[i] - dot);
          log_grad[i] = g[i] - std::exp(log_p[i]) * sum;
        }
      }
      const DeviceTensor dp(provider(), p, dtype), dlog(provider(), log_p, dtype);
      const DeviceTensor dg(provider(), g, dtype);
      const auto dx = poisoned(provider(), shape, dtype);
      AKIMBO_PROVIDED(softmax_input_grad)(exec(), dp.view(), dg.view(), dx.view());
      const double floor = dtype == DType::f16 ? 0x1p-24 : 0;
      expect_close(
          dx.read(), grad,
          [&](std::int64_t i) { return tolerance(dtype, kRoundings, 2 * p[i]) + floor; },
          label(shape, dtype));
      const auto dlog_x = poisoned(provider(), shape, dtype);
      AKIMBO_PROVIDED(log_softmax_input_grad)(exec(), dlog.view(), dg.view(), dlog_x.view());
      expect_close(
          dlog_x.read(), log_grad,
          [&](std::int64_t i) {
            return tolerance(dtype, kRoundings,
                             1 + std::exp(log_p[i]) * static_cast<double>(columns));
          },
          "log " + label(shape, dtype));
    }
  }
}

}  // namespace
}  // namespace akimbo
