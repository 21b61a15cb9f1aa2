// akimbo train
#include <fmt/format.h>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/load_weights.h"
#include "apps/common/output_folder.h"
#include "apps/common/run_options.h"
#include "apps/config/load.h"
#include "apps/train/trainer.h"
#include "engine/io/json.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

struct Arguments {
  std::string config, data, out, init;
  bool resume = false;
  std::vector<std::string> overrides;
  RunOptions run;
};

// A run is never written over by accident.
void check_resume(const Arguments& arguments, const fs::path& out) {
  const bool has_run = fs::exists(out / "checkpoint_last.safetensors");
  if (arguments.resume && !has_run) {
    throw_error<ConfigError>(
        "--resume: {} holds no checkpoint_last.safetensors; leave --resume "
        "out to begin, or name the run's folder with --out",
        out.string());
  }
  if (!arguments.resume && has_run) {
    throw_error<ConfigError>(
        "{} already holds a run; go on with it by --resume, or choose another "
        "--out",
        out.string());
  }
  if (arguments.resume && !arguments.init.empty()) {
    throw_error<ConfigError>(
        "--init and --resume contradict each other: a resumed run has its "
        "weights; leave one of them out");
  }
}

int run(const Arguments& arguments) {
  const Device device = arguments.run.apply();
  const fs::path path = find_config(arguments.config);
  Config config = load_config(path, arguments.overrides);
  arguments.run.adjust(config);
  set_compute_mode({.deterministic = config.train.deterministic});
  if (!arguments.data.empty()) config.data.root = fs::absolute(arguments.data).string();
  const fs::path out =
      arguments.out.empty() ? fs::path("out") / path.stem() : fs::path(arguments.out);
  check_resume(arguments, out);
  prepare_output_folder(out);
  fmt::print(stderr, "config {}:\n{}\n", path.string(), config_to_json(config).dump(1));
  write_output([&] { io::write_json(out / "config.json", config_to_json(config)); });
  return train(config, {.out = out,
                        .init = arguments.init,
                        .color_is_chosen = chooses_color(arguments.overrides),
                        .resume = arguments.resume,
                        .device = device});
}

}  // namespace

Command train_command() {
  return {"train", "train a network from a config",
          "akimbo train body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3 --data "
          "data/coco --out out/res50",
          [](Options& options) {
            const auto arguments = std::make_shared<Arguments>();
            options.argument("CONFIG", arguments->config,
                             "a config file, or the name of a shipped one (`akimbo configs`)");
            options.option("--data", arguments->data, "folder of the data; over data.root");
            options.option("--out", arguments->out, "folder of the run; default out/CONFIG");
            options.option("--init", arguments->init,
                           "weights to begin from: safetensors or PyTorch");
            options.flag("--resume", arguments->resume, "go on with the run in --out");
            options.option("--set", arguments->overrides, "change a setting: a.b=value");
            arguments->run.declare(options);
            return [arguments] { return run(*arguments); };
          }};
}

}  // namespace akimbo::apps
