// The layers of ResNet-50 at 256x192 and of HRNet-W32, or small ones of the same kinds.
#include <algorithm>
#include <utility>

#include "engine/ops/conv.h"
#include "engine/ops/matmul.h"
#include "engine/ops/norm.h"
#include "engine/ops/pool.h"
#include "engine/ops/resample.h"
#include "engine/selftest/case.h"

namespace akimbo::selftest {
namespace {

using Inputs = std::vector<Tensor>&;

struct ConvSize {
  const char* network;
  std::int64_t height, width, in, out, kernel, stride;
  std::int64_t groups = 1;
};

std::string name_of(const char* op, const ConvSize& s) {
  std::string name = std::string(op) + " " + std::to_string(s.kernel) + "x" +
                     std::to_string(s.kernel) +
                     (s.stride > 1 ? "/" + std::to_string(s.stride) : "") + " " +
                     std::to_string(s.in) + "->" + std::to_string(s.out);
  if (s.groups > 1) name += " in " + std::to_string(s.groups) + " groups";
  return name + ", " + s.network;
}

// Weights such that outputs are of the inputs' size.
Input weight(const ConvSize& s) {
  return {
      .name = "w", .shape = {s.out, s.kernel, s.kernel, s.in / s.groups}, .low = -0.5, .high = 0.5};
}

double terms(const ConvSize& s) {
  return static_cast<double>(
      std::max({s.kernel * s.kernel * s.in / s.groups, s.kernel * s.kernel * s.out / s.groups,
                s.height * s.width}));
}

Case conv(const ConvSize& s) {
  return {.name = name_of("conv2d", s),
          .length = terms(s),
          .inputs = {{.name = "x", .shape = {1, s.height, s.width, s.in}},
                     weight(s),
                     {.name = "bias", .shape = {s.out}, .kind = Kind::vector}},
          .run =
              [=](Inputs in) {
                return Case::Outputs{
                    {"y", ops::conv2d(
                              in[0], in[1], in[2],
                              {.stride = s.stride, .padding = s.kernel / 2, .groups = s.groups})}};
              },
          .products = true};
}

Case conv_transpose(const ConvSize& s) {
  return {.name = name_of("conv_transpose2d", s),
          .length = terms(s) * 4,
          .inputs = {{.name = "x", .shape = {1, s.height, s.width, s.in}}, weight(s)},
          .run =
              [=](Inputs in) {
                return Case::Outputs{{"y", ops::conv_transpose2d(
                                               in[0], in[1], {},
                                               {.stride = s.stride, .padding = s.kernel / 2 - 1})}};
              },
          .products = true};
}

// With folded batch norm, residual and ReLU, as a network in use runs it.
Case conv_inference(const ConvSize& s) {
  const std::int64_t height = (s.height - 1) / s.stride + 1, width = (s.width - 1) / s.stride + 1;
  return {.name = name_of("conv2d_inference", s),
          .length = terms(s),
          .inputs = {{.name = "x", .shape = {1, s.height, s.width, s.in}},
                     weight(s),
                     {.name = "scale", .shape = {s.out}, .low = 0.5, .kind = Kind::vector},
                     {.name = "shift", .shape = {s.out}, .kind = Kind::vector},
                     {.name = "residual", .shape = {1, height, width, s.out}}},
          .run =
              [=](Inputs in) {
                return Case::Outputs{
                    {"y", ops::conv2d_inference(
                              in[0], in[1],
                              {.scale = in[2], .shift = in[3], .residual = in[4], .relu = true},
                              {.stride = s.stride, .padding = s.kernel / 2})}};
              },
          .products = true,
          .backward = false};
}

std::vector<Case> conv_cases(bool small) {
  const std::vector<ConvSize> real = {
      {"ResNet-50 conv1", 256, 192, 3, 64, 7, 2},    {"ResNet-50 layer1", 64, 48, 64, 256, 1, 1},
      {"ResNet-50 layer1", 64, 48, 64, 64, 3, 1},    {"ResNet-50 layer2", 64, 48, 128, 128, 3, 2},
      {"ResNet-50 layer3", 32, 24, 512, 1024, 1, 2}, {"ResNet-50 layer4", 8, 6, 512, 512, 3, 1},
      {"HRNet-W32 branch 1", 64, 48, 32, 32, 3, 1},  {"HRNet-W32 branch 4", 8, 6, 256, 256, 3, 1},
      {"HRNet-W32 fuse", 64, 48, 32, 64, 3, 2},      {"final layer", 64, 48, 256, 17, 1, 1},
      {"depthwise", 32, 24, 64, 64, 3, 1, 64},       {"groups", 16, 12, 64, 96, 3, 1, 4}};
  const std::vector<ConvSize> tiny = {
      {"stem", 9, 7, 3, 16, 7, 2},        {"1x1", 5, 6, 24, 17, 1, 1},
      {"3x3", 7, 5, 16, 24, 3, 1},        {"strided", 8, 6, 16, 16, 3, 2},
      {"depthwise", 6, 5, 8, 8, 3, 1, 8}, {"groups", 5, 4, 8, 12, 3, 1, 4}};
  std::vector<Case> cases;
  for (const ConvSize& s : small ? tiny : real) cases.push_back(conv(s));
  const auto plain = small ? ConvSize{"3x3", 7, 5, 16, 24, 3, 1}
                           : ConvSize{"ResNet-50 layer2", 32, 24, 128, 128, 3, 1};
  cases.push_back(conv_inference(plain));
  for (const ConvSize& s : small ? std::vector<ConvSize>{{"head", 3, 4, 16, 24, 4, 2}}
                                 : std::vector<ConvSize>{{"head", 8, 6, 2048, 256, 4, 2},
                                                         {"head", 32, 24, 256, 256, 4, 2}}) {
    cases.push_back(conv_transpose(s));
  }
  return cases;
}

Case batch_norm(const Shape& shape, bool training, bool residual) {
  const Shape channels{shape[3]};
  const std::string name = std::string("batch_norm ") + (training ? "training" : "evaluation") +
                           (residual ? ", residual" : "") + " " + shape.str();
  return {.name = name,
          .length = static_cast<double>(shape.numel() / shape[3]),
          .inputs = {{.name = "x", .shape = shape, .low = -2, .high = 2, .apart = true},
                     {.name = "gamma", .shape = channels, .low = 0.5, .kind = Kind::vector},
                     {.name = "beta",
                      .shape = channels,
                      .low = -0.0625,
                      .high = 0.0625,
                      .kind = Kind::vector},
                     {.name = "residual", .shape = shape, .low = -0.125, .high = 0.125},
                     {.name = "running_mean",
                      .shape = channels,
                      .low = -0.0625,
                      .high = 0.0625,
                      .kind = Kind::vector,
                      .gradient = false},
                     {.name = "running_var",
                      .shape = channels,
                      .low = 0.5,
                      .kind = Kind::vector,
                      .gradient = false}},
          .run = [=](Inputs in) {
            const Tensor y =
                ops::batch_norm(in[0], in[1], in[2], in[4], in[5],
                                {.training = training, .relu = true}, residual ? in[3] : Tensor());
            // Without it the residual is a leaf that the graph does not reach.
            if (!residual) in[3] = in[3].detach();
            return Case::Outputs{{"y", y}, {"running_mean", in[4]}, {"running_var", in[5]}};
          }};
}

Case map_case(const std::string& name, const Shape& shape, double length,
              std::function<Tensor(const Tensor&)> function) {
  return {.name = name,
          .length = length,
          .inputs = {{.name = "x", .shape = shape}},
          .run = [=](Inputs in) {
            return Case::Outputs{{"y", function(in[0])}};
          }};
}

std::vector<Case> map_cases(bool small) {
  const Shape stem = small ? Shape{1, 9, 7, 8} : Shape{2, 128, 96, 64};
  const Shape last = small ? Shape{2, 3, 2, 17} : Shape{4, 8, 6, 2048};
  const Shape low = small ? Shape{1, 2, 3, 8} : Shape{2, 8, 6, 32};
  const std::int64_t factor = small ? 2 : 8;
  return {map_case("max_pool2d 3x3/2", stem, 4,
                   [](const Tensor& x) {
                     return ops::max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
                   }),
          map_case("avg_pool2d 2x2", stem, 4,
                   [](const Tensor& x) { return ops::avg_pool2d(x, {.kernel = 2}); }),
          map_case("global_avg_pool2d", last, 48, ops::global_avg_pool2d),
          map_case("upsample_nearest", low, 64,
                   [=](const Tensor& x) { return ops::upsample_nearest(x, factor); }),
          map_case("resize_bilinear", low, 256,
                   [=](const Tensor& x) {
                     return ops::resize_bilinear(
                         x, {.height = x.dim(1) * factor, .width = x.dim(2) * factor});
                   }),
          map_case("resize_bilinear, corners aligned", low, 256, [=](const Tensor& x) {
            return ops::resize_bilinear(x, {.height = x.dim(1) * factor + 1,
                                            .width = x.dim(2) * factor - 1,
                                            .align_corners = true});
          })};
}

Case linear(std::int64_t rows, std::int64_t in, std::int64_t out) {
  return {.name = "linear " + std::to_string(in) + "->" + std::to_string(out),
          .length = static_cast<double>(std::max({rows, in, out})),
          .inputs = {{.name = "x", .shape = {rows, in}},
                     {.name = "w", .shape = {out, in}},
                     {.name = "bias", .shape = {out}, .kind = Kind::vector}},
          .run =
              [](Inputs i) {
                return Case::Outputs{{"y", ops::linear(i[0], i[1], i[2])}};
              },
          .products = true};
}

}  // namespace

std::vector<Case> layer_cases(bool small) {
  std::vector<Case> cases = conv_cases(small);
  const std::vector<Shape> maps =
      small ? std::vector<Shape>{{1, 5, 4, 9}, {2, 7, 5, 16}}
            : std::vector<Shape>{{2, 64, 48, 256}, {2, 64, 48, 32}, {4, 8, 6, 2048}};
  for (const Shape& shape : maps) {
    for (const bool training : {true, false}) {
      cases.push_back(batch_norm(shape, training, false));
      cases.push_back(batch_norm(shape, training, true));
    }
  }
  for (Case& c : map_cases(small)) cases.push_back(std::move(c));
  cases.push_back(small ? linear(9, 24, 17) : linear(64, 1024, 1024));
  return cases;
}

}  // namespace akimbo::selftest
