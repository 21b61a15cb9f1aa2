// Every pass of the fast convolution against the plain loops in double, over awkward shapes, with
// every instruction set of the machine, and with different numbers of threads.
#include "kernels/conv.h"
#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <tuple>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/simd_target.h"
#include "tests/support/numeric_gradient.h"

namespace akimbo {
namespace {

using kernels::Conv2dParams;
using test_support::random_tensor;

struct Case {
  Shape big, small, w;
  Conv2dParams params;

  [[nodiscard]] std::string str() const {
    return big.str() + " <-> " + small.str() + ", w " + w.str() +
           fmt::format(" stride {} padding {} dilation {} groups {}", params.stride, params.padding,
                       params.dilation, params.groups);
  }
};

// Operands of the six passes, in double. A convolution reads big and writes small, so its weight is
// [small, kh, kw, big]; the transposed one has w_transposed [big, kh, kw, small].
Case make_case(std::int64_t n, std::int64_t rows, std::int64_t cols, std::int64_t inputs,
               std::int64_t outputs, std::int64_t kh, std::int64_t kw, Conv2dParams p) {
  const auto extent = [&](std::int64_t x, std::int64_t k) {
    return (x + 2 * p.padding - p.dilation * (k - 1) - 1) / p.stride + 1;
  };
  return {{n, rows, cols, inputs},
          {n, extent(rows, kh), extent(cols, kw), outputs},
          {outputs, kh, kw, inputs / p.groups},
          p};
}

std::vector<Case> cases() {
  return {
      make_case(2, 7, 5, 3, 64, 3, 3, {.stride = 1, .padding = 1}),
      make_case(1, 6, 8, 64, 65, 1, 1, {}),
      make_case(1, 5, 5, 1, 1, 3, 3, {.stride = 1, .padding = 1}),
      make_case(1, 9, 7, 17, 31, 3, 3, {.stride = 2, .padding = 1}),
      make_case(1, 14, 11, 3, 33, 7, 7, {.stride = 2, .padding = 3}),
      make_case(2, 8, 6, 40, 129, 4, 4, {.stride = 2, .padding = 1}),
      make_case(1, 4, 3, 1031, 7, 1, 1, {}),
      make_case(1, 3, 3, 600, 20, 2, 2, {.stride = 1, .padding = 1}),
      make_case(1, 11, 13, 5, 19, 3, 2, {.stride = 3, .padding = 2, .dilation = 2}),
      make_case(1, 7, 9, 12, 40, 3, 3, {.stride = 2, .padding = 1, .groups = 4}),
      make_case(1, 6, 7, 9, 9, 3, 3, {.stride = 1, .padding = 1, .groups = 9}),
      make_case(1, 6, 7, 5, 10, 3, 3, {.stride = 2, .padding = 1, .groups = 5}),
      make_case(1, 8, 8, 48, 16, 1, 1, {.stride = 2}),
      make_case(1, 33, 40, 5, 13, 3, 3, {.stride = 1, .padding = 1}),
      make_case(2, 7, 9, 24, 20, 3, 3, {.stride = 2, .padding = 1}),  // taps share panels
      // Winograd: blocks cut at the edges, more channels than one task takes, partial sums.
      make_case(1, 7, 5, 32, 48, 3, 3, {.stride = 1, .padding = 1, .winograd = true}),
      make_case(2, 9, 14, 80, 64, 3, 3, {.stride = 1, .padding = 0, .winograd = true}),
      make_case(1, 4, 3, 160, 144, 3, 3, {.stride = 1, .padding = 2, .winograd = true}),
      make_case(3, 36, 41, 32, 32, 3, 3, {.stride = 1, .padding = 1, .winograd = true}),
      make_case(1, 5, 6, 144, 160, 3, 3, {.padding = 1, .winograd = true, .pixels = 1024}),
      make_case(1, 10, 7, 32, 48, 4, 4, {.stride = 2, .padding = 1, .winograd = true}),
      make_case(1, 21, 12, 80, 48, 4, 4,
                {.stride = 2, .padding = 1, .winograd = true, .pixels = 1024}),
      make_case(2, 13, 16, 144, 160, 4, 4, {.stride = 2, .padding = 1, .winograd = true}),
      make_case(3, 46, 40, 32, 32, 4, 4, {.stride = 2, .padding = 1, .winograd = true}),
      make_case(1, 2, 2, 32, 32, 4, 4, {.stride = 2, .padding = 1, .winograd = true}),
  };
}

// Runs one of the passes on views; `result` is overwritten.
using Run = std::function<void(const kernels::Exec&, const std::vector<Tensor>&, Tensor& result)>;

struct Pass {
  const char* name;
  Run fast, plain;
  std::vector<Tensor> operands;
  Shape result;
  std::int64_t terms;  // of one sum
};

std::vector<Pass> passes(const Case& c) {
  namespace cpu = kernels::cpu;
  const Shape wt{c.big[3], c.w[1], c.w[2], c.small[3] / c.params.groups};
  const Tensor big = random_tensor(c.big, 1), small = random_tensor(c.small, 2);
  const Tensor w = random_tensor(c.w, 3), w_transposed = random_tensor(wt, 4);
  const auto forward = [p = c.params](auto* kernel) -> Run {
    return [=](const kernels::Exec& exec, const std::vector<Tensor>& in, Tensor& out) {
      kernel(exec, view_of(in[0]), {.weight = view_of(in[1])}, {}, p, mutable_view_of(out));
    };
  };
  const auto gradient = [p = c.params](auto* kernel) -> Run {
    return [=](const kernels::Exec& exec, const std::vector<Tensor>& in, Tensor& out) {
      kernel(exec, view_of(in[0]), view_of(in[1]), p, mutable_view_of(out));
    };
  };
  const std::int64_t taps = c.w[1] * c.w[2];
  // Winograd's transforms add and take away again: short sums come out of longer ones.
  const std::int64_t fewest = c.params.winograd ? 256 : 0;
  const std::int64_t pixels = std::max(fewest, c.big.numel() / c.big[3]);
  return {
      {"conv2d_forward",
       forward(cpu::conv2d_forward),
       forward(cpu::conv2d_forward_plain),
       {big, w},
       c.small,
       taps * c.w[3]},
      {"conv2d_input_grad",
       gradient(cpu::conv2d_input_grad),
       gradient(cpu::conv2d_input_grad_plain),
       {small, w},
       c.big,
       taps * c.w[0]},
      {"conv2d_weight_grad",
       gradient(cpu::conv2d_weight_grad),
       gradient(cpu::conv2d_weight_grad_plain),
       {big, small},
       c.w,
       pixels},
      {"conv_transpose2d_forward",
       forward(cpu::conv_transpose2d_forward),
       forward(cpu::conv_transpose2d_forward_plain),
       {small, w_transposed},
       c.big,
       taps * wt[3]},
      {"conv_transpose2d_input_grad",
       gradient(cpu::conv_transpose2d_input_grad),
       gradient(cpu::conv_transpose2d_input_grad_plain),
       {big, w_transposed},
       c.small,
       taps * wt[0]},
      {"conv_transpose2d_weight_grad",
       gradient(cpu::conv_transpose2d_weight_grad),
       gradient(cpu::conv_transpose2d_weight_grad_plain),
       {small, big},
       wt,
       pixels},
  };
}

Tensor run(const Run& function, const std::vector<Tensor>& operands, const Shape& result,
           DType dtype) {
  std::vector<Tensor> converted;
  for (const Tensor& operand : operands) converted.push_back(operand.to(dtype));
  Tensor out = Tensor::full(result, std::numeric_limits<double>::quiet_NaN(), dtype);
  function(exec_of(kCpu), converted, out);
  return out;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const Tensor a64 = a.to(DType::f64), b64 = b.to(DType::f64);
  double largest = 0;
  for (std::size_t i = 0; i < a64.values<double>().size(); ++i) {
    const double difference = std::abs(a64.values<double>()[i] - b64.values<double>()[i]);
    if (!(difference <= largest)) largest = difference;  // NaN counts
  }
  return largest;
}

// Operands are in [-1, 1): a sum of `terms` products, each rounded, and operands rounded to the
// type, is off by at most eps * terms * (terms / 2 + 2); the usual error is far smaller.
double tolerance(DType dtype, std::int64_t terms) {
  const double eps = dtype == DType::f32 ? 0x1p-24 : 0x1p-53;
  return eps * static_cast<double>(terms) * 4 + eps * 16;
}

TEST(ConvKernels, FastPathMatchesPlainLoops) {
  for (const Case& c : cases()) {
    for (const Pass& pass : passes(c)) {
      const Tensor wanted = run(pass.plain, pass.operands, pass.result, DType::f64);
      for (const std::string& target : kernels::cpu::simd_targets()) {
        SCOPED_TRACE(std::string(pass.name) + " " + c.str() + " with " + target);
        kernels::cpu::use_simd_target(target);
        for (const DType dtype : {DType::f32, DType::f64}) {
          const Tensor got = run(pass.fast, pass.operands, pass.result, dtype);
          EXPECT_TRUE(largest_difference(got, wanted) <= tolerance(dtype, pass.terms))
              << dtype_name(dtype) << " is off by " << largest_difference(got, wanted);
        }
      }
      kernels::cpu::use_simd_target("");
    }
  }
}

// One case per kernel is enough: large enough to be cut into several tasks and partial sums.
void expect_same_bits(const Case& c) {
  for (const Pass& pass : passes(c)) {
    SCOPED_TRACE(pass.name);
    kernels::set_num_threads(1);
    const Tensor one = run(pass.fast, pass.operands, pass.result, DType::f32);
    for (const int threads : {2, 3}) {
      kernels::set_num_threads(threads);
      const Tensor more = run(pass.fast, pass.operands, pass.result, DType::f32);
      EXPECT_EQ(largest_difference(one, more), 0) << threads << " threads";
    }
    kernels::set_num_threads(0);
  }
}

TEST(ConvKernels, InputGradientTakesAnAddend) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.str());
    const Tensor grad_y = random_tensor(c.small, 1, DType::f32);
    const Tensor w = random_tensor(c.w, 2, DType::f32);
    const Tensor addend = random_tensor(c.big, 3, DType::f32);
    Tensor apart = Tensor::empty(c.big), together = Tensor::empty(c.big);
    kernels::cpu::conv2d_input_grad(exec_of(kCpu), view_of(grad_y), view_of(w), c.params,
                                    mutable_view_of(apart));
    kernels::cpu::add_forward(exec_of(kCpu), view_of(apart), view_of(addend),
                              mutable_view_of(apart));
    kernels::cpu::conv2d_input_grad_add(exec_of(kCpu), view_of(grad_y), view_of(w), view_of(addend),
                                        c.params, mutable_view_of(together));
    EXPECT_EQ(largest_difference(together, apart), 0);
  }
}

