// Moving elements on every provider against loops of the host; exact for every dtype.
#include "kernels/gather.h"

#include <cmath>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/oracle.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::StridedWalk;

class Gather : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Gather);

const std::vector<DType> kDTypes = {DType::u8,  DType::bf16, DType::f16, DType::i32,
                                    DType::f32, DType::i64,  DType::f64};

struct Copy {
  std::string what;
  Shape x, y, extents;
  StridedWalk walk_x, walk_y;
};

// Row-major strides.
StridedWalk whole(const Shape& shape) {
  StridedWalk walk;
  std::int64_t stride = 1;
  for (int k = shape.rank() - 1; k >= 0; --k) {
    walk.stride[static_cast<std::size_t>(k)] = stride;
    stride *= shape[k];
  }
  return walk;
}

Copy permuted(const Shape& x, std::initializer_list<int> order) {
  Copy c{"permute", x, {}, {}, {}, {}};
  const StridedWalk from = whole(x);
  std::size_t k = 0;
  for (const int axis : order) {
    c.y.push_back(x[axis]);
    c.walk_x.stride[k++] = from.stride[static_cast<std::size_t>(axis)];
  }
  c.extents = c.y;
  c.walk_y = whole(c.y);
  return c;
}

// x into y at an offset along an axis, as concat does; from x at an offset, as slice does.
Copy placed(const Shape& x, const Shape& y, const Shape& extents, std::int64_t x_offset,
            std::int64_t y_offset) {
  Copy c{"place", x, y, extents, whole(x), whole(y)};
  c.walk_x.offset = x_offset;
  c.walk_y.offset = y_offset;
  return c;
}

Copy flipped(const Shape& x, int axis) {
  Copy c{"flip", x, x, x, whole(x), whole(x)};
  auto& stride = c.walk_x.stride[static_cast<std::size_t>(axis)];
  c.walk_x.offset = (x[axis] - 1) * stride;
  stride = -stride;
  return c;
}

Copy repeated(const Shape& x, int axis) {
  Copy c = placed(x, x, x, 0, 0);
  c.what = "repeat";
  c.walk_x.stride[static_cast<std::size_t>(axis)] = 0;
  return c;
}

const std::vector<Copy> kCopies = {
    permuted({2, 9, 5, 17}, {0, 3, 1, 2}),  // NHWC to NCHW, tiles with tails
    permuted({2, 64, 3, 5}, {0, 2, 3, 1}),
    permuted({33, 70}, {1, 0}),
    permuted({3, 4, 2, 5}, {2, 0, 3, 1}),
    permuted({2, 3, 2, 3, 2, 5}, {5, 4, 3, 2, 1, 0}),
    permuted({4, 16, 32}, {1, 0, 2}),
    placed({2, 3, 16}, {2, 7, 16}, {2, 3, 16}, 0, 2 * 16),  // concat
    placed({2, 7, 16}, {2, 3, 16}, {2, 3, 16}, 4 * 16, 0),  // slice
    placed({5, 24}, {5, 7}, {5, 7}, 13, 0),                 // slice within rows
    placed({300}, {300}, {300}, 0, 0),
    placed({1}, {1}, {1}, 0, 0),
    placed({4, 0, 3}, {4, 0, 3}, {4, 0, 3}, 0, 0),
    flipped({2, 5, 8, 16}, 2),
    flipped({3, 19}, 1),
    repeated({3, 4, 8}, 1)};

TEST_P(Gather, StridedCopy) {
  for (const DType dtype : kDTypes) {
    for (const Copy& c : kCopies) {
      const Values x = whole_numbers(c.x, 1, 0, 250);
      Values expected = whole_numbers(c.y, 2, 0, 250);
      const DeviceTensor dx(provider(), x, dtype), dy(provider(), expected, dtype);
      Shape at = c.extents;
      for (std::int64_t n = 0; n < c.extents.numel(); ++n) {
        std::int64_t rest = n, from = c.walk_x.offset, to = c.walk_y.offset;
        for (int k = at.rank() - 1; k >= 0; --k) {
          const auto i = static_cast<std::size_t>(k);
          from += rest % at[k] * c.walk_x.stride[i];
          to += rest % at[k] * c.walk_y.stride[i];
          rest /= at[k];
        }
        expected[to] = x[from];
      }
      AKIMBO_PROVIDED(strided_copy)
      (exec(), dx.view(), c.walk_x, c.extents, dy.view(), c.walk_y);
      expect_equal(dy.read(), expected,
                   c.what + " " + c.x.str() + " " + std::string(dtype_name(dtype)));
    }
  }
}

