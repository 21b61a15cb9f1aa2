#include "apps/train/trainer.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "apps/cli.h"
#include "apps/common/batch_feed.h"
#include "apps/common/data.h"
#include "apps/common/load_weights.h"
#include "apps/common/output_folder.h"
#include "apps/common/stop_signal.h"
#include "apps/common/time_report.h"
#include "apps/draw/debug_pictures.h"
#include "apps/eval/evaluate.h"
#include "apps/train/train_state.h"
#include "apps/train/train_step.h"
#include "datasets/meta.h"
#include "engine/pose/heatmap_decode.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

draw::DebugBatch debug_batch(const DeviceBatch& batch, const Tensor& output, const Config& config) {
  const std::int64_t N = output.dim(0), K = output.dim(3);
  Tensor joints = Tensor::zeros({N, K, 2}), visible = Tensor::zeros({N, K});
  float* joint = joints.data<float>();
  float* seen = visible.data<float>();
  for (const datasets::SampleMeta& sample : batch.host.samples) {
    for (const datasets::Joint& from : sample.plan.joints) {
      const Point crop = transform(sample.image_to_crop, from.image);
      *joint++ = static_cast<float>(crop.x);
      *joint++ = static_cast<float>(crop.y);
      *seen++ = from.visible;
    }
  }
  return {.input = batch.input.to(kCpu),
          .joints_crop = joints,
          .visible = visible,
          .target = batch.target.to(kCpu),
          .output = output.to(kCpu),
          .is_rgb = config.data.color == "rgb"};
}

class Trainer {
 public:
  Trainer(const Config& config, const TrainOptions& options);
  int run();

 private:
  void begin();
  [[nodiscard]] std::vector<std::string> begin_weights();
  void train_epoch();
  void train_batches(std::int64_t num_batches);
  void train_step(const DeviceBatch& batch, BatchFeed& feed, StepReport& report);
  void record(const TrainStep::Result& result, const DeviceBatch& batch, StepReport& report);
  void check_loss(double loss) const;
  void draw_batch(const DeviceBatch& batch, const Tensor& output) const;
  void validate();
  void save_last();
  [[nodiscard]] bool stopped() const { return signal_.received() != 0; }
  [[nodiscard]] std::string remedy() const;

  const Config& config_;
  const TrainOptions& options_;
  fs::path last_path_, best_path_;
  TrainState state_;
  TrainStep step_;
  datasets::TopDownDataset train_set_, val_set_;
  std::unique_ptr<datasets::Benchmark> benchmark_;
  Reporter reporter_;
  StopSignal signal_;
  std::int64_t saved_step_ = -1;
};

Trainer::Trainer(const Config& config, const TrainOptions& options)
    : config_(config),
      options_(options),
      last_path_(options.out / "checkpoint_last.safetensors"),
      best_path_(options.out / "checkpoint_best.safetensors"),
      state_(config, datasets::skeleton_by_name(config.skeleton), options.device),
      step_(state_),
      train_set_(open_dataset(config, config.data.train, state_.skeleton(), Use::train)),
      val_set_(open_dataset(config, config.data.val, state_.skeleton(), Use::evaluate)),
      benchmark_(open_benchmark(config, state_.skeleton())),
      reporter_(options.out, config_, options.device) {
  if (benchmark_->labelled() && train_set_.people().labelled) return;
  throw_error<ConfigError>(
      "[train] {} has no labels; training and validation need them",
      benchmark_->labelled() ? config.data.train.annotations : config.data.val.annotations);
}

std::vector<std::string> Trainer::begin_weights() {
  if (options_.init.empty()) {
    state_.network().init_from_scratch(config_.train.seed);
    return {};
  }
  convert::Weights weights = convert::read_weights(options_.init);
  const bool has_training = weights.has_training;
  auto notes = load_weights(state_.network(), std::move(weights), config_,
                            {.strict = false, .color_is_chosen = options_.color_is_chosen});
  if (has_training) {
    notes.emplace_back(
        "  the file also holds the state of a training, which --init leaves out; `akimbo convert` "
        "makes a checkpoint of it that --resume goes on from");
  }
  return notes;
}

void Trainer::begin() {
  std::vector<std::string> notes;
  if (options_.resume) {
    notes = state_.resume(last_path_);
    saved_step_ = state_.step;
    notes.insert(notes.begin(), fmt::format("going on at epoch {}, batch {} (step {})",
                                            state_.epoch, state_.batch, state_.step));
  } else {
    notes = begin_weights();
    state_.restart_average();
  }
  fmt::print(stderr, "{} parameters; {} pictures of people to train on, {} to validate; {} ({})\n",
             state_.network().num_parameters(), train_set_.size(), val_set_.size(),
             describe_device(options_.device), config_.train.precision);
  for (const std::string& note : notes) fmt::print(stderr, "{}\n", note);
  reporter_.begin({{"parameters", state_.network().num_parameters()},
                   {"train_people", train_set_.size()},
                   {"val_people", val_set_.size()},
                   {"version", AKIMBO_VERSION},
                   {"device", describe_device(options_.device)},
                   {"precision", config_.train.precision},
                   {"resumed", options_.resume},
                   {"step", state_.step},
                   {"notes", notes}});
}