TEST(ConvKernels, BitsDoNotDependOnThreads) {
  expect_same_bits(make_case(2, 33, 40, 6, 70, 3, 3, {.stride = 1, .padding = 1}));
  expect_same_bits(
      make_case(3, 36, 41, 32, 80, 3, 3, {.stride = 1, .padding = 1, .winograd = true}));
  expect_same_bits(
      make_case(3, 36, 41, 32, 80, 4, 4, {.stride = 2, .padding = 1, .winograd = true}));
}

// The bound that is promised to users (docs/guide.md): the largest error of a layer is below 1e-4
// of the standard deviation of its outputs.
TEST(ConvKernels, WinogradStaysWithinItsErrorBound) {
  const Conv2dParams params{.stride = 1, .padding = 1, .winograd = true, .pixels = 1024};
  Conv2dParams transposed = params;
  transposed.stride = 2;
  for (const auto& [c, prefix] :
       {std::pair(make_case(6, 16, 12, 32, 32, 3, 3, params), "conv2d"),
        {make_case(6, 16, 12, 128, 128, 3, 3, params), "conv2d"},
        {make_case(6, 16, 12, 256, 256, 3, 3, params), "conv2d"},
        {make_case(2, 32, 24, 256, 256, 4, 4, transposed), "conv_transpose2d"}}) {
    for (const Pass& pass : passes(c)) {
      if (!std::string(pass.name).starts_with(prefix)) continue;
      SCOPED_TRACE(std::string(pass.name) + " " + c.str());
      const Tensor wanted = run(pass.fast, pass.operands, pass.result, DType::f64);
      const Tensor got = run(pass.fast, pass.operands, pass.result, DType::f32);
      double squares = 0;
      for (const double v : wanted.values<double>()) squares += v * v;
      const double deviation = std::sqrt(squares / static_cast<double>(wanted.numel()));
      EXPECT_LT(largest_difference(got, wanted), 1e-4 * deviation);
    }
  }
}

