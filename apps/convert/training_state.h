// What a training run of PyTorch left in its checkpoint beside the weights, as it is and as a
// checkpoint of ours keeps it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/convert/state_dict.h"
#include "apps/convert/torch_file.h"
#include "apps/convert/torch_write.h"
#include "config/config.h"
#include "engine/nn/module.h"
#include "inference/model_file.h"

namespace akimbo::convert {

// One parameter's moments, as Adam (exp_avg, exp_avg_sq) or SGD (momentum_buffer) keep them.
struct OptimizerEntry {
  std::string parameter;
  double step = 0;
  std::vector<std::pair<std::string, const Value*>> tensors;
};

// The entries of the checkpoint's optimizer state by parameter name: ids stand for parameters in
// the order of the state dict without its buffers. Empty when there is no such state; throws
// FileError when it does not belong to these weights.
[[nodiscard]] std::vector<OptimizerEntry> read_optimizer(const TorchFile& file,
                                                         const StateDict& dict);

// A training to go on with, in the form of our checkpoints (apps/common/model_file.h).
struct TrainingState {
  io::NamedTensors optimizer;      // optim::Optimizer::state()
  Json training;                   // where it stood
  std::vector<std::string> notes;  // for the user: what was taken, changed, left out
};

// True when the file has the state of an optimizer.
[[nodiscard]] bool has_training_state(const TorchFile& file);

// The file's training with this network. Learning rate, betas, milestones and the like of the
// file's optimizer and scheduler replace those of `config`. Throws FileError when the state does
// not fit the network, ConfigError when config.train.optimizer.type is another optimizer's.
[[nodiscard]] TrainingState import_training(const TorchFile& file, const StateDict& dict,
                                            const nn::Module& network, Config& config);

// The training in a checkpoint of ours, for write_torch_training. Throws FileError when the file
// holds none, or one of another network.
[[nodiscard]] TorchTraining export_training(const io::SafetensorsFile& file, const ModelInfo& info,
                                            nn::Module& network);

}  // namespace akimbo::convert
