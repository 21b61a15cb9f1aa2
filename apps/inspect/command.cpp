// `akimbo inspect FILE|DIR`.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/load_model.h"
#include "apps/config/load.h"
#include "apps/inspect/checkpoint_diff.h"
#include "apps/inspect/checkpoint_report.h"
#include "apps/inspect/dataset_report.h"
#include "apps/inspect/network_report.h"
#include "engine/core/error.h"
#include "engine/core/threads.h"

namespace akimbo::apps {
namespace {

struct Arguments {
  std::string path, other;
  bool json = false;
  bool decode = false;
  bool network = false;
  bool profile = false;
  int batch = 1;
  int threads = 0;
  std::string config, data;
  std::vector<std::string> overrides;
};

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(1, ' ', false, Json::error_handler_t::replace));
}

template <typename Report>
int show(const Report& report, std::int64_t num_problems, bool as_json) {
  if (as_json) {
    print_json(to_json(report));
  } else {
    fmt::print("{}", to_text(report));
    fmt::print("{} problem{} found\n", num_problems, num_problems == 1 ? "" : "s");
  }
  return num_problems > 0 ? kExitBadData : kExitDone;
}

// Of a config (fresh weights) or a model file.
int show_network(const Arguments& args, const std::string& path) {
  if (args.threads > 0) set_num_threads(args.threads);
  LoadedModel model =
      load_model({.model = path, .config = args.config, .overrides = args.overrides}, kCpu, false);
  if (!args.data.empty()) model.config.data.root = std::filesystem::absolute(args.data).string();
  const NetworkReport report = inspect_network(model, args.path, args.batch);
  if (args.json) {
    Json json = to_json(report);
    if (args.profile) {
      json["profile"] = to_json(profile_network(model, args.batch, !args.data.empty()));
    }
    json["config"] = config_to_json(model.config);
    print_json(json);
    return kExitDone;
  }
  fmt::print("{}", to_text(report));
  if (args.profile) {
    fmt::print("{}", to_text(profile_network(model, args.batch, !args.data.empty())));
  }
  return kExitDone;
}

int show_differences(const Arguments& args) {
  const CheckpointDiff diff = diff_checkpoints(args.path, args.other);
  if (args.json) {
    print_json(to_json(diff));
  } else {
    fmt::print("{}", to_text(diff));
  }
  return diff.is_equal() ? kExitDone : kExitCheck;
}

int run_inspect(const Arguments& args) {
  if (!args.other.empty()) return show_differences(args);
  std::filesystem::path path = args.path;
  const bool is_json = path.extension() == ".json";
  if (!std::filesystem::exists(path) && (is_json || path.extension().empty())) {
    return show_network(args, find_config(args.path));
  }
  if (is_json && !looks_like_annotations(io::read_json(path))) return show_network(args, path);
  if (is_json || std::filesystem::is_directory(path)) {
    const DatasetReport report = inspect_dataset(path, args.decode);
    return show(report, report.num_problems(), args.json);
  }
  if (args.network || args.profile) return show_network(args, path);
  const CheckpointReport report = inspect_checkpoint(path);
  return show(report, report.findings.num_problems(), args.json);
}

}  // namespace

Command inspect_command() {
  return {
      "inspect", "what a checkpoint, config or data set holds, and what is wrong with it",
      "akimbo inspect data/coco/annotations/person_keypoints_val2017.json", [](Options& options) {
        auto args = std::make_shared<Arguments>();
        options.argument("PATH", args->path,
                         "checkpoint (.safetensors, .pth), config, annotation file or data "
                         "folder");
        options.argument("OTHER", args->other,
                         "a second checkpoint: what differs; exit code 6 when anything does",
                         false);
        options.flag("--json", args->json, "print everything as JSON");
        options.flag("--network", args->network,
                     "of a model file: its network's layers, not its tensors");
        options.option("--config", args->config,
                       "with --network: the config of a checkpoint that carries none");
        options.option("--batch", args->batch, "images that a network's memory and time are for");
        options.flag("--profile", args->profile,
                     "time every layer on this CPU and say what bounds it");
        options.option("--data", args->data, "with --profile: time the loader on these data too");
        options.option("--threads", args->threads, "0: all processors");
        options.option("--set", args->overrides, "change a setting: a.b=value");
        options.flag("--decode", args->decode, "also decode every picture of a data set");
        return [args] { return run_inspect(*args); };
      }};
}

}  // namespace akimbo::apps
