// Resizing of every provider against the CPU's plain loops in double.
#include "kernels/resample.h"

#include <algorithm>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/oracle.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::ResizeMode;

class Resample : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Resample);

struct Case {
  Shape x, y;
};

// Twice, eight times, down, by odd ratios, from and to one pixel, unequal axes, no image.
const std::vector<Case> kCases = {{{2, 5, 4, 8}, {2, 10, 8, 8}},  {{1, 2, 3, 16}, {1, 16, 24, 16}},
                                  {{1, 9, 7, 3}, {1, 4, 3, 3}},   {{1, 7, 5, 17}, {1, 10, 13, 17}},
                                  {{1, 1, 6, 4}, {1, 5, 1, 4}},   {{2, 6, 5, 1}, {2, 6, 5, 1}},
                                  {{1, 13, 3, 2}, {1, 1, 11, 2}}, {{0, 4, 4, 8}, {0, 8, 8, 8}}};
constexpr ResizeMode kModes[] = {ResizeMode::nearest, ResizeMode::bilinear,
                                 ResizeMode::bilinear_align_corners};

std::string name(const Case& c, ResizeMode mode, DType dtype) {
  return c.x.str() + " to " + c.y.str() + " mode " + std::to_string(static_cast<int>(mode)) + " " +
         std::string(dtype_name(dtype));
}

TEST_P(Resample, Forward) {
  for (const DType dtype : dtypes()) {
    for (const Case& c : kCases) {
      for (const ResizeMode mode : kModes) {
        const Values x = random_values(c.x, 1, dtype);
        Values expected = filled(c.y, 0);
        kernels::cpu::resize_forward(oracle_exec(), oracle_view(x), mode, oracle_view(expected));
        const DeviceTensor dx(provider(), x, dtype);
        const auto y = poisoned(provider(), c.y, dtype);
        AKIMBO_PROVIDED(resize_forward)(exec(), dx.view(), mode, y.view());
        // Four products, each with a weight rounded to the dtype.
        expect_close(y.read(), expected, mode == ResizeMode::nearest ? 0 : tolerance(dtype, 8, 1),
                     name(c, mode, dtype));
      }
    }
  }
}

TEST_P(Resample, ForwardAndAdd) {
  for (const DType dtype : dtypes()) {
    for (const Case& c : kCases) {
      for (const bool relu : {false, true}) {
        const Values x = random_values(c.x, 1, dtype), addend = random_values(c.y, 2, dtype);
        Values expected = filled(c.y, 0);
        kernels::cpu::resize_forward(oracle_exec(), oracle_view(x), ResizeMode::bilinear,
                                     oracle_view(expected));
        expected = map(expected, addend,
                       [&](double u, double v) { return relu ? std::max(0.0, u + v) : u + v; });
        const DeviceTensor dx(provider(), x, dtype), daddend(provider(), addend, dtype);
        const auto own = poisoned(provider(), c.y, dtype);
        const DeviceTensor& y = relu ? daddend : own;  // in place every second time
        AKIMBO_PROVIDED(resize_add_forward)
        (exec(), dx.view(), ResizeMode::bilinear, daddend.view(), relu, y.view());
        expect_close(y.read(), expected, tolerance(dtype, 9, 2),
                     name(c, ResizeMode::bilinear, dtype));
      }
    }
  }
}

TEST_P(Resample, Gradient) {
  for (const DType dtype : dtypes()) {
    for (const Case& c : kCases) {
      for (const ResizeMode mode : kModes) {
        const Values grad_y = random_values(c.y, 1, dtype);
        Values expected = filled(c.x, 0), size = expected;
        const auto oracle = [&](const Values& from, Values& to) {
          kernels::cpu::resize_input_grad(oracle_exec(), oracle_view(from), mode, oracle_view(to));
        };
        oracle(grad_y, expected);
        oracle(absolute(grad_y), size);
        const DeviceTensor dgrad_y(provider(), grad_y, dtype);
        const auto grad_x = poisoned(provider(), c.x, dtype);
        AKIMBO_PROVIDED(resize_input_grad)(exec(), dgrad_y.view(), mode, grad_x.view());
        const double outputs = static_cast<double>(c.y.numel()) /
                               static_cast<double>(std::max<std::int64_t>(1, c.x.numel()));
        expect_close(
            grad_x.read(), expected,
            [&](std::int64_t i) { return tolerance(dtype, 4 * outputs + 4, size[i]); },
            name(c, mode, dtype));
      }
    }
  }
}

}  // namespace
}  // namespace akimbo
