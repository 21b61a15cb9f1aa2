// Elementwise kernels of every provider against their formulas.
#include "kernels/elementwise.h"

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

}  // namespace
}  // namespace akimbo
