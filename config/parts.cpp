#include "config/parts.h"

namespace akimbo {

std::unique_ptr<models::Network> make_network(const Config& config, const Skeleton& skeleton) {
  auto network = make_empty_network(config, skeleton);
  network->init(config.train.seed);
  return network;
}

std::unique_ptr<models::Network> make_empty_network(const Config& config,
                                                    const Skeleton& skeleton) {
  return models::build_network(config.model, skeleton.num_keypoints());
}

HeatmapCodec make_codec(const Config& config) {
  const CodecConfig& c = config.codec;
  return {.input_size = {c.input_size.width, c.input_size.height},
          .heatmap_size = {c.heatmap_size.width, c.heatmap_size.height},
          .sigma = c.sigma,
          .subpixel_targets = c.targets == "subpixel",
          .udp = c.alignment == "udp"};
}

CropOptions crop_options(const Config& config) {
  CropOptions options;
  options.output = make_codec(config).input_size;
  options.mode = parse_warp_mode(config.data.warp);
  options.order = parse_channel_order(config.data.color);
  for (std::size_t i = 0; i < 3; ++i) {
    options.mean[i] = static_cast<float>(config.data.mean[i]);
    options.deviation[i] = static_cast<float>(config.data.std[i]);
  }
  return options;
}

std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerConfig& c,
                                                 optim::NamedTensors parameters) {
  if (c.type == "sgd") {
    return std::make_unique<optim::Sgd>(std::move(parameters),
                                        optim::SgdOptions{.learning_rate = c.lr,
                                                          .momentum = c.momentum,
                                                          .weight_decay = c.weight_decay,
                                                          .nesterov = c.nesterov});
  }
  return std::make_unique<optim::Adam>(std::move(parameters),
                                       optim::AdamOptions{.learning_rate = c.lr,
                                                          .beta1 = c.beta1,
                                                          .beta2 = c.beta2,
                                                          .eps = c.eps,
                                                          .weight_decay = c.weight_decay,
                                                          .decoupled = c.decoupled_weight_decay});
}

optim::ScheduleOptions make_schedule(const TrainConfig& train) {
  const ScheduleConfig& c = train.schedule;
  optim::ScheduleOptions options;
  if (c.type == "multi_step") options.kind = optim::ScheduleKind::multistep;
  if (c.type == "cosine") options.kind = optim::ScheduleKind::cosine;
  options.milestones.assign(c.milestones.begin(), c.milestones.end());
  options.factor = c.factor;
  options.num_epochs = train.epochs;
  options.min_factor = c.min_lr / train.optimizer.lr;
  options.per_step = true;
  options.warmup_steps = c.warmup_steps;
  options.warmup_factor = c.warmup_factor;
  return options;
}

}  // namespace akimbo