TEST(ConvKernels, EpilogueMatchesPlainLoops) {
  // More channels than one part of the sum, so that the epilogue follows the last part only.
  const Case c = make_case(1, 5, 7, 520, 37, 3, 3, {.stride = 1, .padding = 1});
  const Tensor x = random_tensor(c.big, 1, DType::f32), w = random_tensor(c.w, 2, DType::f32);
  const Tensor scale = random_tensor({37}, 3, DType::f32),
               shift = random_tensor({37}, 4, DType::f32);
  const Tensor residual = random_tensor(c.small, 5, DType::f32);
  const kernels::ConvEpilogue epilogue{view_of(scale), view_of(shift), view_of(residual), true};
  Tensor fast = Tensor::empty(c.small), plain = Tensor::empty(c.small);
  kernels::cpu::conv2d_forward(exec_of(kCpu), view_of(x), {.weight = view_of(w)}, epilogue,
                               c.params, mutable_view_of(fast));
  kernels::cpu::conv2d_forward_plain(exec_of(kCpu), view_of(x), {.weight = view_of(w)}, epilogue,
                                     c.params, mutable_view_of(plain));
  EXPECT_LE(largest_difference(fast, plain), 2 * tolerance(DType::f32, 9 * 520));
}

// Runs a forward pass with every step of the epilogue, the weight packed or not.
template <typename Kernel>
Tensor with_epilogue(Kernel* kernel, const Tensor& x, const Tensor& w, const Tensor& packed,
                     const Conv2dParams& params, const Shape& result) {
  const DType dtype = x.dtype();
  const Tensor scale = random_tensor({result[3]}, 3, dtype);
  const Tensor shift = random_tensor({result[3]}, 4, dtype);
  const Tensor residual = random_tensor(result, 5, dtype);
  Tensor y = Tensor::empty(result, dtype);
  kernel(exec_of(kCpu), view_of(x), {view_of(w), view_of(packed)},
         {view_of(scale), view_of(shift), view_of(residual), true}, params, mutable_view_of(y));
  return y;
}