// A view that starts off 16 bytes must not be read 16 bytes at a time.
TEST_P(Gather, StridedCopyOfAnOffsetTensor) {
  for (const DType dtype : kDTypes) {
    const Values x = whole_numbers({3, 32}, 1, 0, 250);
    const auto dx = DeviceTensor::at_offset(provider(), x, dtype, 1);
    const auto y = poisoned(provider(), {3, 32}, dtype);
    AKIMBO_PROVIDED(strided_copy)
    (exec(), dx.view(), whole(x.shape), x.shape, y.view(), whole(x.shape));
    expect_equal(y.read(), x, std::string(dtype_name(dtype)));
  }
}

TEST_P(Gather, Fill) {
  for (const DType dtype : kDTypes) {
    for (const std::int64_t count : {0, 1, 15, 17, 4099}) {
      for (const std::int64_t offset : {0, 1}) {
        const auto y = DeviceTensor::poisoned(provider(), {count}, dtype, offset);
        AKIMBO_PROVIDED(fill_forward)(exec(), 3, y.view());
        expect_equal(y.read(), filled({count}, 3), std::string(dtype_name(dtype)));
      }
    }
  }
}

struct Choice {
  std::int64_t outer, axis, chosen, inner;
};
const std::vector<Choice> kChoices = {{70, 17, 17, 1}, {3, 5, 9, 16}, {1, 1, 4, 7},
                                      {2, 6, 0, 3},    {2, 3, 2, 8},  {0, 3, 2, 8}};

TEST_P(Gather, IndexSelect) {
  for (const DType dtype : kDTypes) {
    for (const Choice& c : kChoices) {
      const Values x = whole_numbers({c.outer, c.axis, c.inner}, 1, 0, 250);
      const Values index = whole_numbers({c.chosen}, 2, 0, static_cast<double>(c.axis) - 1);
      Values expected = filled({c.outer, c.chosen, c.inner}, 0);
      for (std::int64_t n = 0; n < expected.numel(); ++n) {
        const std::int64_t row = n / c.inner;
        const auto a = static_cast<std::int64_t>(index[row % c.chosen]);
        expected[n] = x[(row / c.chosen * c.axis + a) * c.inner + n % c.inner];
      }
      const DeviceTensor dx(provider(), x, dtype), dindex(provider(), index, DType::i64);
      const auto y = poisoned(provider(), expected.shape, dtype);
      AKIMBO_PROVIDED(index_select_forward)(exec(), dx.view(), dindex.view(), y.view());
      expect_equal(y.read(), expected, x.shape.str() + " " + std::string(dtype_name(dtype)));
    }
  }
}

TEST_P(Gather, IndexSelectGradient) {
  for (const DType dtype : dtypes()) {
    for (const Choice& c : kChoices) {
      const Values grad_y = random_values({c.outer, c.chosen, c.inner}, 1, dtype);
      const Values index = whole_numbers({c.chosen}, 2, 0, static_cast<double>(c.axis) - 1);
      Values expected = filled({c.outer, c.axis, c.inner}, 0), size = expected;
      for (std::int64_t n = 0; n < grad_y.numel(); ++n) {
        const std::int64_t row = n / c.inner;
        const auto a = static_cast<std::int64_t>(index[row % c.chosen]);
        const std::int64_t to = (row / c.chosen * c.axis + a) * c.inner + n % c.inner;
        expected[to] += grad_y[n];
        size[to] += std::abs(grad_y[n]);
      }
      const DeviceTensor dgrad_y(provider(), grad_y, dtype), dindex(provider(), index, DType::i64);
      const auto grad_x = poisoned(provider(), expected.shape, dtype);
      AKIMBO_PROVIDED(index_select_input_grad)
      (exec(), dgrad_y.view(), dindex.view(), grad_x.view());
      expect_close(
          grad_x.read(), expected,
          [&](std::int64_t i) { return tolerance(dtype, static_cast<double>(c.chosen), size[i]); },
          expected.shape.str() + " " + std::string(dtype_name(dtype)));
    }
  }
}

}  // namespace
}  // namespace akimbo
