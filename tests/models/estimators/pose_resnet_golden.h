// PoseResNet filled by the rule of the reference values, for its tests.
#pragma once

#include <memory>
#include <string>

#include "engine/io/json.h"
#include "models/estimators/pose_resnet.h"
#include "tests/support/golden.h"

namespace akimbo::models {

inline bool is_transposed(const std::string& name) { return name.starts_with("deconv_layers."); }

inline test_support::RefLayout layout_of(const std::string& name, const Tensor& tensor) {
  if (tensor.rank() != 4) return test_support::RefLayout::as_is;
  return is_transposed(name) ? test_support::RefLayout::transposed_conv
                             : test_support::RefLayout::channels_second;
}

// "resnet50_caffe" to options.
inline PoseResNetOptions options_of(const std::string& net, std::int64_t num_keypoints = 17) {
  PoseResNetOptions options{.num_keypoints = num_keypoints};
  options.backbone.depth = std::stoi(net.substr(6));
  if (net.ends_with("_caffe")) options.backbone.style = ResNetStyle::caffe;
  return options;
}

inline std::unique_ptr<PoseResNet> golden_net(const std::string& net,
                                              std::int64_t num_keypoints = 17,
                                              DType dtype = DType::f32) {
  auto network = std::make_unique<PoseResNet>(options_of(net, num_keypoints));
  test_support::fill_state(network->state(), is_transposed);
  network->to(dtype);
  return network;
}

inline Shape shape_of(const Json& list) {
  Shape shape;
  for (const Json& d : list) shape.push_back(d.get<std::int64_t>());
  return shape;
}

}  // namespace akimbo::models
