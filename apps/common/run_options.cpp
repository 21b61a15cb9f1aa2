#include "apps/common/run_options.h"

#include "engine/core/error.h"
#include "engine/core/threads.h"

namespace akimbo::apps {

void RunOptions::declare(Options& options) {
  options.option("--device", device, "auto (a GPU if there is one), cpu, cuda or cuda:N");
  options.option("--threads", threads, "CPU threads; 0: all cores");
  options.flag("--deterministic", deterministic,
               "on a GPU: the same bits in every run, somewhat slower (the CPU always does)");
  options.flag("--exact", exact,
               "on the CPU: no Winograd convolutions, whose rounding errors are somewhat larger");
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
  if (exact) config.train.winograd = config.eval.winograd = false;
}

}  // namespace akimbo::apps
