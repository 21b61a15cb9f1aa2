// Convolution with factors rounded to bf16 against the plain loops in double on rounded operands,
// and the bounds of what Winograd's algorithm adds to that. Where the CPU has no bf16 instructions
// the cases are skipped.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/core/dispatch.h"
#include "kernels/common/parallel.h"
#include "kernels/conv.h"
#include "tests/support/numeric_gradient.h"

namespace akimbo {
namespace {

using kernels::Conv2dParams;
using test_support::random_tensor;

class ConvBf16 : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::cpu::bf16_available()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  }
};

Tensor rounded(const Tensor& x) { return x.to(DType::bf16).to(DType::f64); }

// Operands of a forward pass in double, with every step of the epilogue.
struct Case {
  Shape x, w, y;
  Conv2dParams params;
  bool transposed = false;

  [[nodiscard]] std::string str() const {
    return x.str() + " * " + w.str() + fmt::format(" stride {}", params.stride);
  }
};

Case conv(std::int64_t n, std::int64_t rows, std::int64_t cols, std::int64_t inputs,
          std::int64_t outputs, std::int64_t kernel, Conv2dParams p) {
  const auto extent = [&](std::int64_t v) {
    return (v + 2 * p.padding - p.dilation * (kernel - 1) - 1) / p.stride + 1;
  };
  p.bf16 = true;
  return {{n, rows, cols, inputs},
          {outputs, kernel, kernel, inputs},
          {n, extent(rows), extent(cols), outputs},
          p};
}

Case transposed(std::int64_t n, std::int64_t rows, std::int64_t cols, std::int64_t inputs,
                std::int64_t outputs, bool winograd) {
  return {{n, rows, cols, inputs},
          {outputs, 4, 4, inputs},
          {n, 2 * rows, 2 * cols, outputs},
          {.stride = 2, .padding = 1, .winograd = winograd, .bf16 = true},
          true};
}

struct Operands {
  explicit Operands(const Case& c)
      : x(random_tensor(c.x, 1)),
        w(random_tensor(c.w, 2)),
        scale(random_tensor({c.y[3]}, 3)),
        shift(random_tensor({c.y[3]}, 4)),
        residual(random_tensor(c.y, 5)) {}
  Tensor x, w, scale, shift, residual;
};

// With the whole epilogue, or only the sums.
Tensor run_plain(const Case& c, const Operands& in, bool epilogue) {
  namespace cpu = kernels::cpu;
  Tensor y = Tensor::empty(c.y, DType::f64);
  kernels::ConvEpilogue e;
  if (epilogue) e = {view_of(in.scale), view_of(in.shift), view_of(in.residual), true};
  (c.transposed ? cpu::conv_transpose2d_forward_plain : cpu::conv2d_forward_plain)(
      exec_of(kCpu), view_of(in.x), {.weight = view_of(in.w)}, e, c.params, mutable_view_of(y));
  return y;
}

Tensor run_fast(const Case& c, const Operands& in, bool epilogue) {
  namespace cpu = kernels::cpu;
  const auto f32 = [](const Tensor& t) { return t.to(DType::f32); };
  const Tensor x = f32(in.x), w = f32(in.w), scale = f32(in.scale), shift = f32(in.shift),
               residual = f32(in.residual);
  const std::int64_t numel = (c.transposed ? cpu::conv_transpose2d_packed_numel
                                           : cpu::conv2d_packed_numel)(c.w, DType::f32, c.params);
  Tensor packed = Tensor::empty({numel}), y = Tensor::full(c.y, std::nan(""));
  (c.transposed ? cpu::conv_transpose2d_pack_weight : cpu::conv2d_pack_weight)(
      exec_of(kCpu), view_of(w), c.params, mutable_view_of(packed));
  kernels::ConvEpilogue e;
  if (epilogue) e = {view_of(scale), view_of(shift), view_of(residual), true};
  (c.transposed ? cpu::conv_transpose2d_forward : cpu::conv2d_forward)(
      exec_of(kCpu), view_of(x), {view_of(w), view_of(packed)}, e, c.params, mutable_view_of(y));
  return y;
}

