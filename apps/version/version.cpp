#include <fmt/format.h>

#include "apps/cli.h"
#include "apps/commands.h"
#include "engine/core/device.h"

namespace akimbo::apps {

Command version_command() {
  return {"version", "print the version, the CUDA build and the GPUs", "akimbo version",
          [](Options&) {
            return [] {
              const std::string cuda = cuda_build();
              fmt::print("akimbo {}\n{}\n", AKIMBO_VERSION,
                         cuda.empty() ? "built without CUDA" : "built with " + cuda);
              if (num_gpus() == 0) fmt::print("no GPU: {}\n", no_gpu_reason());
              for (int i = 0; i < num_gpus(); ++i) {
                fmt::print("cuda:{}: {}\n", i, describe_device({Device::Kind::cuda, i}));
              }
              return int{kExitDone};
            };
          }};
}

}  // namespace akimbo::apps
