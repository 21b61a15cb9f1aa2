// akimbo configs: the shipped configs, or one of them resolved.
#include <fmt/format.h>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/config/load.h"

namespace akimbo::apps {

namespace {

struct Arguments {
  std::string config;
  std::vector<std::string> overrides;
};

int show(const Arguments& arguments) {
  if (arguments.config.empty()) {
    for (const std::string& name : list_configs()) fmt::print("{}\n", name);
    return kExitDone;
  }
  const Config config = load_config(find_config(arguments.config), arguments.overrides);
  fmt::print("{}\n", config_to_json(config).dump(1));
  return kExitDone;
}

}  // namespace

Command configs_command() {
  return {"configs", "list the shipped configs, or print one with all its settings",
          "akimbo configs body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3",
          [](Options& options) {
            auto arguments = std::make_shared<Arguments>();
            options.argument("CONFIG", arguments->config, "the config to print", false);
            options.option("--set", arguments->overrides, "change a setting: a.b=value");
            return [arguments] { return show(*arguments); };
          }};
}

}  // namespace akimbo::apps
