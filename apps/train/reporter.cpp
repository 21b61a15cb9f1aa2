#include "apps/train/reporter.h"

#include "engine/core/allocator.h"

namespace akimbo::apps {

Reporter::Reporter(const std::filesystem::path& out, const Config& config, Device device)
    : config_(config), device_(device), log_(out / "log.jsonl"), events_(out) {}

void Reporter::begin(const Json& facts) {
  const std::string config_text = config_to_json(config_).dump(1);
  log_.write("begin", facts);
  events_.write_text("config", "```json\n" + config_text + "\n```");
}

void Reporter::step(const StepReport& report, const EpochAverages& averages) {
  if (!progress_) {
    progress_ = std::make_unique<Progress>(fmt::format("epoch {}", report.epoch),
                                           report.num_batches, config_.train.log_every);
  }
  const bool last = report.batch + 1 == report.num_batches;
  const bool logged = report.batch % config_.train.log_every == 0 || last;
  progress_->update(
      report.batch + 1,
      fmt::format("loss {:.5f} ({:.5f}) acc {:.3f} ({:.3f}) lr {:.3g} {:.1f} images/s data {:.0f}%",
                  averages.loss.last, averages.loss.mean(), averages.accuracy.last,
                  averages.accuracy.mean(), report.lr,
                  static_cast<double>(report.num_images) / report.step_seconds,
                  100 * report.data_seconds / report.step_seconds));
  if (logged) log_step(report, averages);
  if (last) progress_.reset();
}

void Reporter::log_step(const StepReport& report, const EpochAverages& averages) {
  Json line = {{"epoch", report.epoch},
               {"batch", report.batch},
               {"step", report.step},
               {"loss", averages.loss.last},
               {"loss_mean", averages.loss.mean()},
               {"accuracy", averages.accuracy.last},
               {"accuracy_mean", averages.accuracy.mean()},
               {"lr", report.lr},
               {"data_seconds", report.data_seconds},
               {"step_seconds", report.step_seconds},
               {"images_per_second", static_cast<double>(report.num_images) / report.step_seconds},
               {"memory_peak_bytes", memory_report(device_).peak_bytes}};
  if (report.grad_norm >= 0) line["grad_norm"] = report.grad_norm;
  log_.write("train", line);
  events_.write_scalars(report.step, {{"train_loss", averages.loss.last},
                                      {"train_acc", averages.accuracy.last},
                                      {"lr", report.lr}});
}

void Reporter::validation(int epoch, std::int64_t step, const Json& metrics, double seconds) {
  progress_.reset();
  Json line = {{"epoch", epoch}, {"step", step}, {"seconds", seconds}, {"metrics", metrics}};
  log_.write("validation", line);
  std::vector<EventFile::Scalar> scalars;
  for (const auto& [name, value] : metrics.items()) {
    if (value.is_number()) scalars.emplace_back("valid/" + name, value.get<double>());
  }
  events_.write_scalars(step, scalars);
}

}  // namespace akimbo::apps