struct Difference {
  double largest = 0, squares = 0, wanted_squares = 0;
  std::int64_t count = 0;
  [[nodiscard]] double deviation() const { return std::sqrt(wanted_squares / double(count)); }
  [[nodiscard]] double rms() const { return std::sqrt(squares / double(count)); }
};

Difference difference(const Tensor& got, const Tensor& wanted) {
  Difference d;
  const Tensor a = got.to(DType::f64), b = wanted.to(DType::f64);
  for (std::size_t i = 0; i < a.values<double>().size(); ++i) {
    const double off = std::abs(a.values<double>()[i] - b.values<double>()[i]);
    if (!(off <= d.largest)) d.largest = off;  // NaN counts
    d.squares += off * off;
    d.wanted_squares += b.values<double>()[i] * b.values<double>()[i];
    ++d.count;
  }
  return d;
}

// Products of rounded operands are exact in f32, so only the sum is rounded: operands are in
// [-1, 1), and a sum of `terms` is off by at most eps * terms * terms / 2; the usual error is far
// smaller.
TEST_F(ConvBf16, DirectSumsMatchPlainLoopsOnRoundedOperands) {
  const std::vector<Case> cases = {
      conv(1, 6, 8, 64, 65, 1, {}),
      conv(2, 7, 5, 18, 17, 1, {}),
      conv(1, 1, 1, 16, 33, 1, {}),
      conv(1, 8, 8, 48, 16, 1, {.stride = 2}),
      conv(1, 4, 3, 1030, 7, 1, {}),
      conv(3, 21, 13, 34, 48, 1, {}),  // tasks round their own pixels
      conv(1, 9, 7, 18, 31, 3, {.stride = 2, .padding = 1}),
      conv(2, 7, 5, 40, 80, 3, {.padding = 1}),  // two panels, the second with an absent vector
      conv(1, 11, 13, 20, 33, 3, {.stride = 3, .padding = 2, .dilation = 2}),
      conv(1, 5, 5, 130, 200, 3, {.padding = 2}),
      transposed(2, 3, 4, 24, 40, false),
      transposed(1, 1, 1, 66, 129, false),
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.str());
    Operands in(c);
    in.x = rounded(in.x);
    in.w = rounded(in.w);
    const double terms = static_cast<double>(c.w[1] * c.w[2] * c.w[3]);
    const Difference d = difference(run_fast(c, in, true), run_plain(c, in, true));
    EXPECT_LE(d.largest, 0x1p-24 * (4 * terms + 16));
    EXPECT_GT(d.deviation(), 0.1);
  }
}

// The same operands unrounded: the kernel rounds them, to nearest even.
TEST_F(ConvBf16, RoundsItsOperands) {
  for (const Case& c :
       {conv(1, 5, 6, 34, 20, 1, {}), conv(1, 5, 6, 34, 20, 3, {.stride = 2, .padding = 1})}) {
    const Operands in(c);
    Operands by_hand = in;
    by_hand.x = rounded(in.x.to(DType::f32));
    by_hand.w = rounded(in.w.to(DType::f32));
    EXPECT_EQ(difference(run_fast(c, in, true), run_fast(c, by_hand, true)).largest, 0);
  }
}

// Integers whose transforms have at most 8 bits go through F(2,3) and F(2,2) without any rounding.
void fill_integers(Tensor& t, std::int64_t step, std::int64_t most) {
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    t.data<double>()[i] = static_cast<double>(step * (i * 7919 % (2 * most + 1) - most));
  }
}

TEST_F(ConvBf16, WinogradIsExactOnSmallIntegers) {
  for (const Case& c : {conv(1, 7, 5, 144, 160, 3, {.padding = 1, .winograd = true}),
                        conv(2, 4, 3, 160, 144, 3, {.padding = 2, .winograd = true}),
                        transposed(1, 3, 5, 48, 32, true), transposed(2, 1, 1, 32, 80, true)}) {
    SCOPED_TRACE(c.str());
    Operands in(c);
    fill_integers(in.x, 1, 3);
    fill_integers(in.w, 4, 2);  // F(2,3) divides by 4
    EXPECT_EQ(difference(run_fast(c, in, false), run_plain(c, in, false)).largest, 0);
  }
}

