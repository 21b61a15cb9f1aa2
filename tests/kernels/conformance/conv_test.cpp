// Convolution of every provider against the plain loops in double, over awkward shapes: tails in
// every extent, strides, dilation, groups, depthwise filters, 3 and 17 channels.
#include "kernels/conv.h"

#include <cmath>
#include <functional>

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::Conv2dParams;
using kernels::ConvEpilogue;

class Conv : public ProviderTest {};
AKIMBO_INSTANTIATE_WITH_VENDORS(Conv);

// 8 channels of a 16-bit type, or 4 of f32, fill a 16-byte piece; a slice of the sum is 32 terms;
// tiles are 32 to 256 pixels and 32 to 128 channels.
const std::vector<ConvCase>& cases() {
  static const std::vector<ConvCase> all = {
      conv_case(1, 5, 7, 16, 24, 3, 3, {.padding = 1}),
      conv_case(2, 6, 5, 3, 19, 3, 3, {.stride = 2, .padding = 1}),
      conv_case(1, 9, 8, 3, 33, 7, 7, {.stride = 2, .padding = 3}),
      conv_case(1, 11, 67, 3, 66, 3, 3, {.stride = 2, .padding = 1}),
      conv_case(1, 7, 5, 17, 31, 3, 3, {.stride = 2, .padding = 1}),
      conv_case(1, 6, 6, 8, 40, 4, 4, {.stride = 2, .padding = 1}),
      conv_case(1, 3, 43, 40, 17, 1, 1, {}),
      conv_case(1, 11, 8, 8, 16, 3, 2, {.stride = 3, .padding = 2, .dilation = 2}),
      conv_case(1, 8, 7, 8, 8, 3, 3, {.padding = 2, .dilation = 2}),
      conv_case(1, 7, 6, 32, 16, 3, 3, {.stride = 2, .padding = 1, .groups = 2}),
      conv_case(1, 5, 4, 10, 20, 3, 3, {.padding = 1, .groups = 2}),
      conv_case(1, 5, 6, 16, 16, 3, 3, {.padding = 1, .groups = 16}),
      conv_case(2, 6, 5, 5, 5, 3, 3, {.stride = 2, .padding = 1, .groups = 5}),
      conv_case(1, 4, 4, 6, 12, 3, 3, {.padding = 1, .groups = 6}),
      conv_case(1, 8, 8, 16, 8, 1, 1, {.stride = 2}),
      conv_case(1, 10, 10, 8, 8, 5, 5, {.stride = 5}),
      conv_case(1, 1, 1, 1, 1, 1, 1, {}),
      conv_case(1, 2, 3, 72, 130, 1, 1, {}),
  };
  return all;
}

// A pass of the contract on the provider, against the same of cpu::..._plain in double.
class Passes {
 public:
  Passes(Provider provider, const kernels::Exec& exec, const ConvCase& c, DType dtype, bool tf32)
      : provider_(provider), exec_(exec), case_(c), dtype_(dtype), tf32_(tf32) {}

  void forward(kernels::Conv2dForward* kernel, kernels::Conv2dForward* plain, const Shape& x,
               const Shape& w, const Shape& y) const {
    const auto run = [&](kernels::Conv2dForward* f, const kernels::Exec& exec, auto view_x,
                         auto view_w,
                         auto out) { f(exec, view_x, {.weight = view_w}, {}, case_.params, out); };
    check(kernel, plain, run, x, w, y, dtype_);
  }
  void gradient(kernels::Conv2dInputGrad* kernel, kernels::Conv2dInputGrad* plain, const Shape& a,
                const Shape& b, const Shape& out, DType out_dtype) const {
    const auto run = [&](kernels::Conv2dInputGrad* f, const kernels::Exec& exec, auto view_a,
                         auto view_b,
                         auto view_out) { f(exec, view_a, view_b, case_.params, view_out); };
    check(kernel, plain, run, a, b, out, out_dtype);
  }

 private:
  template <typename Kernel, typename Run>
  void check(Kernel* kernel, Kernel* plain, const Run& run, const Shape& a_shape,
             const Shape& b_shape, const Shape& out_shape, DType out_dtype) const {
    const Values a = random_values(a_shape, 1, dtype_), b = random_values(b_shape, 2, dtype_);
    const DeviceTensor da(provider_, a, dtype_), db(provider_, b, dtype_);
    const DeviceTensor out = poisoned(provider_, out_shape, out_dtype);
    run(kernel, exec_, da.view(), db.view(), out.view());
    const auto reference = [&](const Values& u, const Values& v) {
      Values result = filled(out_shape, 0);
      run(plain, plain_exec(), plain_view(u), plain_view(v), plain_view(result));
      return result;
    };
    const Values expected = reference(a, b);
    const Values magnitude = reference(absolute(a), absolute(b));
    expect_close(out.read(), expected, sum_tolerance(expected, magnitude, out_dtype, dtype_, tf32_),
                 case_.str() + " " + std::string(dtype_name(dtype_)) + (tf32_ ? " tf32" : ""));
  }

