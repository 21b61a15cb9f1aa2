#include "models/backbones/resnet.h"

#include <array>

#include "engine/core/error.h"
#include "engine/nn/conv_bn.h"
#include "engine/ops/pool.h"

namespace akimbo::models {

namespace {

struct Depth {
  int depth;
  bool bottleneck;
  std::array<int, 4> blocks;
};

constexpr std::array<Depth, 5> kDepths = {{{18, false, {2, 2, 2, 2}},
                                           {34, false, {3, 4, 6, 3}},
                                           {50, true, {3, 4, 6, 3}},
                                           {101, true, {3, 4, 23, 3}},
                                           {152, true, {3, 8, 36, 3}}}};

const Depth& find_depth(int depth) {
  for (const Depth& known : kDepths) {
    if (known.depth == depth) return known;
  }
  throw_error<ArgumentError>("[resnet] depth is {}; 18, 34, 50, 101 and 152 are known", depth);
}

std::int64_t checked_width(int width) {
  if (width < 1 || width > 1024) {
    throw_error<ArgumentError>("[resnet] width is {}; 1 to 1024 are possible", width);
  }
  return width;
}

}  // namespace

ResNet::ResNet(const ResNetOptions& options)
    : conv1_({3, checked_width(options.width), 7}, {.stride = 2, .padding = 3}),
      bn1_(options.width),
      out_channels_(options.width) {
  register_module("conv1", conv1_);
  register_module("bn1", bn1_);
  const Depth& depth = find_depth(options.depth);
  const bool bottleneck = depth.bottleneck || options.style == ResNetStyle::caffe;
  for (int i = 0; i < 4; ++i) {
    BlockShape shape{.in_channels = out_channels_,
                     .planes = std::int64_t{options.width} << i,
                     .stride = i == 0 ? 1 : 2,
                     .bottleneck = bottleneck,
                     .style = options.style};
    for (int block = 0; block < depth.blocks[i]; ++block) {
      layers_[i].emplace(shape);
      shape.in_channels = shape.out_channels();
      shape.stride = 1;
    }
    out_channels_ = shape.out_channels();
    register_module("layer" + std::to_string(i + 1), layers_[i]);
  }
}

Tensor ResNet::stem(const Tensor& x) {
  return ops::max_pool2d(nn::conv_bn(x, conv1_, bn1_), {.kernel = 3, .stride = 2, .padding = 1});
}

Tensor ResNet::layer(int number, const Tensor& x) {
  Tensor y = x;
  for (const auto& block : layers_[number - 1]) y = block->forward(y);
  return y;
}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = stem(x);
  for (int number = 1; number <= 4; ++number) y = layer(number, y);
  return y;
}

}  // namespace akimbo::models
