#include "tests/models/estimators/network_golden.h"

#include <gtest/gtest.h>

#include "engine/autograd/node.h"
#include "models/estimators/pose_hrnet.h"
#include "models/estimators/pose_resnet.h"

namespace akimbo::models {

using test_support::RefLayout;

bool is_transposed(const std::string& name) { return name.starts_with("deconv_layers."); }

RefLayout layout_of(const std::string& name, const Tensor& tensor) {
  if (tensor.rank() != 4) return RefLayout::as_is;
  return is_transposed(name) ? RefLayout::transposed_conv : RefLayout::channels_second;
}

Shape shape_of(const Json& list) {
  Shape shape;
  for (const Json& d : list) shape.push_back(d.get<std::int64_t>());
  return shape;
}

std::unique_ptr<Network> make_net(const std::string& net, std::int64_t num_keypoints) {
  if (net.starts_with("hrnet_w")) {
    return std::make_unique<PoseHRNet>(PoseHRNetOptions{
        .backbone = {.width = std::stoi(net.substr(7))}, .num_keypoints = num_keypoints});
  }
  PoseResNetOptions options{.num_keypoints = num_keypoints};
  options.backbone.depth = std::stoi(net.substr(6));
  if (net.ends_with("_caffe")) options.backbone.style = ResNetStyle::caffe;
  return std::make_unique<PoseResNet>(options);
}

std::unique_ptr<Network> golden_net(const std::string& net, std::int64_t num_keypoints,
                                    DType dtype) {
  auto network = make_net(net, num_keypoints);
  test_support::fill_state(network->state(), is_transposed);
  network->to(dtype);
  return network;
}

void expect_names_and_counts(const std::string& net, const Json& tensors, const Json& counts) {
  const auto network = make_net(net);
  const auto state = network->state();
  ASSERT_EQ(state.size(), tensors.size()) << net;
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_EQ(state[i].first, tensors[i][0].get<std::string>()) << net;
    const Shape shape = test_support::reference_shape(state[i].second.shape(),
                                                      layout_of(state[i].first, state[i].second));
    EXPECT_EQ(shape.str(), shape_of(tensors[i][1]).str()) << net << " " << state[i].first;
  }
  EXPECT_EQ(network->num_parameters(), counts.at("learnable").get<std::int64_t>()) << net;
  EXPECT_EQ(make_net(net, 16)->num_parameters(),
            counts.at("learnable_16_joints").get<std::int64_t>())
      << net;
}

// One case of forward_resnet.json. f32: the stored values are those of an f32 run whose distance
// from a double run is f64_rel, so ours may be as far again on the other side, four-fold for luck.
void expect_forward(const Json& c) {
  const std::string net = c.at("net");
  const bool training = c.at("mode") == "train";
  const std::string what =
      net + " " + c.at("mode").get<std::string>() + " " + c.at("input").at(0).get<std::string>();
  auto network = golden_net(net, c.at("joints"));
  network->train(training);
  const Tensor x = test_support::golden_input(c.at("input").at(0).get<std::string>(),
                                              shape_of(c.at("input").at(1)));
  const double relative = 4 * c.at("f64_rel").get<double>();
  const autograd::NoGrad no_grad;
  const Tensor y = network->forward(x);
  test_support::expect_golden(c.at("output"), y, RefLayout::channels_second, relative, what);
  if (training) {
    const auto state = network->state();
    for (const auto& [name, tensor] : state) {
      if (c.at("running_after").contains(name)) {
        test_support::expect_golden(c.at("running_after").at(name), tensor, RefLayout::as_is,
                                    relative, what + " " + name);
      }
      if (name.ends_with("num_batches_tracked")) {
        EXPECT_EQ(tensor.item(), 1) << name;
      }
    }
  }
}

}  // namespace akimbo::models
