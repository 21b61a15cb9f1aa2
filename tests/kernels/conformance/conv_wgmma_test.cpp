// The convolution kernels of sm_90a, chosen by hand: every tile, both orders of the filter, whole
// and cut sums; shapes at the limits of tensor maps; and what such maps refuse, which the other
// kernels compute.
#include "kernels/cuda/conv/conv_wgmma.h"

#include <array>

#include "kernels/cuda/conv/conv_own.h"
#include "kernels/device_runtime.h"
#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"
#include "tests/kernels/conformance/hopper.h"

namespace akimbo {
namespace {

using namespace conformance;
using namespace kernels::cuda;
using kernels::Conv2dParams;
using kernels::Order;

class ConvWgmma : public HopperTest {};
AKIMBO_INSTANTIATE_PROVIDERS(ConvWgmma);

// The passes of kernels/conv.h that gather: map read from, order of the filter, formula.
enum class Gather { forward, input_grad, transposed_forward, transposed_input_grad };
constexpr std::array kGathers = {Gather::forward, Gather::input_grad, Gather::transposed_forward,
                                 Gather::transposed_input_grad};

struct GatherShapes {
  Direction direction;
  Order order;
  Shape source, filter, y;
};

GatherShapes shapes_of(Gather pass, const ConvCase& c) {
  switch (pass) {
    case Gather::forward:
      return {Direction::small_to_big, Order::k_contiguous, c.big, c.w, c.small};
    case Gather::input_grad:
      return {Direction::big_to_small, Order::k_strided, c.small, c.w, c.big};
    case Gather::transposed_forward:
      return {Direction::big_to_small, Order::k_contiguous, c.small, c.w_transposed, c.big};
    default: return {Direction::small_to_big, Order::k_strided, c.big, c.w_transposed, c.small};
  }
}

void plain_gather(Gather pass, const Values& source, const Values& filter, const Conv2dParams& p,
                  Values& y) {
  const auto u = plain_view(source), w = plain_view(filter);
  namespace cpu = kernels::cpu;
  switch (pass) {
    case Gather::forward:
      return cpu::conv2d_forward_plain(plain_exec(), u, {.weight = w}, {}, p, plain_view(y));
    case Gather::input_grad:
      return cpu::conv2d_input_grad_plain(plain_exec(), u, w, p, plain_view(y));
    case Gather::transposed_forward:
      return cpu::conv_transpose2d_forward_plain(plain_exec(), u, {.weight = w}, {}, p,
                                                 plain_view(y));
    default: return cpu::conv_transpose2d_input_grad_plain(plain_exec(), u, w, p, plain_view(y));
  }
}

std::string text_of(TileExtents tile, int splits) {
  return std::to_string(tile.m) + "x" + std::to_string(tile.n) + "/" + std::to_string(splits);
}

bool is_taken(const GatherShapes& s, const Conv2dParams& params, const DeviceTensor& source,
              const DeviceTensor& filter, const DeviceTensor& y, DType dtype) {
  const Product product = dtype == DType::bf16 ? Product::bf16 : Product::f16;
  for (const GatherProblem& problem : make_gather(s.direction, s.order, source.view(),
                                                  filter.view(), plane_of(params), y.view())) {
    if (!wgmma_takes(product, problem)) return false;
  }
  return true;
}

void check_gather(Provider provider, const kernels::Exec& exec, Gather pass, const ConvCase& c,
                  DType dtype, const std::vector<GatherChoice>& choices, bool taken = true) {
  const GatherShapes s = shapes_of(pass, c);
  const Values source = random_values(s.source, 1, dtype),
               filter = random_values(s.filter, 2, dtype);
  Values expected = filled(s.y, 0), magnitude = expected;
  plain_gather(pass, source, filter, c.params, expected);
  plain_gather(pass, absolute(source), absolute(filter), c.params, magnitude);
  const DeviceTensor ds(provider, source, dtype), df(provider, filter, dtype);
  for (const GatherChoice& choice : choices) {
    const DeviceTensor y = poisoned(provider, s.y, dtype);
    EXPECT_EQ(is_taken(s, c.params, ds, df, y, dtype), taken) << c.str();
    own_gather(exec,
               {.direction = s.direction,
                .filter_order = s.order,
                .source = ds.view(),
                .filter = df.view(),
                .params = c.params,
                .y = y.view()},
               choice);
    expect_close(y.read(), expected, sum_tolerance(expected, magnitude, dtype, dtype, false),
                 c.str() + " pass " + std::to_string(static_cast<int>(pass)) + " tile " +
                     text_of(extents_of(choice.tile), choice.splits));
  }
}

void check_weight_grad(Provider provider, const kernels::Exec& exec, WeightOrder order,
                       const ConvCase& c, DType dtype, const std::vector<WeightGradChoice>& choices,
                       bool taken = true) {
  const bool transposed = order == WeightOrder::big_first;
  const Shape shape = transposed ? c.w_transposed : c.w;
  const Values big = random_values(c.big, 1, dtype), small = random_values(c.small, 2, dtype);
  const auto plain = [&](const Values& b, const Values& s) {
    Values result = filled(shape, 0);
    transposed ? kernels::cpu::conv_transpose2d_weight_grad_plain(
                     plain_exec(), plain_view(s), plain_view(b), c.params, plain_view(result))
               : kernels::cpu::conv2d_weight_grad_plain(plain_exec(), plain_view(b), plain_view(s),
                                                        c.params, plain_view(result));
    return result;
  };
  const Values expected = plain(big, small), magnitude = plain(absolute(big), absolute(small));
  const DeviceTensor db(provider, big, dtype), ds(provider, small, dtype);
  const Product product = dtype == DType::bf16 ? Product::bf16 : Product::f16;
  EXPECT_EQ(wgmma_takes(product, make_weight_grad(ds.view(), db.view(), shape, plane_of(c.params))),
            taken)
      << c.str();
  for (const WeightGradChoice& choice : choices) {
    const DeviceTensor grad = poisoned(provider, shape, DType::f32);
    own_weight_grad(exec,
                    {.small = ds.view(),
                     .big = db.view(),
                     .order = order,
                     .params = c.params,
                     .grad_w = grad.view()},
                    choice);
    expect_close(grad.read(), expected,
                 sum_tolerance(expected, magnitude, DType::f32, dtype, false),
                 c.str() + (transposed ? " transposed" : "") + " weight tile " +
                     text_of(extents_of(choice.tile), choice.splits));
  }
}

// The quick ones first: a planted fault (mutation_test.cpp) is then seen soon.

// Scale, shift, residual in place, ReLU and the sums of channels, whole and cut sums, two phases'
// tiles.
TEST_P(ConvWgmma, Epilogues) {
  const ConvCase c = conv_case(2, 6, 5, 8, 40, 3, 3, {.stride = 2, .padding = 1});
  const DType dtype = DType::bf16;
  const Shape channels{c.big[3]};
  const Values x = random_values(c.small, 1, dtype), w = random_values(c.w_transposed, 2, dtype);
  const Values scale = random_values(channels, 3, DType::f32);
  const Values shift = random_values(channels, 4, DType::f32);
  const Values residual = random_values(c.big, 5, dtype);
  Values expected = filled(c.big, 0), magnitude = expected;
  plain_gather(Gather::transposed_forward, x, w, c.params, expected);
  plain_gather(Gather::transposed_forward, absolute(x), absolute(w), c.params, magnitude);
  for (std::int64_t i = 0; i < expected.numel(); ++i) {
    const std::int64_t o = i % c.big[3];
    expected[i] = std::max(0.0, expected[i] * scale[o] + shift[o] + residual[i]);
    magnitude[i] += std::abs(shift[o]) + std::abs(residual[i]);
  }
  const DeviceTensor dx(provider(), x, dtype), dw(provider(), w, dtype);
  const DeviceTensor d_scale(provider(), scale, DType::f32), d_shift(provider(), shift, DType::f32);
  for (const int splits : {1, 3}) {
    const DeviceTensor y(provider(), residual, dtype);
    const DeviceTensor sums = poisoned(provider(), {1, 2, c.big[3]}, DType::f32);
    own_gather(exec(),
               {.direction = Direction::big_to_small,
                .source = dx.view(),
                .filter = dw.view(),
                .epilogue = {.scale = d_scale.view(),
                             .shift = d_shift.view(),
                             .residual = y.view(),
                             .relu = true,
                             .channel_sums = sums.view()},
                .params = c.params,
                .y = y.view()},
               GatherChoice{GatherTile::wgmma_m128n64, splits});
    const Values stored = y.read();
    expect_close(stored, expected, sum_tolerance(expected, magnitude, dtype, dtype, false));
    Values totals = filled({1, 2, c.big[3]}, 0);
    for (std::int64_t i = 0; i < stored.numel(); ++i) {
      totals[i % c.big[3]] += stored[i];
      totals[c.big[3] + i % c.big[3]] += stored[i] * stored[i];
    }
    expect_close(sums.read(), totals,
                 sum_tolerance(totals, absolute(totals), DType::f32, DType::f32, false));
  }
}

// Many more slices than the rings have stages: each is filled again and again.
TEST_P(ConvWgmma, RingsTurnOver) {
  const ConvCase taps = conv_case(1, 4, 3, 8, 8, 7, 7, {.padding = 3});
  const ConvCase pixels = conv_case(3, 19, 21, 8, 8, 1, 1, {});
  check_gather(provider(), exec(), Gather::forward, taps, DType::bf16,
               {{GatherTile::wgmma_m128n32, 1}, {GatherTile::wgmma_m256n64, 1}});
  check_weight_grad(provider(), exec(), WeightOrder::small_first, pixels, DType::f16,
                    {{WeightGradTile::wgmma_m64n128, 1}, {WeightGradTile::wgmma_m128n128, 1}});
}

// Strides, padding, dilation, odd maps, images that end within a tile, channels of one piece and of
// several slices, taps that no pixel meets, phases without taps.
const std::vector<ConvCase>& shapes() {
  static const std::vector<ConvCase> all = {
      conv_case(3, 7, 5, 8, 16, 3, 3, {.stride = 2, .padding = 1}),
      conv_case(2, 9, 10, 136, 8, 1, 1, {}),
      conv_case(1, 11, 8, 16, 40, 3, 2, {.stride = 3, .padding = 2, .dilation = 2}),
      conv_case(2, 8, 6, 48, 8, 4, 4, {.stride = 2, .padding = 1}),
      conv_case(1, 8, 8, 16, 8, 1, 1, {.stride = 2}),
      conv_case(1, 5, 3, 8, 8, 5, 5, {.padding = 4}),
      conv_case(5, 3, 5, 8, 8, 3, 3, {.padding = 2, .dilation = 2}),
  };
  return all;
}

TEST_P(ConvWgmma, GathersOfEveryShape) {
  int number = 0;
  for (const ConvCase& c : shapes()) {
    for (const Gather pass : kGathers) {
      const DType dtype = ++number % 2 == 0 ? DType::bf16 : DType::f16;
      check_gather(provider(), exec(), pass, c, dtype, {{GatherTile::wgmma_m128n32, 1}});
    }
  }
}

TEST_P(ConvWgmma, WeightGradsOfEveryShape) {
  int number = 0;
  for (const ConvCase& c : shapes()) {
    for (const WeightOrder order : {WeightOrder::small_first, WeightOrder::big_first}) {
      const DType dtype = ++number % 2 == 0 ? DType::bf16 : DType::f16;
      check_weight_grad(provider(), exec(), order, c, dtype, {{WeightGradTile::wgmma_m64n128, 1}});
    }
  }
}

// One past 128 pixels; 24 channels end within a slice of 32, 72 within one of 64.
const ConvCase kTiles = conv_case(1, 12, 11, 24, 72, 3, 2, {.padding = 1});

TEST_P(ConvWgmma, EveryTileOfTheGather) {
  std::vector<GatherChoice> choices = {{GatherTile::wgmma_m128n64, 3},
                                       {GatherTile::wgmma_m128n32, 16}};
  for (const GatherTile tile : wgmma_gather_tiles()) choices.push_back({tile, 1});
  check_gather(provider(), exec(), Gather::forward, kTiles, DType::bf16, choices);
  check_gather(provider(), exec(), Gather::transposed_input_grad, kTiles, DType::f16, choices);
}

TEST_P(ConvWgmma, EveryTileOfTheWeightGrad) {
  std::vector<WeightGradChoice> choices = {{WeightGradTile::wgmma_m64n128, 2},
                                           {WeightGradTile::wgmma_m64n128, 5}};
  for (const WeightGradTile tile : wgmma_weight_grad_tiles()) choices.push_back({tile, 1});
  check_weight_grad(provider(), exec(), WeightOrder::small_first, kTiles, DType::bf16, choices);
  check_weight_grad(provider(), exec(), WeightOrder::big_first, kTiles, DType::f16, choices);
}

// Each breaks one rule of tensor maps; the other kernels compute.
TEST_P(ConvWgmma, WhatMapsRefuseRunsElsewhere) {
  const std::vector<ConvCase> refused = {
      conv_case(1, 5, 6, 12, 16, 3, 3, {.padding = 1}),  // rows of 24 bytes
      conv_case(1, 5, 6, 16, 32, 3, 3, {.padding = 1, .groups = 2}),
      conv_case(1, 19, 3, 8, 8, 2, 1, {.stride = 9}),                     // steps are at most 8
      conv_case(1, 3, 4, 8, 8, 3, 1, {.padding = 130, .dilation = 130}),  // offsets at most 255
  };
  for (const ConvCase& c : refused) {
    check_gather(provider(), exec(), Gather::forward, c, DType::bf16,
                 {{GatherTile::wgmma_m128n128, 1}}, false);
    check_weight_grad(provider(), exec(), WeightOrder::small_first, c, DType::bf16,
                      {{WeightGradTile::wgmma_m128n128, 1}}, false);
  }
}

// Outputs that are not aligned to 16 bytes.
TEST_P(ConvWgmma, UnalignedResultsRunElsewhere) {
  const ConvCase c = conv_case(1, 4, 5, 8, 8, 3, 3, {.padding = 1});
  const Values x = random_values(c.big, 1, DType::bf16), w = random_values(c.w, 2, DType::bf16);
  const DeviceTensor dx(provider(), x, DType::bf16), dw(provider(), w, DType::bf16);
  const DeviceTensor y = DeviceTensor::poisoned(provider(), c.small, DType::bf16, 1);
  own_gather(exec(), {.source = dx.view(), .filter = dw.view(), .params = c.params, .y = y.view()},
             GatherChoice{GatherTile::wgmma_m128n64, 1});
  Values expected = filled(c.small, 0), magnitude = expected;
  plain_gather(Gather::forward, x, w, c.params, expected);
  plain_gather(Gather::forward, absolute(x), absolute(w), c.params, magnitude);
  expect_close(y.read(), expected,
               sum_tolerance(expected, magnitude, DType::bf16, DType::bf16, false));
}

}  // namespace
}  // namespace akimbo
