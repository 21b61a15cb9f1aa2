// `akimbo bench MODEL|CONFIG`.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/load_model.h"
#include "apps/common/output_folder.h"
#include "apps/common/run_options.h"
#include "apps/inspect/network_report.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "inference/network_runner.h"

namespace akimbo::apps {
namespace {

struct Arguments {
  ModelSource source;
  RunOptions run;
  int batch = 1;
  int repeats = 20;
  std::string json;
};

struct Timing {
  double median_ms, low_ms, high_ms;  // low, high: 10 and 90 percent
};

Timing quantiles(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) {
    return ms[static_cast<std::size_t>(q * static_cast<double>(ms.size() - 1) + 0.5)];
  };
  return {at(0.5), at(0.1), at(0.9)};
}

// Of prediction: from the batch in the device's memory to heatmaps on the CPU.
Timing time_network(LoadedModel& model, Device device, const Arguments& args) {
  const PixelSize size = model.config.codec.input_size;
  Tensor x = Tensor::empty({args.batch, size.height, size.width, 3});
  RandomStream random(3);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(random.normal());
  }
  x = x.to(device);
  say_precision(model.config.eval, device);
  NetworkRunner runner(*model.network, model.config.eval, device);
  constexpr int kWarmUps = 3;  // the first plans, the second records a GPU's graph
  std::vector<double> ms;
  for (int i = 0; i < kWarmUps + args.repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    (void)runner.forward(x).to(kCpu);
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    if (i >= kWarmUps) ms.push_back(taken.count());
  }
  return quantiles(std::move(ms));
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Json measure(const Arguments& args, LoadedModel& model, Device device) {
  const NetworkReport network = inspect_network(model, args.source.model, args.batch);
  const Timing timing = time_network(model, device, args);
  const double gflop = 2e-9 * static_cast<double>(network.macs);
  const PixelSize size = model.config.codec.input_size;
  Json result = {{"model", args.source.model},
                 {"version", AKIMBO_VERSION},
                 {"device", device.str()},
                 {"device_name", describe_device(device)},
                 {"threads", num_threads()},
                 {"precision", model.config.eval.precision},
                 {"winograd", model.config.eval.winograd},
                 {"input", {args.batch, size.height, size.width, 3}},
                 {"parameters", network.parameters},
                 {"median_ms", timing.median_ms},
                 {"low_ms", timing.low_ms},
                 {"high_ms", timing.high_ms},
                 {"ms_per_image", timing.median_ms / args.batch},
                 {"images_per_second", 1000 * args.batch / timing.median_ms},
                 {"gflop_per_image", gflop / args.batch},
                 {"gflop_per_second", 1000 * gflop / timing.median_ms},
                 {"peak_memory_mib", peak_memory_mib()}};
  fmt::print(
      "{} on {}, {} threads, {}: batch {} of {}x{}\n"
      "{:.2f} ms (10 to 90 %: {:.2f} to {:.2f}), {:.2f} ms an image, {:.1f} images/s\n"
      "{:.2f} GFLOP an image as direct sums, {:.1f} GFLOP/s; peak memory {:.0f} MiB\n",
      args.source.model, describe_device(device), num_threads(), model.config.eval.precision,
      args.batch, size.height, size.width, timing.median_ms, timing.low_ms, timing.high_ms,
      timing.median_ms / args.batch, 1000 * args.batch / timing.median_ms, gflop / args.batch,
      1000 * gflop / timing.median_ms, peak_memory_mib());
  return result;
}

int run_bench(const Arguments& args) {
  if (args.batch < 1 || args.repeats < 1) {
    throw_error<ConfigError>("--batch is {} and --repeats {}, wanted 1 or more of both", args.batch,
                             args.repeats);
  }
  const Device device = args.run.apply();
  LoadedModel model = load_model(args.source, device, false);
  args.run.adjust(model.config);
  Json result = measure(args, model, device);
  if (device.is_cpu()) {
    const NetworkProfile profile = profile_network(model, args.batch, false);
    result["share_of_peak"] =
        1e9 * result.at("gflop_per_second").get<double>() / profile.peaks.flops;
    result["profile"] = to_json(profile);
    fmt::print(
        "{:.2f} of the measured peak of f32 (Winograd's algorithm needs fewer operations, and bf16 "
        "takes half the time for each)\n\n{}",
        result.at("share_of_peak").get<double>(), to_text(profile));
  }
  if (!args.json.empty()) write_output([&] { io::write_json(args.json, result); });
  return kExitDone;
}

}  // namespace

Command bench_command() {
  return {"bench", "how fast a network predicts on this machine, and each of its layers",
          "akimbo bench body2d/hrnet/coco/w32_256x192_adam_lr1e-3 --batch 8", [](Options& options) {
            auto args = std::make_shared<Arguments>();
            options.argument("MODEL", args->source.model,
                             "model file, config file, or name of a shipped config (then with "
                             "fresh weights)");
            options.option("--batch", args->batch, "images at a time");
            options.option("--repeats", args->repeats, "runs, of which the median counts");
            options.option("--json", args->json,
                           "write the figures to this file (bench/history.py keeps them)");
            options.option("--set", args->source.overrides, "change a setting: a.b=value");
            args->run.declare(options);
            args->run.declare_precision(options);
            return [args] { return run_bench(*args); };
          }};
}

}  // namespace akimbo::apps