  Provider provider_;
  const kernels::Exec& exec_;
  const ConvCase& case_;
  DType dtype_;
  bool tf32_;
};

// f(passes, case, dtype) for every case, dtype, and tf32.
template <typename F>
void for_each_case(Provider provider, const std::vector<DType>& dtypes,
                   const std::function<const kernels::Exec&(bool tf32)>& exec, const F& f) {
  for (const ConvCase& c : cases()) {
    for (const DType dtype : dtypes) {
      for (const bool tf32 : {false, true}) {
        if (tf32 && (provider == Provider::cpu || dtype != DType::f32)) continue;
        f(Passes(provider, exec(tf32), c, dtype, tf32), c, dtype);
      }
    }
  }
}

#define FOR_EACH_CASE                                                                                     \
  for_each_case(provider(), dtypes(), [](bool tf32) -> const kernels::Exec& { return exec(true, tf32); }, \
                [&](const Passes& passes, const ConvCase& c, [[maybe_unused]] DType dtype)

TEST_P(Conv, Forward) {
  FOR_EACH_CASE {
    passes.forward(AKIMBO_PROVIDED(conv2d_forward), kernels::cpu::conv2d_forward_plain, c.big, c.w,
                   c.small);
  });
}

TEST_P(Conv, InputGrad) {
  FOR_EACH_CASE {
    passes.gradient(AKIMBO_PROVIDED(conv2d_input_grad), kernels::cpu::conv2d_input_grad_plain,
                    c.small, c.w, c.big, dtype);
  });
}

TEST_P(Conv, WeightGrad) {
  FOR_EACH_CASE {
    passes.gradient(AKIMBO_PROVIDED(conv2d_weight_grad), kernels::cpu::conv2d_weight_grad_plain,
                    c.big, c.small, c.w, dtype);
  });
}

TEST_P(Conv, TransposedForward) {
  FOR_EACH_CASE {
    passes.forward(AKIMBO_PROVIDED(conv_transpose2d_forward),
                   kernels::cpu::conv_transpose2d_forward_plain, c.small, c.w_transposed, c.big);
  });
}

TEST_P(Conv, TransposedInputGrad) {
  FOR_EACH_CASE {
    passes.gradient(AKIMBO_PROVIDED(conv_transpose2d_input_grad),
                    kernels::cpu::conv_transpose2d_input_grad_plain, c.big, c.w_transposed, c.small,
                    dtype);
  });
}

TEST_P(Conv, TransposedWeightGrad) {
  FOR_EACH_CASE {
    passes.gradient(AKIMBO_PROVIDED(conv_transpose2d_weight_grad),
                    kernels::cpu::conv_transpose2d_weight_grad_plain, c.small, c.big,
                    c.w_transposed, dtype);
  });
}

// Gradients of weights in f32, for master weights beside 16-bit activations.
TEST_P(Conv, WeightGradInF32) {
  const std::vector<ConvCase> some = {conv_case(1, 5, 7, 16, 24, 3, 3, {.padding = 1}),
                                      conv_case(1, 4, 5, 6, 6, 3, 3, {.padding = 1, .groups = 6}),
                                      conv_case(1, 4, 4, 3, 3, 1, 1, {.groups = 1})};
  for (const ConvCase& c : some) {
    for (const DType dtype : dtypes()) {
      if (dtype != DType::bf16 && dtype != DType::f16) continue;
      const Passes passes(provider(), exec(), c, dtype, false);
      passes.gradient(AKIMBO_PROVIDED(conv2d_weight_grad), kernels::cpu::conv2d_weight_grad_plain,
                      c.big, c.small, c.w, DType::f32);
      passes.gradient(AKIMBO_PROVIDED(conv_transpose2d_weight_grad),
                      kernels::cpu::conv_transpose2d_weight_grad_plain, c.small, c.big,
                      c.w_transposed, DType::f32);
    }
  }
}

// ---- epilogues ----

struct EpilogueValues {
  Values scale, shift, residual;
};

EpilogueValues epilogue_values(const Shape& y, DType dtype, DType vector_dtype) {
  return {random_values({y[3]}, 3, vector_dtype), random_values({y[3]}, 4, vector_dtype),
          random_values(y, 5, dtype)};
}

DType vector_dtype_of(DType dtype) { return dtype == DType::f64 ? dtype : DType::f32; }

