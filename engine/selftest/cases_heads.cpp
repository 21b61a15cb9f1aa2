// Softmax, heatmaps and losses, and the updates of parameters.
#include <memory>
#include <utility>

#include "engine/ops/heatmap.h"
#include "engine/ops/loss.h"
#include "engine/ops/softmax.h"
#include "engine/optim/average.h"
#include "engine/optim/optimizer.h"
#include "engine/selftest/case.h"

namespace akimbo::selftest {
namespace {

using Inputs = std::vector<Tensor>&;
using Outputs = Case::Outputs;

Shape heatmaps(bool small) { return small ? Shape{2, 6, 5, 3} : Shape{8, 64, 48, 17}; }

Case head(const std::string& name, const Shape& shape, double low, double high, double length,
          std::function<Outputs(const Tensor&)> function, bool gradient = true) {
  return {.name = name,
          .length = length,
          .inputs = {{.name = "x", .shape = shape, .low = low, .high = high, .gradient = gradient}},
          .run = [=](Inputs in) { return function(in[0]); }};
}

Case loss(bool small, const std::string& name,
          std::function<Tensor(const Tensor&, const Tensor&)> function) {
  const Shape shape = heatmaps(small);
  // The predictions lie above 0.5, the targets below: distances have one sign.
  return {.name = name,
          .length = static_cast<double>(shape.numel()),
          .inputs = {{.name = "prediction", .shape = shape, .low = 0.5, .high = 1},
                     {.name = "target", .shape = shape, .low = 0, .high = 0.5, .gradient = false}},
          .run = [=](Inputs in) {
            return Outputs{{"loss", function(in[0], in[1])}};
          }};
}

Case joints_mse(bool small) {
  const Shape shape = heatmaps(small);
  return {.name = "joints_mse",
          .length = static_cast<double>(shape.numel()),
          .inputs = {{.name = "prediction", .shape = shape, .low = 0.5, .high = 1},
                     {.name = "target", .shape = shape, .low = 0, .high = 0.5, .gradient = false},
                     {.name = "weight",
                      .shape = {shape[0], shape[3]},
                      .low = 0,
                      .high = 1,
                      .kind = Kind::vector,
                      .gradient = false}},
          .run = [](Inputs in) {
            return Outputs{{"loss", ops::joints_mse(in[0], in[1], in[2])}};
          }};
}

Case joints_ohkm(bool small) {
  Case mining = joints_mse(small);  // whose weights keep the losses far apart
  mining.name = "joints_ohkm";
  mining.run = [](Inputs in) {
    return Outputs{{"loss", ops::joints_ohkm(in[0], in[1], in[2], in[0].dim(-1) / 2)}};
  };
  return mining;
}

Case cross_entropy(bool small) {
  const std::int64_t rows = small ? 7 : 1024, classes = small ? 5 : 1000;
  return {.name = "cross_entropy",
          .length = static_cast<double>(rows + classes),
          .inputs = {{.name = "logits", .shape = {rows, classes}, .low = -4, .high = 4},
                     {.name = "index",
                      .shape = {rows},
                      .low = 0,
                      .high = static_cast<double>(classes - 1),
                      .kind = Kind::index}},
          .run = [](Inputs in) {
            return Outputs{{"loss", ops::cross_entropy(in[0], in[1])}};
          }};
}

// The sizes of a network's parameters: weights, and many small vectors.
std::vector<Input> parameters(bool small, const std::string& prefix, double low, double high) {
  const std::vector<Shape> shapes =
      small ? std::vector<Shape>{{17}, {8, 3, 3, 8}, {1}}
            : std::vector<Shape>{{512, 3, 3, 512}, {64}, {256, 1, 1, 64}, {17}, {1}};
  std::vector<Input> inputs;
  for (const Shape& shape : shapes) {
    inputs.push_back({.name = prefix + std::to_string(inputs.size()),
                      .shape = shape,
                      .low = low,
                      .high = high,
                      .gradient = false});
  }
  return inputs;
}

// Three steps from the same gradients; the first half of the inputs are the parameters.
Case optimizer(bool small, const std::string& name,
               std::function<std::unique_ptr<optim::Optimizer>(optim::NamedTensors)> make) {
  std::vector<Input> inputs = parameters(small, "parameter", -1, 1);
  for (Input& grad : parameters(small, "gradient", -2, 2)) inputs.push_back(std::move(grad));
  return {.name = name,
          .length = 64,
          .inputs = inputs,
          .run =
              [=](Inputs in) {
                optim::NamedTensors named;
                for (std::size_t i = 0; i < in.size() / 2; ++i) {
                  Tensor parameter = in[i].clone();
                  parameter.set_requires_grad();
                  parameter.set_grad(in[in.size() / 2 + i]);
                  named.emplace_back("parameter" + std::to_string(i), parameter);
                }
                const auto optimizer = make(named);
                for (int step = 0; step < 3; ++step) optimizer->step();
                Outputs outputs;
                for (const auto& [parameter, tensor] : named) {
                  outputs.emplace_back(parameter, tensor);
                }
                return outputs;
              },
          .halves = false};
}

Case clipping(bool small) {
  return {.name = "clip_grad_norm",
          .length = 64,
          .inputs = parameters(small, "gradient", -2, 2),
          .run =
              [](Inputs in) {
                std::vector<Tensor> tensors;
                for (const Tensor& grad : in) {
                  Tensor parameter = Tensor::zeros(grad.shape(), grad.dtype(), grad.device());
                  parameter.set_requires_grad();
                  parameter.set_grad(grad);
                  tensors.push_back(parameter);
                }
                const double norm = optim::clip_grad_norm(tensors, 1.0);
                Outputs outputs{{"norm", Tensor::full({1}, norm, DType::f64)}};
                for (const Tensor& tensor : tensors) outputs.emplace_back("scaled", tensor.grad());
                return outputs;
              },
          .halves = false};
}

Case average(bool small) {
  std::vector<Input> inputs = parameters(small, "value", -1, 1);
  return {.name = "parameter average",
          .length = 4,
          .inputs = inputs,
          .run =
              [](Inputs in) {
                optim::NamedTensors live;
                for (const Tensor& value : in) {
                  live.emplace_back("value" + std::to_string(live.size()), value.clone());
                }
                optim::ParameterAverage average(live, {.decay = 0.75, .warm_up = false});
                for (auto& [name, value] : live) value.fill(0.5);
                average.update();
                Outputs outputs;
                for (const auto& [name, tensor] : average.state()) {
                  if (is_floating(tensor.dtype())) outputs.emplace_back(name, tensor);
                }
                return outputs;
              },
          .halves = false};
}

}  // namespace

std::vector<Case> head_cases(bool small) {
  const Shape maps = heatmaps(small);
  const double cells = static_cast<double>(maps[1] * maps[2]);
  const Shape volumes = small ? Shape{1, 4, 3, 2 * 4} : Shape{1, 64, 64, 17 * 64};
  const std::int64_t depth = small ? 4 : 64;
  const Shape rows = small ? Shape{9, 13} : Shape{512, 1000};
  return {
      head("softmax", rows, -4, 4, static_cast<double>(rows[1]),
           [](const Tensor& x) {
             return Outputs{{"y", ops::softmax(x)}};
           }),
      head("log_softmax", rows, -4, 4, static_cast<double>(rows[1]),
           [](const Tensor& x) {
             return Outputs{{"y", ops::log_softmax(x)}};
           }),
      head("soft_argmax_2d", maps, -4, 4, 16 * cells,
           [](const Tensor& x) {
             return Outputs{{"y", ops::soft_argmax_2d(x)}};
           }),
      head("soft_argmax_3d", volumes, -4, 4, 16.0 * static_cast<double>(volumes.numel()),
           [=](const Tensor& x) {
             return Outputs{{"y", ops::soft_argmax_3d(x, depth)}};
           }),
      head(
          "heatmap_argmax", maps, -1, 1, 1,
          [](const Tensor& x) {
            const auto maxima = ops::heatmap_argmax(x);
            return Outputs{{"score", maxima.score}, {"location", maxima.location}};
          },
          false),
      head(
          "heatmap_peaks", maps, -1, 1, 1,
          [](const Tensor& x) {
            const auto peaks = ops::heatmap_peaks(x);
            return Outputs{
                {"score", peaks.score}, {"location", peaks.location}, {"count", peaks.count}};
          },
          false),
      joints_mse(small),
      joints_ohkm(small),
      loss(small, "mse_loss", [](const Tensor& p, const Tensor& t) { return ops::mse_loss(p, t); }),
      loss(small, "l1_loss", [](const Tensor& p, const Tensor& t) { return ops::l1_loss(p, t); }),
      loss(small, "smooth_l1_loss",
           [](const Tensor& p, const Tensor& t) { return ops::smooth_l1_loss(p, t, 0.5); }),
      cross_entropy(small),
  };
}

std::vector<Case> optim_cases(bool small) {
  const auto adam = [](bool decoupled) {
    return [=](optim::NamedTensors named) -> std::unique_ptr<optim::Optimizer> {
      return std::make_unique<optim::Adam>(
          std::move(named),
          optim::AdamOptions{.learning_rate = 0.01, .weight_decay = 0.1, .decoupled = decoupled});
    };
  };
  const auto sgd = [](bool nesterov) {
    return [=](optim::NamedTensors named) -> std::unique_ptr<optim::Optimizer> {
      return std::make_unique<optim::Sgd>(
          std::move(named),
          optim::SgdOptions{
              .learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = nesterov});
    };
  };
  return {optimizer(small, "Adam", adam(false)),
          optimizer(small, "AdamW", adam(true)),
          optimizer(small, "SGD, momentum", sgd(false)),
          optimizer(small, "SGD, Nesterov", sgd(true)),
          clipping(small),
          average(small)};
}

}  // namespace akimbo::selftest
