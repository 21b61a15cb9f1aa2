#include "models/network.h"

#include "engine/autograd/node.h"
#include "engine/nn/layers.h"

namespace akimbo::models {

std::int64_t count_macs(Network& network, std::int64_t height, std::int64_t width) {
  const bool was_training = network.is_training();
  const Tensor parameter = network.parameters().front();
  network.eval();
  nn::MacCounter counter;
  {
    const autograd::NoGrad no_grad;
    (void)network.outputs(
        Tensor::zeros({1, height, width, 3}, parameter.dtype(), kCpu).to(parameter.device()));
  }
  network.train(was_training);
  return counter.macs();
}

}  // namespace akimbo::models
