// What a network consists of, needs and takes: its layers with shapes, parameters and
// multiply-adds, the memory of a batch, and on request the time of every step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/common/load_model.h"
#include "engine/io/json.h"
#include "engine/plan/profile.h"

namespace akimbo::apps {

struct LayerRow {
  std::string name, op;
  Shape input, output;          // the first input's
  std::int64_t parameters = 0;  // with those of the batch norm that is folded into it
  std::int64_t macs = 0;
};

struct NetworkReport {
  std::string model;  // as given
  Json settings;      // of the network
  Shape input;        // [N, H, W, 3]
  std::vector<LayerRow> layers;
  std::int64_t parameters = 0;
  std::int64_t macs = 0;  // of the batch
  std::int64_t weight_bytes = 0;
  std::int64_t map_bytes = 0;      // held for maps in prediction, where they share memory
  std::int64_t all_map_bytes = 0;  // of all maps, without sharing
  // Least for training: weights, gradients, Adam's moments, and every map.
  std::int64_t training_bytes = 0;
};

// The network at a batch of that size. Throws ArgumentError below 1.
[[nodiscard]] NetworkReport inspect_network(LoadedModel& model, const std::string& name, int batch);

struct NetworkProfile {
  plan::Peaks peaks;
  std::vector<std::string> names;  // of the steps, after fusing
  std::vector<plan::StepProfile> steps;
  double images_per_second = 0;
  double loader_images_per_second = 0;  // 0: no data were given

  // "compute-bound", "memory-bound", "launch-bound", or "data-bound" when the loader is slower than
  // the network.
  [[nodiscard]] std::string verdict() const;
};

// Times the steps of prediction on the CPU. With data (config.data.root), also how fast the loader
// makes the crops of the validation set.
[[nodiscard]] NetworkProfile profile_network(LoadedModel& model, int batch, bool with_data);

[[nodiscard]] Json to_json(const NetworkReport& report);
[[nodiscard]] std::string to_text(const NetworkReport& report);
[[nodiscard]] Json to_json(const NetworkProfile& profile);
[[nodiscard]] std::string to_text(const NetworkProfile& profile);

}  // namespace akimbo::apps
