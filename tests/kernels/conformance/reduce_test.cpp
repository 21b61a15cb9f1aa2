// Reductions of every provider against sums and maxima in double.
#include "kernels/reduce.h"

#include <cmath>
#include <limits>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/oracle.h"

namespace akimbo {
namespace {

using namespace conformance;

class Reduce : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Reduce);

// [O, M, I]: for CUDA's four ways of sharing the work each some sizes, tails and one past a chunk.
const std::vector<Shape> kShapes = {
    {1, 1, 1},    {19, 17, 1},  {2, 1024, 1},                 // a warp per row
    {1, 1025, 1}, {3, 2056, 1}, {1, 9001, 1}, {1, 8200, 1},   // blocks per row
    {2, 5, 3},    {4, 64, 7},   {3, 2, 129},                  // a thread per output
    {1, 300, 64}, {2, 70, 33},  {1, 1700, 5}, {2, 65, 272}};  // tiles

std::string name(const Shape& shape, DType dtype) {
  return shape.str() + " " + std::string(dtype_name(dtype));
}

// f(o * I + i, m, position in x) for every element.
template <typename F>
void for_each_element(const Shape& shape, const F& f) {
  for (std::int64_t at = 0; at < shape.numel(); ++at) {
    const std::int64_t row = at / shape[2];
    f(row / shape[1] * shape[2] + at % shape[2], row % shape[1], at);
  }
}

TEST_P(Reduce, Sum) {
  std::vector<Shape> shapes = kShapes;
  shapes.insert(shapes.end(), {{0, 3, 2}, {2, 0, 3}, {3, 0, 1}, {2, 3, 0}});
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : shapes) {
      const Shape reduced{shape[0], shape[2]};
      const Values x = random_values(shape, 1, dtype, -1, 2);
      Values expected = filled(reduced, 0), size = expected;
      for_each_element(shape, [&](std::int64_t out, std::int64_t, std::int64_t at) {
        expected[out] += 0.3 * x[at];
        size[out] += 0.3 * std::abs(x[at]);
      });
      const DeviceTensor dx(provider(), x, dtype);
      const auto y = poisoned(provider(), reduced, dtype),
                 again = poisoned(provider(), reduced, dtype);
      AKIMBO_PROVIDED(sum_forward)(exec(), dx.view(), 0.3, y.view());
      AKIMBO_PROVIDED(sum_forward)(exec(), dx.view(), 0.3, again.view());
      // Runs of 16 in f32, then double.
      expect_close(
          y.read(), expected, [&](std::int64_t i) { return tolerance(dtype, 17, size[i]); },
          name(shape, dtype));
      expect_equal(again.read(), y.read(), name(shape, dtype) + " a second time");
    }
  }
}

TEST_P(Reduce, SumOfUnalignedRows) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : {Shape{2, 2056, 1}, Shape{1, 300, 64}}) {
      const Shape reduced{shape[0], shape[2]};
      const Values x = random_values(shape, 1, dtype, -1, 2);
      Values expected = filled(reduced, 0), size = expected;
      for_each_element(shape, [&](std::int64_t out, std::int64_t, std::int64_t at) {
        expected[out] += x[at];
        size[out] += std::abs(x[at]);
      });
      const auto dx = DeviceTensor::at_offset(provider(), x, dtype, 1);
      const auto y = poisoned(provider(), reduced, dtype);
      AKIMBO_PROVIDED(sum_forward)(exec(), dx.view(), 1, y.view());
      expect_close(
          y.read(), expected, [&](std::int64_t i) { return tolerance(dtype, 17, size[i]); },
          name(shape, dtype));
    }
  }
}

TEST_P(Reduce, SumGradient) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kShapes) {
      const Values grad_y = random_values({shape[0], shape[2]}, 1, dtype);
      Values expected = filled(shape, 0);
      for_each_element(shape, [&](std::int64_t out, std::int64_t, std::int64_t at) {
        expected[at] = 0.3 * grad_y[out];
      });
      const DeviceTensor dgrad_y(provider(), grad_y, dtype);
      const auto grad_x = poisoned(provider(), shape, dtype);
      const auto shifted = DeviceTensor::poisoned(provider(), shape, dtype, 1);
      auto* function = AKIMBO_PROVIDED(sum_input_grad);
      function(exec(), dgrad_y.view(), 0.3, grad_x.view());
      function(exec(), dgrad_y.view(), 0.3, shifted.view());
      expect_close(grad_x.read(), expected, tolerance(dtype, 2, 0.3), name(shape, dtype));
      expect_close(shifted.read(), expected, tolerance(dtype, 2, 0.3), name(shape, dtype));
    }
  }
}

TEST_P(Reduce, Maximum) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kShapes) {
      const Shape reduced{shape[0], shape[2]};
      Values x = whole_numbers(shape, 1, -9, 9);  // with ties
      if (x.numel() > 30) x[25] = x[29] = std::numeric_limits<double>::quiet_NaN();
      Values expected = filled(reduced, 0), index = filled(reduced, -1);
      for_each_element(shape, [&](std::int64_t out, std::int64_t m, std::int64_t at) {
        const bool larger =
            x[at] > expected[out] || (std::isnan(x[at]) && !std::isnan(expected[out]));
        if (index[out] >= 0 && !larger) return;
        expected[out] = x[at];
        index[out] = static_cast<double>(m);
      });
      const DeviceTensor dx(provider(), x, dtype);
      const auto y = poisoned(provider(), reduced, dtype),
                 alone = poisoned(provider(), reduced, dtype);
      const auto dindex = poisoned(provider(), reduced, DType::i64);
      AKIMBO_PROVIDED(max_forward)(exec(), dx.view(), y.view(), dindex.view());
      AKIMBO_PROVIDED(max_forward)(exec(), dx.view(), alone.view(), {});
      expect_equal(y.read(), expected, name(shape, dtype));
      expect_equal(alone.read(), expected, name(shape, dtype) + " without index");
      expect_equal(dindex.read(), index, name(shape, dtype) + " index");
    }
  }
}

TEST_P(Reduce, MaximumGradient) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kShapes) {
      const Shape reduced{shape[0], shape[2]};
      const Values grad_y = random_values(reduced, 1, dtype);
      const Values index = whole_numbers(reduced, 2, 0, static_cast<double>(shape[1]) - 1);
      Values expected = filled(shape, 0);
      for_each_element(shape, [&](std::int64_t out, std::int64_t m, std::int64_t at) {
        if (static_cast<double>(m) == index[out]) expected[at] = grad_y[out];
      });
      const DeviceTensor dgrad_y(provider(), grad_y, dtype), dindex(provider(), index, DType::i64);
      const auto grad_x = poisoned(provider(), shape, dtype);
      AKIMBO_PROVIDED(max_input_grad)(exec(), dgrad_y.view(), dindex.view(), grad_x.view());
      expect_equal(grad_x.read(), expected, name(shape, dtype));
    }
  }
}

}  // namespace
}  // namespace akimbo
