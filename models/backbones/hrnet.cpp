#include "models/backbones/hrnet.h"

#include <map>
#include <string>

#include "engine/core/error.h"
#include "engine/nn/conv_bn.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/resample.h"

namespace akimbo::models {
namespace {

std::int64_t branch_channels(std::int64_t width, std::size_t branch) { return width << branch; }

std::vector<std::int64_t> channels_of(std::int64_t width, std::size_t num_branches) {
  std::vector<std::int64_t> channels;
  for (std::size_t b = 0; b < num_branches; ++b) channels.push_back(branch_channels(width, b));
  return channels;
}

// A sequence of 3x3 stride 2 convolutions that takes a branch down, "0", "1", ...: all but the last
// keep the channels and end in a ReLU.
class DownPath final : public nn::Module {
 public:
  DownPath(std::int64_t in_channels, std::int64_t out_channels, std::size_t steps) {
    for (std::size_t step = 1; step < steps; ++step) {
      steps_.emplace(nn::Conv2dShape{in_channels, in_channels, 3}, 2);
    }
    steps_.emplace(nn::Conv2dShape{in_channels, out_channels, 3}, 2);
    for (std::size_t i = 0; i < steps_.size(); ++i) register_module(std::to_string(i), steps_[i]);
  }
  // With `residual` added to the end of the path.
  Tensor forward(const Tensor& x, bool relu, const Tensor& residual = {}) {
    Tensor y = x;
    for (std::size_t i = 0; i + 1 < steps_.size(); ++i) y = steps_[i].forward(y, true);
    return steps_[steps_.size() - 1].forward(y, relu, residual);
  }

 private:
  nn::ModuleList<ConvBn> steps_;
};

// What output branch i of a module receives: f_ij of every branch j, named by j.
class FuseRow final : public nn::Module {
 public:
  FuseRow(std::size_t row, const std::vector<std::int64_t>& channels) : row_(row) {
    for (std::size_t j = 0; j < channels.size(); ++j) {
      if (j == row) continue;
      if (j > row) {
        up_.emplace(j, std::make_unique<ConvBn>(nn::Conv2dShape{channels[j], channels[row], 1}));
        register_module(std::to_string(j), *up_.at(j));
      } else {
        down_.emplace(j, std::make_unique<DownPath>(channels[j], channels[row], row - j));
        register_module(std::to_string(j), *down_.at(j));
      }
    }
  }

  // relu(sum over j), added up in the order of j as the reference does.
  Tensor forward(const std::vector<Tensor>& x) {
    Tensor sum;
    for (std::size_t j = 0; j < x.size(); ++j) sum = add(sum, j, x[j]);
    return ops::relu(sum);
  }

 private:
  Tensor add(const Tensor& sum, std::size_t j, const Tensor& x) {
    if (j < row_) return down_.at(j)->forward(x, false, sum);
    Tensor term = x;
    if (j > row_) {
      term = ops::upsample_nearest(up_.at(j)->forward(x, false), std::int64_t{1} << (j - row_));
    }
    return sum.defined() ? ops::add(sum, term) : term;
  }

  std::size_t row_;
  std::map<std::size_t, std::unique_ptr<ConvBn>> up_;      // j > row: 1x1, then nearest up-sampling
  std::map<std::size_t, std::unique_ptr<DownPath>> down_;  // j < row
};

}  // namespace

// Basic blocks on every branch, then the exchange between them.
class HRNetModule final : public nn::Module {
 public:
  // `num_outputs` is the number of branches, or 1 for branch 0 alone.
  HRNetModule(const std::vector<std::int64_t>& channels, int blocks, std::size_t num_outputs) {
    for (const std::int64_t c : channels) {
      auto& branch = branches_.emplace();
      for (int b = 0; b < blocks; ++b) branch.emplace(BlockShape{.in_channels = c, .planes = c});
    }
    for (std::size_t i = 0; i < num_outputs; ++i) fuse_layers_.emplace(i, channels);
    register_module("branches", branches_);
    register_module("fuse_layers", fuse_layers_);
  }

  std::vector<Tensor> forward(std::vector<Tensor> x) {
    for (std::size_t b = 0; b < x.size(); ++b) {
      for (const auto& block : branches_[b]) x[b] = block->forward(x[b]);
    }
    std::vector<Tensor> y;
    for (const auto& row : fuse_layers_) y.push_back(row->forward(x));
    return y;
  }

