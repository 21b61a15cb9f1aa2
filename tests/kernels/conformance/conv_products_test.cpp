// Every tile and every cut of the products behind our CUDA convolutions, chosen by hand, since
// small problems select few of them; and the rule that selects.
#include <array>

#include "kernels/cuda/conv/conv_own.h"
#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"
#include "tests/support/environment.h"

namespace akimbo {
namespace {

using namespace conformance;
using namespace kernels::cuda;

class ConvProducts : public ProviderTest {
 protected:
  void SetUp() override {
    ProviderTest::SetUp();
    if (!IsSkipped() && provider() == Provider::cpu) GTEST_SKIP() << "tiles are the CUDA kernels'";
  }
};
AKIMBO_INSTANTIATE_PROVIDERS(ConvProducts);

struct Operand {
  DType dtype;
  bool tf32;
};
constexpr std::array<Operand, 4> kOperands = {
    {{DType::f32, false}, {DType::f32, true}, {DType::bf16, false}, {DType::f16, false}}};

// One past the largest tile in pixels and channels, one past a slice in the sum, five slices so
// that the ring of stages turns over.
const ConvCase kCase = conv_case(1, 19, 14, 24, 136, 3, 2, {.padding = 1});

template <typename Plain>
void expect_gather(Provider provider, const kernels::Exec& exec, const GatherTask& like,
                   const Plain& plain, const Operand& operand, const Shape& source_shape,
                   const Shape& filter_shape, const Shape& y_shape) {
  const Values source = random_values(source_shape, 1, operand.dtype);
  const Values filter = random_values(filter_shape, 2, operand.dtype);
  const auto reference = [&](const Values& u, const Values& v) {
    Values result = filled(y_shape, 0);
    plain(u, v, result);
    return result;
  };
  const Values expected = reference(source, filter);
  const Values magnitude = reference(absolute(source), absolute(filter));
  const DeviceTensor ds(provider, source, operand.dtype), df(provider, filter, operand.dtype);
  GatherTask task = like;
  task.source = ds.view();
  task.filter = df.view();
  for (const GatherTile tile : gather_tiles(*product_of(exec, operand.dtype))) {
    for (const int splits : {1, 3}) {
      if (splits > 1 && tile != GatherTile::m64n64) continue;  // cutting does not see the tile
      const DeviceTensor y = poisoned(provider, y_shape, operand.dtype);
      task.y = y.view();
      own_gather(exec, task, GatherChoice{tile, splits});
      expect_close(y.read(), expected,
                   sum_tolerance(expected, magnitude, operand.dtype, operand.dtype, operand.tf32),
                   "tile " + std::to_string(extents_of(tile).m) + "x" +
                       std::to_string(extents_of(tile).n) + " splits " + std::to_string(splits) +
                       " " + std::string(dtype_name(operand.dtype)));
    }
  }
}

TEST_P(ConvProducts, EveryTileForward) {
  for (const Operand& operand : kOperands) {
    const auto plain = [](const Values& x, const Values& w, Values& y) {
      kernels::cpu::conv2d_forward_plain(plain_exec(), plain_view(x), {.weight = plain_view(w)}, {},
                                         kCase.params, plain_view(y));
    };
    expect_gather(provider(), exec(true, operand.tf32),
                  {.direction = Direction::small_to_big,
                   .filter_order = kernels::Order::k_contiguous,
                   .params = kCase.params},
                  plain, operand, kCase.big, kCase.w, kCase.small);
  }
}

TEST_P(ConvProducts, EveryTileInputGrad) {
  for (const Operand& operand : kOperands) {
    const auto plain = [](const Values& g, const Values& w, Values& x) {
      kernels::cpu::conv_transpose2d_input_grad_plain(plain_exec(), plain_view(g), plain_view(w),
                                                      kCase.params, plain_view(x));
    };
    expect_gather(provider(), exec(true, operand.tf32),
                  {.direction = Direction::small_to_big,
                   .filter_order = kernels::Order::k_strided,
                   .params = kCase.params},
                  plain, operand, kCase.big, kCase.w_transposed, kCase.small);
  }
}

TEST_P(ConvProducts, EveryTileWeightGrad) {
  for (const Operand& operand : kOperands) {
    const Values x = random_values(kCase.big, 1, operand.dtype);
    const Values g = random_values(kCase.small, 2, operand.dtype);
    const auto reference = [&](const Values& u, const Values& v) {
      Values result = filled(kCase.w, 0);
      kernels::cpu::conv2d_weight_grad_plain(plain_exec(), plain_view(u), plain_view(v),
                                             kCase.params, plain_view(result));
      return result;
    };
    const Values expected = reference(x, g), magnitude = reference(absolute(x), absolute(g));
    const DeviceTensor dx(provider(), x, operand.dtype), dg(provider(), g, operand.dtype);
    const kernels::Exec& run = exec(true, operand.tf32);
    for (const WeightGradTile tile : weight_grad_tiles(*product_of(run, operand.dtype))) {
      for (const int splits : {1, 4}) {
        if (splits > 1 && tile != WeightGradTile::m64n64) continue;
        const DeviceTensor grad = poisoned(provider(), kCase.w, operand.dtype);
        own_weight_grad(
            run,
            {.small = dg.view(), .big = dx.view(), .params = kCase.params, .grad_w = grad.view()},
            WeightGradChoice{tile, splits});
        expect_close(grad.read(), expected,
                     sum_tolerance(expected, magnitude, operand.dtype, operand.dtype, operand.tf32),
                     "tile " + std::to_string(extents_of(tile).m) + "x" +
                         std::to_string(extents_of(tile).n) + " splits " + std::to_string(splits) +
                         " " + std::string(dtype_name(operand.dtype)));
      }
    }
  }
}

// The sums of channels that the epilogue takes, over several tiles and phases.
TEST_P(ConvProducts, ChannelSumsOverTiles) {
  const ConvCase c = conv_case(2, 12, 14, 8, 72, 4, 4, {.stride = 2, .padding = 1});
  for (const Operand& operand : kOperands) {
    const Values x = random_values(c.small, 1, operand.dtype);
    const Values w = random_values(c.w_transposed, 2, operand.dtype);
    const DeviceTensor dx(provider(), x, operand.dtype), dw(provider(), w, operand.dtype);
    for (const std::int64_t parts : {1, 40}) {
      const DeviceTensor y = poisoned(provider(), c.big, operand.dtype);
      const DeviceTensor sums = poisoned(provider(), {parts, 2, c.big[3]}, DType::f32);
      own_gather(exec(true, operand.tf32),
                 {.direction = Direction::big_to_small,
                  .source = dx.view(),
                  .filter = dw.view(),
                  .epilogue = {.channel_sums = sums.view()},
                  .params = c.params,
                  .y = y.view()},
                 GatherChoice{GatherTile::m64n64, 1});
      const Values stored = y.read(), got = sums.read();
      Values expected = filled({2, c.big[3]}, 0), total = expected, magnitude = expected;
      for (std::int64_t i = 0; i < stored.numel(); ++i) {
        const std::int64_t channel = i % c.big[3];
        expected[channel] += stored[i];
        magnitude[channel] += std::abs(stored[i]);
        expected[c.big[3] + channel] += stored[i] * stored[i];
        magnitude[c.big[3] + channel] += stored[i] * stored[i];
      }
      for (std::int64_t i = 0; i < got.numel(); ++i) total[i % total.numel()] += got[i];
      expect_close(total, expected,
                   sum_tolerance(expected, magnitude, DType::f32, DType::f32, false),
                   std::to_string(parts) + " parts");
    }
  }
}

// More tiles than the stem's kernel has blocks: some compute two, over the same shared memory.
TEST_P(ConvProducts, StemOfManyTiles) {
  const ConvCase c = conv_case(400, 2, 2, 3, 8, 2, 2, {.stride = 2});
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Values x = random_values(c.big, 1, dtype), w = random_values(c.w, 2, dtype);
    const DeviceTensor dx(provider(), x, dtype), dw(provider(), w, dtype);
    const DeviceTensor y = poisoned(provider(), c.small, dtype);
    own_gather(exec(),
               {.source = dx.view(), .filter = dw.view(), .params = c.params, .y = y.view()});
    Values expected = filled(c.small, 0);
    kernels::cpu::conv2d_forward_plain(plain_exec(), plain_view(x), {.weight = plain_view(w)}, {},
                                       c.params, plain_view(expected));
    const Values magnitude = filled(c.small, 12);
    expect_close(y.read(), expected, sum_tolerance(expected, magnitude, dtype, dtype, false));
  }
}

// ---- the rule; no device needed ----

// Without the kernels of sm_90a, which a GPU that passed its self-test has as well.
class ConvChoice : public ::testing::Test {
  const test_support::Environment no_wgmma_{"AKIMBO_WGMMA", "0"};
};

GatherProblem problem_of(std::int64_t n, std::int64_t rows, std::int64_t cols, std::int64_t inputs,
                         std::int64_t outputs, std::int64_t k, std::int64_t stride) {
  const ConvCase c =
      conv_case(n, rows, cols, inputs, outputs, k, k, {.stride = stride, .padding = k / 2});
  return make_gather(Direction::small_to_big, kernels::Order::k_contiguous,
                     {nullptr, DType::bf16, c.big}, {nullptr, DType::bf16, c.w}, plane_of(c.params),
                     {nullptr, DType::bf16, c.small})[0];
}

TEST_F(ConvChoice, WideLayersTakeTheLargestTile) {
  const GatherChoice choice = choose_gather(Product::bf16, problem_of(64, 16, 12, 512, 512, 3, 1));
  EXPECT_EQ(choice.tile, GatherTile::m128n128);
  EXPECT_EQ(choice.splits, 1);
}

TEST_F(ConvChoice, NarrowLayersWasteNoColumns) {
  EXPECT_EQ(choose_gather(Product::bf16, problem_of(64, 64, 48, 64, 64, 3, 1)).tile,
            GatherTile::m256n64);
  EXPECT_EQ(choose_gather(Product::bf16, problem_of(64, 64, 48, 32, 32, 3, 1)).tile,
            GatherTile::m128n32);
}

TEST_F(ConvChoice, SmallMapsSplitTheSum) {
  const GatherChoice choice = choose_gather(Product::bf16, problem_of(1, 8, 6, 512, 512, 3, 1));
  EXPECT_GT(choice.splits, 4);
}

TEST_F(ConvChoice, PhasesOfATransposedConvolution) {
  const ConvCase c = conv_case(1, 8, 6, 16, 16, 4, 4, {.stride = 2, .padding = 1});
  const auto problems = make_gather(Direction::big_to_small, kernels::Order::k_contiguous,
                                    {nullptr, DType::bf16, c.small}, {nullptr, DType::bf16, c.w},
                                    plane_of(c.params), {nullptr, DType::bf16, c.big});
  ASSERT_EQ(problems.size(), 1u);
  ASSERT_EQ(problems[0].num_phases, 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(problems[0].phases[i].rows.taps, 2);
    EXPECT_EQ(problems[0].phases[i].cols.taps, 2);
    EXPECT_EQ(problems[0].phases[i].pixels, 4 * 3);
  }
}

}  // namespace
}  // namespace akimbo
