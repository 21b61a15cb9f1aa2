#include "models/backbones/resnet.h"

#include <array>

#include "engine/core/error.h"
#include "engine/nn/conv_bn.h"
#include "engine/ops/pool.h"

namespace akimbo::models {

struct BlockShape {
  std::int64_t in_channels = 0;
  std::int64_t planes = 0;
  std::int64_t stride = 1;
  bool bottleneck = false;
  ResNetStyle style = ResNetStyle::pytorch;

  [[nodiscard]] std::int64_t out_channels() const { return bottleneck ? 4 * planes : planes; }
};

// 1x1 convolution and batch norm on the shortcut, named "0" and "1".
class Downsample final : public nn::Module {
 public:
  Downsample(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride)
      : conv_({in_channels, out_channels, 1}, {.stride = stride}), bn_(out_channels) {
    register_module("0", conv_);
    register_module("1", bn_);
  }
  Tensor forward(const Tensor& x) { return nn::conv_bn(x, conv_, bn_, {.relu = false}); }

 private:
  nn::Conv2d conv_;
  nn::BatchNorm2d bn_;
};

// Basic: 3x3(stride), 3x3. Bottleneck: 1x1, 3x3, 1x1 to four times the planes, the stride on the
// 3x3 (pytorch) or the first 1x1 (caffe). The last convolution takes the shortcut and the ReLU with
// it.
class ResNetBlock final : public nn::Module {
 public:
  explicit ResNetBlock(const BlockShape& shape) {
    if (shape.bottleneck) {
      const bool caffe = shape.style == ResNetStyle::caffe;
      add_conv(shape.in_channels, shape.planes, 1, caffe ? shape.stride : 1);
      add_conv(shape.planes, shape.planes, 3, caffe ? 1 : shape.stride);
      add_conv(shape.planes, shape.out_channels(), 1, 1);
    } else {
      add_conv(shape.in_channels, shape.planes, 3, shape.stride);
      add_conv(shape.planes, shape.planes, 3, 1);
    }
    if (shape.stride != 1 || shape.in_channels != shape.out_channels()) {
      downsample_ =
          std::make_unique<Downsample>(shape.in_channels, shape.out_channels(), shape.stride);
      register_module("downsample", *downsample_);
    }
  }

  Tensor forward(const Tensor& x) {
    Tensor y = x;
    for (std::size_t i = 0; i + 1 < steps_.size(); ++i) {
      y = nn::conv_bn(y, steps_[i]->conv, steps_[i]->bn);
    }
    const Tensor shortcut = downsample_ ? downsample_->forward(x) : x;
    return nn::conv_bn(y, steps_.back()->conv, steps_.back()->bn, {.residual = shortcut});
  }

 private:
  struct Step {
    nn::Conv2d conv;
    nn::BatchNorm2d bn;
  };

  void add_conv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                std::int64_t stride) {
    steps_.push_back(std::unique_ptr<Step>(new Step{
        nn::Conv2d({in_channels, out_channels, kernel}, {.stride = stride, .padding = kernel / 2}),
        nn::BatchNorm2d(out_channels)}));
    const std::string number = std::to_string(steps_.size());
    register_module("conv" + number, steps_.back()->conv);
    register_module("bn" + number, steps_.back()->bn);
  }

  std::vector<std::unique_ptr<Step>> steps_;
  std::unique_ptr<Downsample> downsample_;
};

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

ResNet::~ResNet() = default;

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
