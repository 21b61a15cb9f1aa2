// Times our CUDA kernels on the GPU of this machine, in under five minutes:
//   gpu_bench [--json FILE] [--only layers|kernels|networks] [--batch N] [--budget SECONDS]
// layers: each convolution of pose_resnet50 and HRNet-W32 at 256x192 against cuDNN and the
// roofline; kernels: those bound by memory; networks: latency, throughput, training. The roofline
// is measured first: a copy of 1 GiB on the device and a product of 8192 x 8192 matrices. Operands
// are random, rotate over sets larger than the L2 cache, and every kernel's result is checked
// before it is timed. Times are medians of device events with 10 and 90 percent.
//   --quick   tiny sizes, for a test of the program itself (also runs on the emulated GPU)
// Exit code 0; 2 wrong usage; 4 no GPU; 6 a result was wrong or a kernel failed.
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include <fmt/core.h>

#include "bench/gpu/providers.h"
#include "bench/gpu/run.h"
#include "engine/core/error.h"
#include "kernels/device_runtime.h"

namespace akimbo::bench {
namespace {

std::optional<Settings> parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--quick") {
      s.quick = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const std::string value = argv[++i];
    if (key == "--json") {
      s.json = value;
    } else if (key == "--only" &&
               (value == "layers" || value == "kernels" || value == "networks")) {
      s.only = value;
    } else if (key == "--batch" && std::atoi(value.c_str()) > 0) {
      s.batch = std::atoi(value.c_str());
    } else if (key == "--budget" && std::atof(value.c_str()) > 0) {
      s.budget_s = std::atof(value.c_str());
    } else {
      return std::nullopt;
    }
  }
  return s;
}

int usage() {
  fmt::print(stderr,
             "usage: gpu_bench [--json FILE] [--only layers|kernels|networks] [--batch N]\n"
             "                 [--budget SECONDS] [--quick]\n");
  return 2;
}

// The emulator counts as a GPU for --quick alone: its times mean nothing.
std::string why_not(const Settings& s) {
  if (num_gpus() == 0) return no_gpu_reason();
  if (kernels::cuda::is_emulated() && !s.quick) {
    return "this program runs on the emulated GPU, whose times mean nothing; pass --quick to test "
           "the program itself";
  }
  return {};
}

void describe(Run& run) {
  run.report.header = {
      {"device", describe_device(run.device)},
      {"cuda", cuda_build()},
      {"emulated", kernels::cuda::is_emulated()},
      {"quick", run.settings.quick},
      {"batch", run.settings.quick ? 1 : run.settings.batch},
      {"operands", "random, rotating over sets of three times the L2 cache together"},
      {"timing", "device events, median and 10-90 %; kernels inside a captured graph"},
      {"cudnn", cudnn_version()},
  };
  fmt::print("{}\n{}\n", describe_device(run.device), cuda_build());
  if (cudnn_version().empty()) {
    fmt::print("no cuDNN, its columns stay empty: {}\n", cudnn_unavailable_reason());
  } else {
    fmt::print("cuDNN {}\n", cudnn_version());
  }
}

int run_all(const Settings& settings) {
  const Device device{Device::Kind::cuda, 0};
  const TimerOptions options = settings.quick ? TimerOptions{0.001, 3, 2} : TimerOptions{};
  Run run(device, settings, options);
  run.l2_bytes = static_cast<double>(kernels::cuda::device_properties(0).l2_bytes);
  describe(run);
  use_conv_provider(settings.quick ? ConvProvider::own : ConvProvider::tuned);
  measure_ceilings(run);
  fmt::print("copy {:.0f} GB/s (read and written), bf16 product {:.0f} TFLOP/s\n",
             run.report.ceilings.copy_bytes_per_s * 1e-9,
             run.report.ceilings.matmul_flop_per_s * 1e-12);
  // The networks first: where time runs out, single layers are left out.
  if (run.wants("networks")) run_networks(run);
  if (run.wants("kernels")) run_kernels(run);
  if (run.wants("layers")) run_conv_layers(run);
  run.report.print_targets();
  if (!settings.json.empty()) io::write_json(settings.json, run.report.json());
  if (run.report.num_wrong() == 0) return 0;
  fmt::print(stderr, "{} rows are wrong or failed\n", run.report.num_wrong());
  return 6;
}

}  // namespace
}  // namespace akimbo::bench

int main(int argc, char** argv) {
  using namespace akimbo;
  const std::optional<bench::Settings> settings = bench::parse(argc, argv);
  if (!settings) return bench::usage();
  if (const std::string reason = bench::why_not(*settings); !reason.empty()) {
    fmt::print(stderr, "gpu_bench: no GPU: {}\n", reason);
    return 4;
  }
  try {
    return bench::run_all(*settings);
  } catch (const kernels::DeviceFailure& e) {
    fmt::print(stderr, "gpu_bench: {}\n", e.what());
    return 4;
  } catch (const std::exception& e) {
    fmt::print(stderr, "gpu_bench: {}\n", e.what());
    return 1;
  }
}
