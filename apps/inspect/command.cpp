// `akimbo inspect FILE|DIR`.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/config/load.h"
#include "apps/inspect/checkpoint_diff.h"
#include "apps/inspect/checkpoint_report.h"
#include "apps/inspect/dataset_report.h"
#include "engine/core/error.h"

namespace akimbo::apps {
namespace {

struct Arguments {
  std::string path, other;
  bool json = false;
  bool decode = false;
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

int show_config(const std::filesystem::path& path) {
  print_json(config_to_json(load_config(path)));
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
    return show_config(find_config(args.path));
  }
  if (is_json && !looks_like_annotations(io::read_json(path))) return show_config(path);
  if (is_json || std::filesystem::is_directory(path)) {
    const DatasetReport report = inspect_dataset(path, args.decode);
    return show(report, report.num_problems(), args.json);
  }
  const CheckpointReport report = inspect_checkpoint(path);
  return show(report, report.findings.num_problems(), args.json);
}

}  // namespace

Command inspect_command() {
  return {"inspect", "what a checkpoint, config or data set holds, and what is wrong with it",
          "akimbo inspect data/coco/annotations/person_keypoints_val2017.json",
          [](Options& options) {
            auto args = std::make_shared<Arguments>();
            options.argument("PATH", args->path,
                             "checkpoint (.safetensors, .pth), config, annotation file or data "
                             "folder");
            options.argument("OTHER", args->other,
                             "a second checkpoint: what differs; exit code 6 when anything does",
                             false);
            options.flag("--json", args->json, "print everything as JSON");
            options.flag("--decode", args->decode, "also decode every picture of a data set");
            return [args] { return run_inspect(*args); };
          }};
}

}  // namespace akimbo::apps