// The bounds that docs/guide.md gives: errors of a layer, root mean square and largest, as shares
// of the standard deviation of its outputs. A direct sum of rounded factors is off by 0.0024 RMS.
TEST_F(ConvBf16, WinogradStaysWithinItsErrorBounds) {
  struct Bound {
    Case c;
    double rms, largest;
  };
  for (const Bound& b :
       {Bound{conv(2, 16, 12, 32, 32, 3, {.padding = 1, .winograd = true}), 0.015, 0.12},
        Bound{conv(2, 13, 11, 128, 96, 3, {.padding = 1, .winograd = true}), 0.015, 0.12},
        Bound{conv(1, 8, 6, 256, 256, 3, {.padding = 1, .winograd = true}), 0.005, 0.03},
        Bound{transposed(1, 8, 6, 96, 64, true), 0.005, 0.03}}) {
    SCOPED_TRACE(b.c.str());
    const Operands in(b.c);
    const Difference d = difference(run_fast(b.c, in, false), run_plain(b.c, in, false));
    EXPECT_LT(d.rms(), b.rms * d.deviation());
    EXPECT_LT(d.largest, b.largest * d.deviation());
    EXPECT_GT(d.rms(), 0.001 * d.deviation()) << "not rounded at all";
  }
}

TEST_F(ConvBf16, EpilogueFollowsWinogradsSums) {
  for (const Case& c : {conv(1, 7, 5, 48, 64, 3, {.padding = 1, .winograd = true}),
                        transposed(1, 3, 4, 32, 48, true)}) {
    const Operands in(c);
    Tensor sums = run_fast(c, in, false).to(DType::f64);
    const std::size_t channels = in.scale.values<double>().size();
    for (std::size_t i = 0; i < sums.values<double>().size(); ++i) {
      double& v = sums.data<double>()[i];
      v = std::max(0.0, v * in.scale.values<double>()[i % channels] +
                            in.shift.values<double>()[i % channels] +
                            in.residual.values<double>()[i]);
    }
    EXPECT_LE(difference(run_fast(c, in, true), sums).largest, 1e-5) << c.str();
  }
}

TEST_F(ConvBf16, BitsDoNotDependOnThreads) {
  for (const Case& c :
       {conv(2, 33, 40, 32, 80, 3, {.padding = 1, .winograd = true}),
        conv(1, 17, 20, 64, 200, 1, {}), conv(1, 30, 31, 32, 48, 3, {.stride = 2, .padding = 1}),
        transposed(2, 9, 11, 32, 160, true)}) {
    const Operands in(c);
    kernels::set_num_threads(1);
    const Tensor one = run_fast(c, in, true);
    for (const int threads : {2, 3}) {
      kernels::set_num_threads(threads);
      EXPECT_EQ(difference(one, run_fast(c, in, true)).largest, 0) << c.str() << " " << threads;
    }
    kernels::set_num_threads(0);
  }
}

// ReLU must not hide a broken network.
TEST_F(ConvBf16, NanPassesThrough) {
  for (const Case& c :
       {conv(1, 1, 1, 16, 20, 1, {}), conv(1, 3, 3, 32, 32, 3, {.padding = 1, .winograd = true})}) {
    Operands in(c);
    in.x.data<double>()[0] = std::nan("");
    const Tensor y = run_fast(c, in, true);
    EXPECT_TRUE(std::isnan(y.values<float>()[0])) << c.str();
  }
}

// Grouped, odd and thin weights run in f32, and so does a CPU that cannot.
TEST_F(ConvBf16, OtherLayersRunInF32) {
  for (Case c : {conv(1, 6, 5, 17, 8, 3, {.padding = 1}),
                 conv(1, 9, 9, 3, 16, 7, {.stride = 2, .padding = 3}),
                 conv(1, 5, 5, 8, 8, 3, {.padding = 1})}) {
    const Operands in(c);
    const Tensor with = run_fast(c, in, true);
    c.params.bf16 = false;
    EXPECT_EQ(difference(with, run_fast(c, in, true)).largest, 0) << c.str();
  }
}

}  // namespace
}  // namespace akimbo
