// HRNet (Sun, Xiao, Liu, Wang, CVPR 2019): a branch at 1/4 of the input's size is kept throughout
// and branches at 1/8, 1/16 and 1/32 join it stage by stage; after every few blocks each branch
// receives the sum of all. Names as published: conv1, bn1, conv2, bn2, layer1, transition1, stage2,
// transition2, stage3, transition3, stage4.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "models/backbones/residual_block.h"

namespace akimbo::models {

struct HRNetOptions {
  int width = 32;                          // channels of branch 0; branch b has width 2^b
  std::array<int, 3> modules = {1, 4, 3};  // of stages 2, 3 and 4; as published
  int blocks = 4;                          // basic blocks of every branch of a module
  int stem = 64;                           // channels before layer 1, which has four times as many
  int layer1_blocks = 4;
};

class HRNetModule;
class HRNetTransition;

class HRNet final : public nn::Module {
 public:
  // Throws ArgumentError for a width or stem outside 1 to 1024, or fewer than one module or block.
  explicit HRNet(const HRNetOptions& options);
  ~HRNet() override;

  // x [N,H,W,3], H and W multiples of 32 (else throws ArgumentError). Returns branch 0 of stage 4,
  // [N,H/4,W/4,width]: its last module makes no other.
  [[nodiscard]] Tensor forward(const Tensor& x);

  // The same in parts, for tests and for heads that read several branches.
  [[nodiscard]] Tensor stem(const Tensor& x);  // conv1 .. bn2 with their ReLUs
  [[nodiscard]] Tensor layer1(const Tensor& x);
  // Branches of stage `number` (2 to 4) from those of the stage before ({layer1's} for 2).
  [[nodiscard]] std::vector<Tensor> stage(int number, const std::vector<Tensor>& branches);

  [[nodiscard]] std::int64_t out_channels() const { return out_channels_; }

 private:
  std::int64_t out_channels_;
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;
  nn::ModuleList<ResidualBlock> layer1_;
  std::array<std::unique_ptr<HRNetTransition>, 3> transitions_;
  std::array<nn::ModuleList<HRNetModule>, 3> stages_;
};

}  // namespace akimbo::models