// Sums of channels as the contract defines them, from y as it was stored.
Values summed_parts(const Values& sums) {
  Values total = filled({2, sums.shape[2]}, 0);
  for (std::int64_t i = 0; i < sums.numel(); ++i) total[i % total.numel()] += sums[i];
  return total;
}
Values channel_sums_of(const Values& y) {
  const std::int64_t channels = y.shape[3];
  Values sums = filled({2, channels}, 0);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    sums[i % channels] += y[i];
    sums[channels + i % channels] += y[i] * y[i];
  }
  return sums;
}

void expect_epilogue(Provider provider, const kernels::Exec& exec, kernels::Conv2dForward* kernel,
                     kernels::Conv2dForward* plain, const ConvCase& c, const Shape& x_shape,
                     const Shape& w_shape, const Shape& y_shape, DType dtype, std::int64_t parts) {
  const DType vectors = vector_dtype_of(dtype);
  const Values x = random_values(x_shape, 1, dtype), w = random_values(w_shape, 2, dtype);
  const EpilogueValues e = epilogue_values(y_shape, dtype, vectors);
  const DeviceTensor dx(provider, x, dtype), dw(provider, w, dtype);
  const DeviceTensor scale(provider, e.scale, vectors), shift(provider, e.shift, vectors);
  const DeviceTensor residual(provider, e.residual, dtype);
  const DeviceTensor apart = poisoned(provider, y_shape, dtype);
  const DeviceTensor& y = provider == Provider::cpu ? apart : residual;  // y is its own residual
  const DeviceTensor sums = poisoned(provider, {parts, 2, y_shape[3]}, vectors);
  kernel(exec, dx.view(), {.weight = dw.view()},
         {scale.view(), shift.view(), residual.view(), true, sums.view()}, c.params, y.view());

  const auto reference = [&](const Values& u, const Values& v, const EpilogueValues& f) {
    Values result = f.residual;
    plain(plain_exec(), plain_view(u), {.weight = plain_view(v)},
          {plain_view(f.scale), plain_view(f.shift), plain_view(result), true}, c.params,
          plain_view(result));
    return result;
  };
  const Values expected = reference(x, w, e);
  const Values magnitude = reference(absolute(x), absolute(w),
                                     {absolute(e.scale), absolute(e.shift), absolute(e.residual)});
  const std::string what = c.str() + " " + std::string(dtype_name(dtype));
  const Values stored = y.read();
  expect_close(stored, expected, sum_tolerance(expected, magnitude, dtype, dtype, false), what);
  const Values wanted = channel_sums_of(stored);
  expect_close(summed_parts(sums.read()), wanted,
               sum_tolerance(wanted, channel_sums_of(absolute(stored)), vectors, vectors, false),
               what + " sums");
}

TEST_P(Conv, Epilogue) {
  const std::vector<ConvCase> some = {
      conv_case(2, 5, 7, 16, 24, 3, 3, {.padding = 1}),
      conv_case(1, 6, 5, 3, 19, 3, 3, {.stride = 2, .padding = 1}),
      conv_case(1, 4, 6, 8, 8, 4, 4, {.stride = 2, .padding = 1}),
      conv_case(1, 5, 6, 8, 8, 3, 3, {.padding = 1, .groups = 8}),
      conv_case(1, 4, 5, 32, 32, 3, 3, {.padding = 1, .groups = 2}),
      conv_case(1, 3, 3, 264, 16, 1, 1, {}),  // the sum is split
  };
  for (const ConvCase& c : some) {
    for (const DType dtype : dtypes()) {
      for (const std::int64_t parts : {1, 3}) {
        expect_epilogue(provider(), exec(), AKIMBO_PROVIDED(conv2d_forward),
                        kernels::cpu::conv2d_forward_plain, c, c.big, c.w, c.small, dtype, parts);
        expect_epilogue(provider(), exec(), AKIMBO_PROVIDED(conv_transpose2d_forward),
                        kernels::cpu::conv_transpose2d_forward_plain, c, c.small, c.w_transposed,
                        c.big, dtype, parts);
      }
    }
  }
}

// ReLU must not hide a broken network.
TEST_P(Conv, NanPassesThroughRelu) {
  for (const DType dtype : dtypes()) {
    const DeviceTensor x(provider(), filled({1, 1, 1, 8}, std::nan("")), dtype);
    const DeviceTensor w(provider(), filled({20, 1, 1, 8}, 1), dtype);
    const DeviceTensor y = poisoned(provider(), {1, 1, 1, 20}, dtype);
    AKIMBO_PROVIDED(conv2d_forward)
    (exec(), x.view(), {.weight = w.view()}, {.relu = true}, {}, y.view());
    expect_close(y.read(), filled({1, 1, 1, 20}, std::nan("")), 0);
  }
}

