// Pooling of every provider against the CPU's plain loops in double.
#include "kernels/pool.h"

#include <cmath>
#include <limits>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/oracle.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::PoolParams;

class Pool : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Pool);

struct Case {
  Shape x;
  PoolParams params;
  std::int64_t out_h, out_w;
  [[nodiscard]] Shape y() const { return {x[0], out_h, out_w, x[3]}; }
};

// Widths of 16-byte vectors, one more and one less; overlapping windows, gaps between them, a
// ceil-mode window that hangs over the edge, one over the whole image, unequal axes, no image.
const std::vector<Case> kCases = {
    {{2, 7, 9, 8}, {3, 3, 2, 2, 1, 1}, 4, 5}, {{1, 5, 6, 17}, {2, 2, 2, 2, 0, 0}, 3, 3},
    {{1, 4, 5, 3}, {2, 3, 3, 2, 0, 1}, 1, 3}, {{2, 6, 4, 16}, {6, 4, 6, 4, 0, 0}, 1, 1},
    {{1, 1, 1, 1}, {3, 3, 1, 1, 1, 1}, 1, 1}, {{1, 3, 70, 16}, {1, 2, 1, 1, 0, 1}, 3, 71},
    {{0, 4, 4, 8}, {2, 2, 2, 2, 0, 0}, 2, 2}};

std::string name(const Case& c, DType dtype) {
  return c.x.str() + " to " + c.y().str() + " " + std::string(dtype_name(dtype));
}

TEST_P(Pool, Maximum) {
  for (const DType dtype : dtypes()) {
    for (const Case& c : kCases) {
      Values x = whole_numbers(c.x, 1, -9, 9);  // with ties
      if (x.numel() > 20) x[11] = std::numeric_limits<double>::quiet_NaN();
      Values expected = filled(c.y(), 0);
      std::vector<std::uint8_t> chosen(static_cast<std::size_t>(expected.numel()) + 1);
      kernels::cpu::max_pool2d_forward(oracle_exec(), oracle_view(x), c.params,
                                       oracle_view(expected), {chosen.data(), DType::u8, c.y()});
      const DeviceTensor dx(provider(), x, dtype);
      const auto y = poisoned(provider(), c.y(), dtype),
                 index = poisoned(provider(), c.y(), DType::u8);
      const auto alone = poisoned(provider(), c.y(), dtype);
      auto* forward = AKIMBO_PROVIDED(max_pool2d_forward);
      forward(exec(), dx.view(), c.params, y.view(), index.view());
      forward(exec(), dx.view(), c.params, alone.view(), {});
      expect_equal(y.read(), expected, name(c, dtype));
      expect_equal(alone.read(), expected, name(c, dtype) + " without index");
      Values index_expected = expected;
      for (std::int64_t i = 0; i < expected.numel(); ++i) {
        index_expected[i] = chosen[static_cast<std::size_t>(i)];
      }
      expect_equal(index.read(), index_expected, name(c, dtype) + " index");
    }
  }
}

TEST_P(Pool, MaximumGradient) {
  for (const DType dtype : dtypes()) {
    for (const Case& c : kCases) {
      const Values x = random_values(c.x, 1, dtype);
      Values y = filled(c.y(), 0), index = y;
      std::vector<std::uint8_t> chosen(static_cast<std::size_t>(y.numel()) + 1);
      const kernels::View chosen_view{chosen.data(), DType::u8, c.y()};
      kernels::cpu::max_pool2d_forward(oracle_exec(), oracle_view(x), c.params, oracle_view(y),
                                       chosen_view);
      for (std::int64_t i = 0; i < y.numel(); ++i) index[i] = chosen[static_cast<std::size_t>(i)];
      const Values grad_y = random_values(c.y(), 2, dtype), sizes = absolute(grad_y);
      Values expected = filled(c.x, 0), size = expected;
      const auto oracle = [&](const Values& from, Values& to) {
        kernels::cpu::max_pool2d_input_grad(oracle_exec(), oracle_view(from), chosen_view, c.params,
                                            oracle_view(to));
      };
      oracle(grad_y, expected);
      oracle(sizes, size);
      const DeviceTensor dgrad_y(provider(), grad_y, dtype), dindex(provider(), index, DType::u8);
      const auto grad_x = poisoned(provider(), c.x, dtype);
      AKIMBO_PROVIDED(max_pool2d_input_grad)
      (exec(), dgrad_y.view(), dindex.view(), c.params, grad_x.view());
      expect_close(
          grad_x.read(), expected, [&](std::int64_t i) { return tolerance(dtype, 9, size[i]); },
          name(c, dtype));
    }
  }
}

TEST_P(Pool, Average) {
  for (const DType dtype : dtypes()) {
    for (const Case& c : kCases) {
      for (const bool count_pad : {false, true}) {
        const Values x = random_values(c.x, 1, dtype), grad_y = random_values(c.y(), 2, dtype);
        Values expected = filled(c.y(), 0), expected_grad = filled(c.x, 0), size = expected_grad;
        const auto oracle = [&](const Values& from, Values& to) {
          kernels::cpu::avg_pool2d_input_grad(oracle_exec(), oracle_view(from), c.params, count_pad,
                                              oracle_view(to));
        };
        kernels::cpu::avg_pool2d_forward(oracle_exec(), oracle_view(x), c.params, count_pad,
                                         oracle_view(expected));
        oracle(grad_y, expected_grad);
        oracle(absolute(grad_y), size);
        const DeviceTensor dx(provider(), x, dtype), dgrad_y(provider(), grad_y, dtype);
        const auto y = poisoned(provider(), c.y(), dtype);
        const auto grad_x = poisoned(provider(), c.x, dtype);
        AKIMBO_PROVIDED(avg_pool2d_forward)(exec(), dx.view(), c.params, count_pad, y.view());
        AKIMBO_PROVIDED(avg_pool2d_input_grad)
        (exec(), dgrad_y.view(), c.params, count_pad, grad_x.view());
        const double window = static_cast<double>(c.params.kernel_h * c.params.kernel_w);
        expect_close(y.read(), expected, tolerance(dtype, window + 1, 1), name(c, dtype));
        expect_close(
            grad_x.read(), expected_grad,
            [&](std::int64_t i) { return tolerance(dtype, window + 1, size[i]); },
            name(c, dtype) + " gradient");
      }
    }
  }
}

}  // namespace
}  // namespace akimbo
