#include "apps/convert/layouts.h"

#include <gtest/gtest.h>

#include <numeric>

namespace akimbo::convert {
namespace {

Tensor ramp(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), 0.0f);
  return Tensor::from_values<float>(shape, values);
}

std::vector<float> elements(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

TEST(Layouts, ConvolutionKernelOfTwoChannels) {
  const Tensor ours = to_engine_layout("conv1.weight", ramp({1, 2, 2, 2}));
  EXPECT_EQ(Shape({1, 2, 2, 2}), ours.shape());
  EXPECT_EQ((std::vector<float>{0, 4, 1, 5, 2, 6, 3, 7}), elements(ours));
}

TEST(Layouts, TransposedConvolutionSwapsInputAndOutput) {
  // [I=2, O=1, kh=1, kw=3] -> [O=1, kh=1, kw=3, I=2]
  const Tensor ours = to_engine_layout("deconv_layers.0.weight", ramp({2, 1, 1, 3}));
  EXPECT_EQ(Shape({1, 1, 3, 2}), ours.shape());
  EXPECT_EQ((std::vector<float>{0, 3, 1, 4, 2, 5}), elements(ours));
}

TEST(Layouts, BackIsTheInverse) {
  for (const char* name : {"layer1.0.conv2.weight", "deconv_layers.3.weight"}) {
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::u8}) {
      const Tensor torch = ramp({3, 4, 2, 5}).to(dtype);
      const Tensor back = to_torch_layout(name, to_engine_layout(name, torch));
      EXPECT_EQ(torch.shape(), back.shape());
      EXPECT_EQ(elements(torch.to(DType::f32)), elements(back.to(DType::f32)));
    }
  }
}

TEST(Layouts, OtherRanksAndEmptyTensorsPass) {
  const Tensor matrix = ramp({3, 4});
  EXPECT_TRUE(matrix.is_same(to_engine_layout("fc.weight", matrix)));
  EXPECT_EQ(Shape({0, 2, 3, 4}), to_engine_layout("x", Tensor::empty({0, 4, 2, 3})).shape());
}

TEST(Layouts, NamesOfTransposedConvolutions) {
  for (const char* name :
       {"deconv_layers.0.weight", "deconv_layers.6.weight", "module.deconv_layers.3.weight",
        "head.deconv_layers.12.weight", "deconv_layers.0.0.0.weight"}) {
    EXPECT_TRUE(is_transposed_conv_weight(name)) << name;
  }
  for (const char* name : {"deconv_layers.weight", "deconv_layers.1.bias", "final_layer.weight",
                           "deconv_layers.x.weight", "my_deconv_layers.0.weight",
                           "deconv_layers.0.1.0.conv1.weight", "deconv_layers..weight", ""}) {
    EXPECT_FALSE(is_transposed_conv_weight(name)) << name;
  }
}

}  // namespace
}  // namespace akimbo::convert