// A pixel that is not a number spoils the windows that hold it, and no others.
TEST_P(Conv, NanStaysInItsWindows) {
  for (const ConvCase& c : {conv_case(1, 9, 14, 3, 8, 3, 3, {.stride = 2, .padding = 1}),
                            conv_case(1, 5, 6, 8, 8, 3, 3, {.padding = 1})}) {
    for (const DType dtype : dtypes()) {
      Values x = random_values(c.big, 1, dtype);
      x[(3 * c.big[2] + 4) * c.big[3]] = std::nan("");  // right behind the second window
      const Values w = random_values(c.w, 2, dtype);
      const DeviceTensor dx(provider(), x, dtype), dw(provider(), w, dtype);
      const DeviceTensor y = poisoned(provider(), c.small, dtype);
      AKIMBO_PROVIDED(conv2d_forward)
      (exec(), dx.view(), {.weight = dw.view()}, {}, c.params, y.view());
      Values expected = filled(c.small, 0);
      kernels::cpu::conv2d_forward_plain(plain_exec(), plain_view(x), {.weight = plain_view(w)}, {},
                                         c.params, plain_view(expected));
      const Values magnitude = filled(c.small, static_cast<double>(c.w.numel() / c.w[0]));
      expect_close(y.read(), expected, sum_tolerance(expected, magnitude, dtype, dtype, false),
                   c.str() + " " + std::string(dtype_name(dtype)));
    }
  }
}

// Memory that starts at odd elements, as slices of a flat buffer do.
TEST_P(Conv, UnalignedOperands) {
  const ConvCase c = conv_case(1, 5, 4, 16, 24, 3, 3, {.padding = 1});
  for (const DType dtype : dtypes()) {
    const Values x = random_values(c.big, 1, dtype), w = random_values(c.w, 2, dtype);
    const auto dx = DeviceTensor::at_offset(provider(), x, dtype, 1);
    const auto dw = DeviceTensor::at_offset(provider(), w, dtype, 3);
    const auto dy = DeviceTensor::poisoned(provider(), c.small, dtype, 1);
    AKIMBO_PROVIDED(conv2d_forward)
    (exec(), dx.view(), {.weight = dw.view()}, {}, c.params, dy.view());
    Values expected = filled(c.small, 0), magnitude = filled(c.small, 0);
    kernels::cpu::conv2d_forward_plain(plain_exec(), plain_view(x), {.weight = plain_view(w)}, {},
                                       c.params, plain_view(expected));
    const Values ax = absolute(x), aw = absolute(w);
    kernels::cpu::conv2d_forward_plain(plain_exec(), plain_view(ax), {.weight = plain_view(aw)}, {},
                                       c.params, plain_view(magnitude));
    expect_close(dy.read(), expected, sum_tolerance(expected, magnitude, dtype, dtype, false));
  }
}

TEST_P(Conv, BiasGrad) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{2, 9, 11, 17}, Shape{1, 13, 37, 64}}) {
      const Values g = random_values(shape, 1, dtype);
      for (const DType out : {dtype, vector_dtype_of(dtype)}) {
        if (provider() == Provider::cpu && out != dtype) continue;
        const DeviceTensor dg(provider(), g, dtype);
        const DeviceTensor grad = poisoned(provider(), {shape[3]}, out);
        AKIMBO_PROVIDED(conv_bias_grad)(exec(), dg.view(), grad.view());
        Values expected = filled({shape[3]}, 0), magnitude = filled({shape[3]}, 0);
        for (std::int64_t i = 0; i < g.numel(); ++i) {
          expected[i % shape[3]] += g[i];
          magnitude[i % shape[3]] += std::abs(g[i]);
        }
        expect_close(grad.read(), expected, sum_tolerance(expected, magnitude, out, dtype, false));
      }
    }
  }
}

TEST_P(Conv, NoImages) {
  const DeviceTensor x = poisoned(provider(), {0, 4, 4, 8}, DType::f32);
  const DeviceTensor w(provider(), filled({8, 1, 1, 8}, 1), DType::f32);
  const DeviceTensor y = poisoned(provider(), {0, 4, 4, 8}, DType::f32);
  AKIMBO_PROVIDED(conv2d_forward)(exec(), x.view(), {.weight = w.view()}, {}, {}, y.view());
  const DeviceTensor grad_w = poisoned(provider(), {8, 1, 1, 8}, DType::f32);
  AKIMBO_PROVIDED(conv2d_weight_grad)(exec(), x.view(), y.view(), {}, grad_w.view());
  expect_close(grad_w.read(), filled({8, 1, 1, 8}, 0), 0);
}

}  // namespace
}  // namespace akimbo
