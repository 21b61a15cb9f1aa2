// Everything that a training run tells: the line on the terminal, log.jsonl, TensorBoard events.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/common/progress.h"
#include "apps/train/average.h"
#include "apps/train/event_file.h"
#include "apps/train/run_log.h"
#include "config/config.h"
#include "engine/core/device.h"

namespace akimbo::apps {

// Averages over the epoch in hand.
struct EpochAverages {
  Average loss;      // weighted by pictures
  Average accuracy;  // weighted by the keypoints that counted
};

struct StepReport {
  int epoch = 0;
  std::int64_t batch = 0;        // of the epoch, 0-based
  std::int64_t num_batches = 0;  // of the epoch
  std::int64_t step = 0;         // of the run, 1-based: the count after this step
  std::int64_t num_images = 0;   // in this batch
  double lr = 0;
  double data_seconds = 0;  // waited for the batch
  double step_seconds = 0;  // data included
  double grad_norm = -1;    // before clipping; negative when not computed
};

class Reporter {
 public:
  // `device`: whose memory is reported.
  Reporter(const std::filesystem::path& out, const Config& config, Device device);

  void begin(const Json& facts);
  // Every step moves the bar; every `log_every`-th and the last of an epoch are logged.
  void step(const StepReport& report, const EpochAverages& averages);
  // metrics: by name, as the evaluation gave them.
  void validation(int epoch, std::int64_t step, const Json& metrics, double seconds);
  void event(const char* name, const Json& fields) { log_.write(name, fields); }

 private:
  void log_step(const StepReport& report, const EpochAverages& averages);

  const Config& config_;
  Device device_;
  RunLog log_;
  EventFile events_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace akimbo::apps