 private:
  nn::ModuleList<nn::ModuleList<ResidualBlock>> branches_;
  nn::ModuleList<FuseRow> fuse_layers_;
};

// From the branches of one stage to those of the next: the last old branch also makes the new one.
// Old branches pass through, except at the first transition, which narrows layer 1's output.
class HRNetTransition final : public nn::Module {
 public:
  // `in`: channels of the old branches, `out`: of the new ones, one more.
  HRNetTransition(const std::vector<std::int64_t>& in, const std::vector<std::int64_t>& out) {
    if (in.front() != out.front()) {
      narrow_ = std::make_unique<ConvBn>(nn::Conv2dShape{in.front(), out.front(), 3});
      register_module("0", *narrow_);
    }
    down_ = std::make_unique<DownPath>(in.back(), out.back(), 1);
    register_module(std::to_string(out.size() - 1), *down_);
  }

  std::vector<Tensor> forward(std::vector<Tensor> x) {
    Tensor below = down_->forward(x.back(), true);
    if (narrow_) x.front() = narrow_->forward(x.front(), true);
    x.push_back(std::move(below));
    return x;
  }

 private:
  std::unique_ptr<ConvBn> narrow_;
  std::unique_ptr<DownPath> down_;
};

namespace {

const HRNetOptions& checked(const HRNetOptions& options) {
  for (const int channels : {options.width, options.stem}) {
    if (channels >= 1 && channels <= 1024) continue;
    throw_error<ArgumentError>("[hrnet] width is {}, stem {}; 1 to 1024 are possible",
                               options.width, options.stem);
  }
  for (const int count : options.modules) {
    if (count < 1) {
      throw_error<ArgumentError>("[hrnet] a stage of {} modules; at least 1 is wanted", count);
    }
  }
  if (options.blocks < 1 || options.layer1_blocks < 1) {
    throw_error<ArgumentError>("[hrnet] blocks is {}, layer1_blocks {}; at least 1 is wanted",
                               options.blocks, options.layer1_blocks);
  }
  return options;
}

}  // namespace

HRNet::HRNet(const HRNetOptions& options)
    : out_channels_(checked(options).width),
      conv1_({3, options.stem, 3}, {.stride = 2, .padding = 1}),
      bn1_(options.stem),
      conv2_({options.stem, options.stem, 3}, {.stride = 2, .padding = 1}),
      bn2_(options.stem) {
  register_module("conv1", conv1_);
  register_module("bn1", bn1_);
  register_module("conv2", conv2_);
  register_module("bn2", bn2_);
  BlockShape shape{.in_channels = options.stem, .planes = options.stem, .bottleneck = true};
  for (int block = 0; block < options.layer1_blocks; ++block) {
    layer1_.emplace(shape);
    shape.in_channels = shape.out_channels();
  }
  register_module("layer1", layer1_);
  std::vector<std::int64_t> before = {shape.out_channels()};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto channels = channels_of(options.width, i + 2);
    transitions_[i] = std::make_unique<HRNetTransition>(before, channels);
    register_module("transition" + std::to_string(i + 1), *transitions_[i]);
    for (int m = 0; m < options.modules[i]; ++m) {
      const bool last = i == 2 && m + 1 == options.modules[i];
      stages_[i].emplace(channels, options.blocks, last ? 1 : channels.size());
    }
    register_module("stage" + std::to_string(i + 2), stages_[i]);
    before = channels;
  }
}

HRNet::~HRNet() = default;

Tensor HRNet::stem(const Tensor& x) {
  if (x.rank() != 4 || x.dim(1) % 32 != 0 || x.dim(2) % 32 != 0) {
    throw_error<ArgumentError>(
        "[hrnet] x is {}; height and width must be multiples of 32, so that branches can be added",
        x.shape().str());
  }
  return nn::conv_bn(nn::conv_bn(x, conv1_, bn1_), conv2_, bn2_);
}

Tensor HRNet::layer1(const Tensor& x) {
  Tensor y = x;
  for (const auto& block : layer1_) y = block->forward(y);
  return y;
}

std::vector<Tensor> HRNet::stage(int number, const std::vector<Tensor>& branches) {
  const auto i = static_cast<std::size_t>(number - 2);
  std::vector<Tensor> x = transitions_[i]->forward(branches);
  for (const auto& module : stages_[i]) x = module->forward(std::move(x));
  return x;
}

Tensor HRNet::forward(const Tensor& x) {
  std::vector<Tensor> branches = {layer1(stem(x))};
  for (int number = 2; number <= 4; ++number) branches = stage(number, branches);
  return branches.front();
}

}  // namespace akimbo::models