int Trainer::run() {
  begin();
  while (state_.epoch < config_.train.epochs) {
    train_epoch();
    if (!stopped()) validate();
    if (stopped()) {
      save_last();
      reporter_.event("interrupted", {{"step", state_.step}});
      fmt::print(stderr, "stopped after step {}; go on with --resume\n", state_.step);
      return 128 + signal_.received();
    }
    ++state_.epoch;
    state_.batch = 0;
    state_.averages = {};
    const bool last = state_.epoch == config_.train.epochs;
    if (last || state_.epoch % config_.train.save_epochs == 0) save_last();
  }
  reporter_.event("end", {{"step", state_.step}, {"best", state_.best_metric}});
  fmt::print("{}: best {} {:.4f} in epoch {}\n", best_path_.string(),
             indicator_name(config_, *benchmark_), state_.best_metric, state_.best_epoch);
  return kExitDone;
}

void Trainer::train_epoch() {
  state_.network().train();
  const std::int64_t num_batches = train_set_.num_batches(config_.train.batch_size);
  if (state_.batch >= num_batches) return;  // stopped between the last step and the validation
  const TimeReport time;
  train_batches(num_batches);
  fmt::print(stderr, "epoch {}: {}\n", state_.epoch, time.line());
  print_cache_problem(train_set_);
  reporter_.event("time", {{"epoch", state_.epoch}, {"seconds", time.json()}});
}

void Trainer::train_batches(std::int64_t num_batches) {
  BatchFeed feed(train_set_, train_order(config_, options_.device, state_.epoch, state_.batch),
                 options_.device);
  while (state_.batch < num_batches && !stopped()) {
    const auto start = Clock::now();
    const DeviceBatch batch = feed.next();
    StepReport report{.epoch = state_.epoch,
                      .batch = state_.batch,
                      .num_batches = num_batches,
                      .num_images = batch.input.dim(0),
                      .data_seconds = seconds_since(start)};
    train_step(batch, feed, report);
    report.step = state_.step;
    report.step_seconds = seconds_since(start);
    reporter_.step(report, state_.averages);
    const int every = config_.train.save_every;
    if (every > 0 && state_.step % every == 0) save_last();
  }
}

void Trainer::train_step(const DeviceBatch& batch, BatchFeed& feed, StepReport& report) {
  report.lr = optim::learning_rate_at(make_schedule(config_.train), config_.train.optimizer.lr,
                                      state_.epoch, state_.batch, report.num_batches);
  {
    const StageTimer timer(Stage::network);
    step_.run(batch, report.lr);
  }
  // A GPU is at work now: the next batch is made and sent meanwhile.
  const auto start = Clock::now();
  feed.prefetch();
  report.data_seconds += seconds_since(start);
  const auto finish = [this] {
    const StageTimer timer(Stage::network);
    return step_.finish();
  };
  record(finish(), batch, report);
  ++state_.batch;
  ++state_.step;
}

void Trainer::record(const TrainStep::Result& result, const DeviceBatch& batch,
                     StepReport& report) {
  check_loss(result.loss);
  const bool scaled = state_.loss_scale() != nullptr;
  if (result.skipped && (!scaled || state_.loss_scale()->state().scale <= 1)) {
    check_loss(result.grad_norm);
  }
  if (config_.train.clip_norm > 0) report.grad_norm = result.grad_norm;
  state_.averages.loss.add(result.loss, static_cast<double>(report.num_images));
  state_.averages.accuracy.add(result.accuracy.average, result.accuracy.num_keypoints);
  const int every = config_.train.debug_every;
  if (every > 0 && state_.step % every == 0) draw_batch(batch, step_.output());
}

std::string Trainer::remedy() const {
  const std::string change =
      "lower train.optimizer.lr, or set train.clip_norm or train.schedule.warmup_steps";
  if (!fs::exists(last_path_)) return "no checkpoint was written yet; " + change;
  return fmt::format("the last good checkpoint is {}; go on from it with --resume and {}",
                     last_path_.string(), change);
}

void Trainer::check_loss(double loss) const {
  if (std::isfinite(loss)) return;
  throw_error<NumericError>(
      "[train] the loss or its gradient became {} at step {} (epoch {}, "
      "batch {}); {}",
      loss, state_.step, state_.epoch, state_.batch, remedy());
}

void Trainer::draw_batch(const DeviceBatch& batch, const Tensor& output) const {
  const fs::path folder = options_.out / "debug";
  prepare_output_folder(folder);
  write_output([&] {
    draw::write_debug_pictures(folder, fmt::format("train_{:07}", state_.step),
                               debug_batch(batch, output, config_));
  });
}

void Trainer::validate() {
  const bool last = state_.epoch + 1 == config_.train.epochs;
  if ((state_.epoch + 1) % config_.train.validate_every != 0 && !last) return;
  state_.check_finite(remedy());
  const auto start = Clock::now();
  if (state_.average() != nullptr) state_.average()->exchange();
  state_.network().eval();
  const auto evaluation = evaluate(state_.network(), options_.device, config_, val_set_,
                                   *benchmark_, [this] { return stopped(); });
  state_.network().train();
  if (state_.average() != nullptr) state_.average()->exchange();
  if (!evaluation) return;  // stopped
  reporter_.validation(state_.epoch, state_.step, evaluation->metrics(), seconds_since(start));
  fmt::print(stderr, "epoch {}: {}\n", state_.epoch, summary_line(evaluation->scores));
  const double metric = evaluation->indicator(config_, *benchmark_);
  if (metric > state_.best_metric) {
    state_.best_metric = metric;
    state_.best_epoch = state_.epoch;
    state_.save_best(best_path_);
  }
}

void Trainer::save_last() {
  if (saved_step_ == state_.step && state_.batch != 0) return;
  state_.check_finite(remedy());
  state_.save(last_path_);
  saved_step_ = state_.step;
}

}  // namespace

int train(const Config& config, const TrainOptions& options) {
  Trainer trainer(config, options);
  return trainer.run();
}

}  // namespace akimbo::apps
