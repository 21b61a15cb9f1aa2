// The timed half of network_report.h.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "apps/common/data.h"
#include "apps/inspect/network_report.h"
#include "engine/core/random.h"

namespace akimbo::apps {

namespace {

constexpr int kRepeats = 7;

Tensor random_images(const Shape& shape) {
  Tensor x = Tensor::empty(shape);
  RandomStream random(3);
  float* values = x.data<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = static_cast<float>(random.normal());
  return x;
}

// Of the loader alone, over two seconds or an epoch, without the first batch, which waits for the
// workers to begin.
double loader_speed(const Config& config, const Skeleton& skeleton) {
  using Clock = std::chrono::steady_clock;
  const auto dataset = open_dataset(config, config.data.val, skeleton, Use::evaluate);
  datasets::BatchLoader loader(dataset, eval_order(config, kCpu));
  (void)loader.next();
  const auto start = Clock::now();
  std::int64_t num_images = 0;
  double seconds = 0;
  while (loader.has_next() && seconds < 2) {
    num_images += loader.next().input.dim(0);
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  if (num_images == 0) {
    throw_error<FileError>(
        "[inspect] {} has a single batch of people, too few to time the loader; lower "
        "eval.batch_size",
        dataset.people().where);
  }
  return static_cast<double>(num_images) / std::max(seconds, 1e-9);
}

double total_seconds(const std::vector<plan::StepProfile>& steps) {
  double seconds = 0;
  for (const plan::StepProfile& step : steps) seconds += step.seconds;
  return seconds;
}

}  // namespace

NetworkProfile profile_network(LoadedModel& model, int batch, bool with_data) {
  const PixelSize size = model.config.codec.input_size;
  const Shape shape{batch, size.height, size.width, 3};
  models::Network& network = *model.network;
  plan::Plan plan([&](const Tensor& x) { return network.outputs(x); }, shape, DType::f32, kCpu,
                  network.named_parameters());
  NetworkProfile profile{.peaks = plan::measure_peaks()};
  profile.steps = plan::profile_steps(plan, random_images(shape), kRepeats, profile.peaks);
  for (const plan::Node& node : plan.nodes()) profile.names.push_back(node.layer);
  profile.images_per_second = batch / total_seconds(profile.steps);
  if (with_data) profile.loader_images_per_second = loader_speed(model.config, model.skeleton);
  return profile;
}

std::string NetworkProfile::verdict() const {
  if (loader_images_per_second > 0 && loader_images_per_second < images_per_second) {
    return "data-bound";
  }
  return fmt::format("{}-bound", plan::bound_name(plan::verdict(steps)));
}

Json to_json(const NetworkProfile& profile) {
  Json steps = Json::array();
  for (std::size_t i = 0; i < profile.steps.size(); ++i) {
    const plan::StepProfile& step = profile.steps[i];
    steps.push_back({{"name", profile.names[i]},
                     {"seconds", step.seconds},
                     {"flops", step.flops},
                     {"bytes", step.bytes},
                     {"bound", plan::bound_name(step.bound)},
                     {"share_of_peak", step.share_of_peak}});
  }
  return {{"verdict", profile.verdict()},
          {"images_per_second", profile.images_per_second},
          {"loader_images_per_second", profile.loader_images_per_second},
          {"peaks",
           {{"flops", profile.peaks.flops},
            {"bytes_per_second", profile.peaks.bytes_per_second},
            {"step_seconds", profile.peaks.step_seconds}}},
          {"steps", steps}};
}

std::string to_text(const NetworkProfile& profile) {
  const double total = total_seconds(profile.steps);
  std::vector<std::size_t> order(profile.steps.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return profile.steps[a].seconds > profile.steps[b].seconds;
  });
  std::size_t width = 4;
  for (const std::string& name : profile.names) width = std::max(width, name.size());
  std::string text = fmt::format(
      "peaks of this machine now: {:.1f} GFLOP/s, {:.1f} GB/s, {:.1f} us for an empty step\n"
      "  {:{}} {:>9} {:>7} {:>9} {:>9}  {:8} {:>13}\n",
      1e-9 * profile.peaks.flops, 1e-9 * profile.peaks.bytes_per_second,
      1e6 * profile.peaks.step_seconds, "step", width, "ms", "time", "GFLOP/s", "GB/s", "bound by",
      "share of peak");
  for (const std::size_t i : order) {
    const plan::StepProfile& step = profile.steps[i];
    text += fmt::format("  {:{}} {:>9.3f} {:>6.1f}% {:>9.1f} {:>9.1f}  {:8} {:>12.0f}%\n",
                        profile.names[i], width, 1e3 * step.seconds, 100 * step.seconds / total,
                        1e-9 * step.flops / step.seconds, 1e-9 * step.bytes / step.seconds,
                        plan::bound_name(step.bound), 100 * step.share_of_peak);
  }
  text += fmt::format("{:.1f} images/s", profile.images_per_second);
  if (profile.loader_images_per_second > 0) {
    text += fmt::format("; the loader makes {:.1f} crops/s", profile.loader_images_per_second);
  }
  return text + fmt::format("; verdict: {}\n", profile.verdict());
}

}  // namespace akimbo::apps
