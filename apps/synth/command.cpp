#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/output_folder.h"
#include "apps/common/progress.h"
#include "apps/common/stop_signal.h"
#include "datasets/synth/synth.h"
#include "engine/core/error.h"

namespace akimbo::apps {
namespace {

struct Arguments {
  std::string dir, size = "320x240";
  int images = 1000, people = 3, val = -1, threads = 0;
  double facing = 0.5;
  unsigned long long seed = 0;
};

// "320x240": width, then height.
void parse_size(const std::string& text, synth::SceneOptions& scene) {
  const char* const end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, scene.width);
  if (width.ec == std::errc() && width.ptr != end && *width.ptr == 'x') {
    const auto height = std::from_chars(width.ptr + 1, end, scene.height);
    if (height.ec == std::errc() && height.ptr == end) return;
  }
  throw_error<ConfigError>("[synth] --size {} is not WIDTHxHEIGHT, such as 320x240", text);
}

int run_synth(const Arguments& args) {
  synth::SynthOptions options{.num_images = args.images,
                              .num_val = args.val,
                              .seed = args.seed,
                              .num_threads = args.threads};
  options.scene.max_people = args.people;
  options.scene.facing = args.facing;
  parse_size(args.size, options.scene);
  const StopSignal signal;
  Progress progress("synth", args.images, 1000);
  options.on_progress = [&](int done) {
    progress.update(done);
    return signal.received() == 0;
  };
  synth::SynthCounts counts;
  write_output([&] { counts = synth::write_synthetic_data(args.dir, options); });
  progress.finish();
  if (!counts.complete) return 128 + signal.received();
  fmt::print("{}: {} pictures, {} people\n", args.dir, counts.num_images, counts.num_people);
  return kExitDone;
}

}  // namespace

Command synth_command() {
  return {"synth", "make a synthetic data set in COCO's format (2-D and 3-D labels)",
          "akimbo synth data/synth --images 2000 --val 200 --people 3", [](Options& options) {
            const auto args = std::make_shared<Arguments>();
            options.argument("DIR", args->dir, "folder for images/ and annotations/");
            options.option("--images", args->images, "pictures in all");
            options.option("--val", args->val, "of them for validation; -1: a tenth");
            options.option("--seed", args->seed, "same seed, same bytes");
            options.option("--people", args->people, "the most people in a picture");
            options.option("--facing", args->facing,
                           "share of people, 0 to 1, who face the camera; the others stand any way");
            options.option("--size", args->size, "WIDTHxHEIGHT of the pictures");
            options.option("--threads", args->threads, "threads; 0: all cores");
            return [args] { return run_synth(*args); };
          }};
}

}  // namespace akimbo::apps
