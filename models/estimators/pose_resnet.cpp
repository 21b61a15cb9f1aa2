#include "models/estimators/pose_resnet.h"

#include "engine/core/error.h"
#include "engine/nn/init.h"

namespace akimbo::models {
namespace {

// The head starts small, so that the first heatmaps are near zero.
constexpr double kHeadDeviation = 0.001;

std::int64_t checked_final_kernel(std::int64_t kernel) {
  if (kernel != 1 && kernel != 3) {
    throw_error<ArgumentError>("[pose_resnet] the final kernel is {}; 1 and 3 are known", kernel);
  }
  return kernel;
}

std::int64_t head_channels(const PoseResNetOptions& options, const ResNet& backbone) {
  return options.head.filters.empty() ? backbone.out_channels() : options.head.filters.back();
}

}  // namespace

PoseResNet::PoseResNet(const PoseResNetOptions& options)
    : scratch_init_(options.scratch_init),
      backbone_(options.backbone),
      deconv_layers_(backbone_.out_channels(), options.head),
      final_layer_({.in_channels = head_channels(options, backbone_),
                    .out_channels = options.num_keypoints,
                    .kernel = checked_final_kernel(options.head.final_kernel),
                    .bias = true},
                   {.padding = options.head.final_kernel / 2}) {
  register_inline(backbone_);
  register_module("deconv_layers", deconv_layers_);
  register_module("final_layer", final_layer_);
}

std::vector<std::pair<std::string, Tensor>> PoseResNet::outputs(const Tensor& x) {
  return {{"heatmaps", final_layer_.forward(deconv_layers_.forward(backbone_.forward(x)))}};
}

void PoseResNet::init(std::uint64_t seed) {
  nn::init_default(backbone_, seed);
  nn::init_small_normal(deconv_layers_, kHeadDeviation, seed, "deconv_layers.");
  nn::init_small_normal(final_layer_, kHeadDeviation, seed, "final_layer.");
}

void PoseResNet::init_from_scratch(std::uint64_t seed) {
  if (scratch_init_ == ScratchInit::framework) return init(seed);
  nn::init_default(final_layer_, seed, "final_layer.");  // of which only the bias stays
  const Tensor bias = final_layer_.bias.clone();
  nn::init_small_normal(*this, kHeadDeviation, seed);
  final_layer_.bias.copy_from(bias);
}

}  // namespace akimbo::models