// Of these, the ones with enough channels select Winograd's algorithm, whose sums run over
// transformed operands: a few pixels each, and a few sums make an output.
template <typename Pack, typename Numel, typename Kernel>
void expect_packed_forward(const Shape& x_shape, const Shape& w_shape, const Conv2dParams& params,
                           const Shape& result, Numel* numel, Pack* pack, Kernel* fast,
                           Kernel* plain) {
  const Tensor x = random_tensor(x_shape, 1, DType::f64), w = random_tensor(w_shape, 2, DType::f64);
  const Tensor wanted = with_epilogue(plain, x, w, {}, params, result);
  for (const std::string& target : kernels::cpu::simd_targets()) {
    SCOPED_TRACE(x_shape.str() + " * " + w_shape.str() + " with " + target);
    kernels::cpu::use_simd_target(target);
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor tx = x.to(dtype), tw = w.to(dtype);
      Tensor packed = Tensor::empty({numel(w_shape, dtype, params)}, dtype);
      pack(exec_of(kCpu), view_of(tw), params, mutable_view_of(packed));
      kernels::set_num_threads(1);
      const Tensor got = with_epilogue(fast, tx, tw, packed, params, result);
      const std::int64_t terms = w_shape[1] * w_shape[2] * w_shape[3];
      EXPECT_LE(largest_difference(got, wanted), 2 * tolerance(dtype, terms));
      kernels::set_num_threads(3);
      EXPECT_EQ(largest_difference(got, with_epilogue(fast, tx, tw, packed, params, result)), 0);
      kernels::set_num_threads(0);
    }
  }
  kernels::cpu::use_simd_target("");
}

