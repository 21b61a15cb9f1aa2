// What every registered network is to the program: images in, named outputs out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/nn/module.h"

namespace akimbo::models {

class Network : public nn::Module {
 public:
  // x [N,H,W,3], normalised. Every output by name, the main one first.
  [[nodiscard]] virtual std::vector<std::pair<std::string, Tensor>> outputs(const Tensor& x) = 0;
  // The main output alone: for heatmap methods the heatmaps [N,H/4,W/4,K].
  [[nodiscard]] Tensor forward(const Tensor& x) { return std::move(outputs(x).front().second); }

  // Fills parameters and buffers as a function of the seed, as published for a training that begins
  // from ImageNet weights, which are then loaded over it.
  virtual void init(std::uint64_t seed) = 0;
  // The same as published for a training without them.
  virtual void init_from_scratch(std::uint64_t seed) { init(seed); }
};

// Multiply-adds of convolutions, transposed convolutions and linear layers for one image of
// height x width (bias, batch norm and activations not counted). Runs the network once.
[[nodiscard]] std::int64_t count_macs(Network& network, std::int64_t height, std::int64_t width);

}  // namespace akimbo::models
