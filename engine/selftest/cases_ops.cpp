// Elementwise functions, reductions and moving elements.
#include <utility>

#include "engine/ops/elementwise.h"
#include "engine/ops/gather.h"
#include "engine/ops/reduce.h"
#include "engine/selftest/case.h"

namespace akimbo::selftest {
namespace {

using Inputs = std::vector<Tensor>&;

// A map of HRNet-W32's first branch, of 17 heatmaps, or a small one; odd on purpose.
Shape map_shape(bool small) { return small ? Shape{1, 5, 7, 9} : Shape{2, 64, 48, 32}; }

Case unary(bool small, const std::string& name, double low, double high,
           Tensor (*function)(const Tensor&), double roundings = 2) {
  return {.name = name,
          .inputs = {{.name = "x", .shape = map_shape(small), .low = low, .high = high}},
          .run =
              [=](Inputs in) {
                return Case::Outputs{{"y", function(in[0])}};
              },
          .roundings = roundings};
}

Case binary(bool small, const std::string& name, Tensor (*function)(const Tensor&, const Tensor&)) {
  const Shape shape = map_shape(small);
  return {.name = name,
          .inputs = {{.name = "a", .shape = shape},
                     {.name = "b", .shape = shape, .low = 0.5, .high = 2}},
          .run =
              [=](Inputs in) {
                return Case::Outputs{{"y", function(in[0], in[1])}};
              },
          // Division's gradient multiplies two quotients that were rounded.
          .roundings = 6};
}

Case over_channels(bool small, const std::string& name,
                   Tensor (*function)(const Tensor&, const Tensor&)) {
  const Shape shape = map_shape(small);
  return {.name = name,
          .length = static_cast<double>(shape.numel() / shape[3]),
          .inputs = {{.name = "x", .shape = shape},
                     {.name = "b", .shape = {shape[3]}, .kind = Kind::vector}},
          .run = [=](Inputs in) {
            return Case::Outputs{{"y", function(in[0], in[1])}};
          }};
}

Case layout(const std::string& name, const Shape& shape, double length,
            std::function<Tensor(const Tensor&)> function) {
  return {.name = name,
          .length = length,
          .inputs = {{.name = "x", .shape = shape}},
          .run = [=](Inputs in) {
            return Case::Outputs{{"y", function(in[0])}};
          }};
}

// To the dtype of the map and back; the values are ones that both hold.
Case cast(bool small, DType dtype, double low, double high) {
  return {
      .name = "cast " + std::string(dtype_name(dtype)),
      .inputs = {{.name = "x",
                  .shape = map_shape(small),
                  .low = low,
                  .high = high,
                  .kind = Kind::index,
                  .gradient = false}},
      .run = [=](Inputs in) {
        return Case::Outputs{{"there", in[0].to(dtype)}, {"back", in[0].to(dtype).to(DType::f32)}};
      }};
}

}  // namespace

std::vector<Case> elementwise_cases(bool small) {
  return {
      binary(small, "add", ops::add),
      binary(small, "sub", ops::sub),
      binary(small, "mul", ops::mul),
      binary(small, "div", ops::div),
      over_channels(small, "add_channels", ops::add_channels),
      over_channels(small, "mul_channels", ops::mul_channels),
      unary(small, "affine", -1, 1, [](const Tensor& x) { return ops::affine(x, 1.5, -0.25); }),
      unary(small, "relu", -1, 1, ops::relu),
      unary(small, "leaky_relu", -1, 1, [](const Tensor& x) { return ops::leaky_relu(x, 0.125); }),
      unary(small, "clamp", -1, 1, [](const Tensor& x) { return ops::clamp(x, -0.5, 0.25); }),
      unary(small, "sigmoid", -4, 4, ops::sigmoid, 8),
      unary(small, "tanh", -2, 2, ops::tanh, 8),
      unary(small, "exp", -2, 2, ops::exp, 4),
      unary(small, "log", 0.25, 4, ops::log),
      unary(small, "sqrt", 0.25, 4, ops::sqrt, 4),
      unary(small, "abs", -1, 1, ops::abs),
      unary(small, "square", -1, 1, ops::square),
  };
}

std::vector<Case> layout_cases(bool small) {
  const Shape map = map_shape(small);
  const Shape heatmaps = small ? Shape{2, 4, 3, 5} : Shape{8, 64, 48, 17};
  const double pixels = static_cast<double>(map.numel() / map[3]);
  return {
      layout("sum of all", map, static_cast<double>(map.numel()),
             [](const Tensor& x) { return ops::sum(x); }),
      layout("sum over pixels", map, pixels,
             [](const Tensor& x) {
               return ops::sum(x, {0, 1, 2});
             }),
      layout("mean over channels", map, static_cast<double>(map[3]),
             [](const Tensor& x) { return ops::mean(x, {3}); }),
      layout("mean over the middle", map, pixels,
             [](const Tensor& x) {
               return ops::mean(x, {1, 2});
             }),
      layout("max over pixels", heatmaps, 1,
             [](const Tensor& x) {
               return ops::max(x, {1, 2});
             }),
      layout("max over channels", map, 1, [](const Tensor& x) { return ops::max(x, {-1}); }),
      layout("permute to NCHW", map, 1,
             [](const Tensor& x) {
               return ops::permute(x, {0, 3, 1, 2});
             }),
      layout("permute of rows", map, 1,
             [](const Tensor& x) {
               return ops::permute(x, {0, 2, 1, 3});
             }),
      layout("slice", map, 1, [](const Tensor& x) { return ops::slice(x, 2, 1, x.dim(2) - 1); }),
      layout("flip", map, 1, [](const Tensor& x) { return ops::flip(x, 2); }),
      layout("concat", map, 2,
             [](const Tensor& x) {
               return ops::concat({x, x}, -1);
             }),
      layout("pad", map, 1,
             [](const Tensor& x) {
               const std::int64_t before[] = {0, 1, 2, 0}, after[] = {0, 0, 1, 3};
               return ops::pad(x, before, after, 0.5);
             }),
      layout("index_select", heatmaps, 2,
             [](const Tensor& x) {
               std::vector<std::int64_t> index;
               for (std::int64_t k = x.dim(3); k-- > 0;) index.push_back(k);
               index.push_back(0);
               return ops::index_select(x, -1, index);
             }),
      cast(small, DType::u8, 0, 250),
      cast(small, DType::bf16, -120, 120),
      cast(small, DType::f16, -120, 120),
      cast(small, DType::i32, -120, 120),
      cast(small, DType::f64, -120, 120),
  };
}

}  // namespace akimbo::selftest
