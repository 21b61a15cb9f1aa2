// akimbo browse: a page of samples exactly as training gets them.
#include <fmt/format.h>

#include "apps/browse/sample_view.h"
#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/data.h"
#include "apps/common/load_model.h"
#include "apps/common/output_folder.h"
#include "apps/html/page.h"
#include "engine/io/file.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

struct Arguments {
  ModelSource source;
  std::string data, split = "train", out = "out/browse.html";
  int num_samples = 24, epoch = 0;
};

void check(const Arguments& arguments) {
  if (arguments.split != "train" && arguments.split != "val") {
    throw_error<ConfigError>("--split {} is neither train nor val", arguments.split);
  }
  if (arguments.num_samples < 1 || arguments.num_samples > 2000 || arguments.epoch < 0) {
    throw_error<ConfigError>("--samples must be 1 to 2000 and --epoch 0 or more, not {} and {}",
                             arguments.num_samples, arguments.epoch);
  }
}

std::string about(const Arguments& arguments, const Config& config,
                  const datasets::TopDownDataset& dataset) {
  const Size2 input = dataset.options().codec.input_size;
  const Size2 map = dataset.options().codec.heatmap_size;
  return html::facts(
      {{"config", arguments.source.model},
       {"set", fmt::format("{}: {} people of {}", arguments.split, dataset.size(),
                           dataset.people().where)},
       {"order", arguments.split == "train" ? fmt::format("of training, seed {}, epoch {}",
                                                          config.train.seed, arguments.epoch)
                                            : "of the file, not augmented"},
       {"network's input",
        fmt::format("{} x {}, {}", input.width, input.height, config.data.color)},
       {"targets", fmt::format("{} x {}, sigma {}", map.width, map.height, config.codec.sigma)}});
}

int run(const Arguments& arguments) {
  check(arguments);
  LoadedModel model = load_model_config(arguments.source);
  Config& config = model.config;
  if (!arguments.data.empty()) config.data.root = fs::absolute(arguments.data).string();
  const bool is_train = arguments.split == "train";
  const datasets::TopDownDataset dataset =
      open_dataset(config, is_train ? config.data.train : config.data.val, model.skeleton,
                   is_train ? Use::train : Use::evaluate);
  datasets::BatchLoader loader(
      dataset, is_train ? train_order(config, kCpu, arguments.epoch, 0) : eval_order(config, kCpu));
  std::vector<std::string> figures;
  while (loader.has_next() && static_cast<int>(figures.size()) < arguments.num_samples) {
    const datasets::Batch batch = loader.next();
    for (std::int64_t row = 0; row < batch.input.dim(0); ++row) {
      if (static_cast<int>(figures.size()) == arguments.num_samples) break;
      figures.push_back(sample_figure(dataset, batch, row));
    }
  }
  html::Page page(fmt::format("Samples of {}", fs::path(arguments.source.model).stem().string()));
  page.section("What this is", about(arguments, config, dataset) +
                                   "<p class=\"dim\">Each sample: the picture with its labels, "
                                   "its box and the border of the crop (white); the network's "
                                   "input with its keypoints; the same with the targets.</p>\n");
  page.section(fmt::format("{} samples", figures.size()), html::gallery(figures, 560));
  const fs::path out = arguments.out;
  if (out.has_parent_path()) prepare_output_folder(out.parent_path());
  write_output([&] { io::write_file_atomic(out, page.text()); });
  fmt::print("{}: {} of {} samples\n", out.string(), figures.size(), dataset.size());
  return kExitDone;
}

}  // namespace

Command browse_command() {
  return {"browse", "a page (HTML) of samples exactly as the trainer sees them",
          "akimbo browse body2d/hrnet/coco/w32_256x192_adam_lr1e-3 --data data/coco --samples 40",
          [](Options& options) {
            const auto arguments = std::make_shared<Arguments>();
            options.argument("CONFIG", arguments->source.model, "a config, or a model file");
            options.option("--data", arguments->data, "folder of the data; over data.root");
            options.option("--split", arguments->split,
                           "train: shuffled and augmented; val: as validation takes them");
            options.option("--samples", arguments->num_samples, "how many");
            options.option("--epoch", arguments->epoch, "of shuffling and augmentation, from 0");
            options.option("--out", arguments->out, "the page; pictures are inside it");
            options.option("--config", arguments->source.config,
                           "the config of a checkpoint that carries none, such as PyTorch's");
            options.option("--set", arguments->source.overrides,
                           "change a setting: a.b=value, such as train.seed=7");
            return [arguments] { return run(*arguments); };
          }};
}

}  // namespace akimbo::apps