TEST(ConvKernels, PackedForwardMatchesPlainLoops) {
  namespace cpu = kernels::cpu;
  for (const Case& c :
       {make_case(1, 7, 5, 32, 48, 3, 3, {.stride = 1, .padding = 1, .winograd = true}),
        make_case(2, 16, 14, 64, 80, 3, 3, {.padding = 1, .winograd = true}),
        make_case(1, 3, 4, 32, 32, 3, 3, {.winograd = true}),
        make_case(1, 1, 1, 48, 32, 3, 3, {.padding = 2, .winograd = true}),
        make_case(1, 5, 6, 24, 40, 3, 3, {.stride = 1, .padding = 1})}) {
    expect_packed_forward(c.big, c.w, c.params, c.small, cpu::conv2d_packed_numel,
                          cpu::conv2d_pack_weight, cpu::conv2d_forward, cpu::conv2d_forward_plain);
  }
}

TEST(ConvKernels, PackedTransposedForwardMatchesPlainLoops) {
  namespace cpu = kernels::cpu;
  for (const std::int64_t pixels : {0, 1024}) {
    const Conv2dParams params{.stride = 2, .padding = 1, .winograd = true, .pixels = pixels};
    for (const auto& [x, w, y] : std::vector<std::tuple<Shape, Shape, Shape>>{
             {{2, 6, 5, 48}, {32, 4, 4, 48}, {2, 12, 10, 32}},
             {{1, 1, 1, 32}, {80, 4, 4, 32}, {1, 2, 2, 80}},
             {{1, 3, 4, 64}, {32, 4, 4, 64}, {1, 7, 9, 32}},  // output padding 1
             {{1, 3, 4, 24}, {40, 4, 4, 24}, {1, 6, 8, 40}}}) {
      expect_packed_forward(x, w, params, y, cpu::conv_transpose2d_packed_numel,
                            cpu::conv_transpose2d_pack_weight, cpu::conv_transpose2d_forward,
                            cpu::conv_transpose2d_forward_plain);
    }
  }
}

// ReLU must not hide a broken network.
TEST(ConvKernels, NanPassesThroughTheEpilogue) {
  const Tensor x = Tensor::full({1, 1, 1, 1}, std::numeric_limits<double>::quiet_NaN());
  const Tensor w = Tensor::full({20, 1, 1, 1}, 1);
  for (const std::string& target : kernels::cpu::simd_targets()) {
    kernels::cpu::use_simd_target(target);
    Tensor y = Tensor::zeros({1, 1, 1, 20});
    kernels::cpu::conv2d_forward(exec_of(kCpu), view_of(x), {.weight = view_of(w)}, {.relu = true},
                                 {}, mutable_view_of(y));
    EXPECT_TRUE(std::isnan(y.values<float>()[0]) && std::isnan(y.values<float>()[19])) << target;
  }
  kernels::cpu::use_simd_target("");
}

}  // namespace
}  // namespace akimbo
