#include "apps/common/run_options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "inference/precision.h"

namespace akimbo::apps {
namespace {

void set_precision(const std::string& precision, EvalConfig& config) {
  if (std::find(std::begin(kPrecisions), std::end(kPrecisions), precision) ==
      std::end(kPrecisions)) {
    throw_error<ConfigError>("--precision is {}, wanted one of {}", precision,
                             fmt::join(kPrecisions, ", "));
  }
  config.precision = precision;
}

}  // namespace

void RunOptions::declare(Options& options) {
  options.option("--device", device, "auto (a GPU if there is one), cpu, cuda or cuda:N");
  options.option("--threads", threads, "CPU threads; 0: all cores");
  options.flag("--deterministic", deterministic,
               "on a GPU: the same bits in every run, somewhat slower (the CPU always does)");
  options.flag("--exact", exact,
               "on the CPU: no Winograd convolutions, whose rounding errors are somewhat larger");
}

void RunOptions::declare_precision(Options& options) {
  options.option("--precision", precision,
                 "f32; bf16: factors of convolutions rounded to 8 bits, about half the time on a "
                 "CPU that has instructions for it; on a GPU also tf32 and f16 "
                 "(eval.precision in the config)");
}

Device RunOptions::apply() const {
  if (threads < 0 || threads > 4096) {
    throw_error<ConfigError>("--threads is {}, wanted 0 (all cores) to 4096", threads);
  }
  set_num_threads(threads);
  set_compute_mode({.deterministic = deterministic});
  return parse_device(device);
}

void RunOptions::adjust(Config& config) const {
  if (deterministic) config.train.deterministic = true;
  if (!precision.empty()) set_precision(precision, config.eval);
  if (exact) config.train.winograd = config.eval.winograd = false;
}

void say_precision(const EvalConfig& config, Device device) {
  static bool said = false;
  const std::string note = precision_note(config.precision, device);
  if (note.empty() || said) return;
  said = true;
  fmt::print(stderr, "{}\n", note);
}

}  // namespace akimbo::apps
