#include "tests/apps/tiny_run.h"

#include "datasets/synth/synth.h"
#include "engine/io/file.h"

namespace akimbo::testing_support {

TinyRun::TinyRun() {
  synth::SynthOptions options{.num_images = 10, .num_val = 3, .seed = 5, .num_threads = 1};
  options.scene.width = 96;
  options.scene.height = 96;
  options.scene.max_people = 1;
  (void)synth::write_synthetic_data(data(), options);
  io::write_file_atomic(config(), R"({
    "about": "small enough for a test",
    "model": {"depth": 18, "width": 4, "deconv_filters": [8, 8, 8], "deconv_kernels": [4, 4, 4]},
    "codec": {"input_size": [64, 64], "heatmap_size": [16, 16], "sigma": 1},
    "data": {
      "train": {"annotations": "annotations/person_keypoints_train.json", "images": "images/train"},
      "val": {"annotations": "annotations/person_keypoints_val.json", "images": "images/val"}
    },
    "train": {"epochs": 2, "batch_size": 2, "log_every": 1, "seed": 3,
              "schedule": {"type": "constant"}},
    "eval": {"batch_size": 2}
  })");
}

std::vector<std::string> TinyRun::train_arguments(const std::string& out,
                                                  const std::vector<std::string>& more) const {
  std::vector<std::string> arguments = {"train", config(), "--data", data(), "--out", file(out)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

ProgramResult TinyRun::train(const std::string& out, const std::vector<std::string>& more) const {
  return run_akimbo(train_arguments(out, more));
}

}  // namespace akimbo::testing_support
