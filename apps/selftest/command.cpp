// `akimbo selftest [--device D]`.
#include <fmt/format.h>

#include <memory>

#include "apps/cli.h"
#include "apps/commands.h"
#include "engine/selftest/selftest.h"

namespace akimbo::apps {
namespace {

struct Arguments {
  std::string device = "auto";
  std::string filter;
  bool small = false;
  bool failures_only = false;
};

void print_result(const selftest::Result& r, bool failures_only) {
  if (r.passed() && failures_only) return;
  if (!r.failure.empty()) {
    fmt::print("FAILED {:<52} {:<5} {}\n", r.op, r.dtype, r.failure);
  } else {
    fmt::print("{:<6} {:<52} {:<5} error {:.1e} of {:.1e} allowed, {}\n",
               r.passed() ? "ok" : "WRONG", r.op, r.dtype, r.error, r.tolerance, r.worst);
  }
  std::fflush(stdout);
}

int run_selftest(const Arguments& args) {
  const Device device = parse_device(args.device);
  fmt::print("{} ({})\n", device.str(), describe_device(device));
  const selftest::Options options{
      .small = args.small, .filter = args.filter, .on_result = [&](const auto& result) {
        print_result(result, args.failures_only);
      }};
  const selftest::Summary summary = selftest::run(device, options);
  fmt::print("{} passed, {} failed\n", summary.num_passed, summary.num_failed);
  if (summary.num_passed + summary.num_failed == 0) {
    throw_error<ArgumentError>("[selftest] no operation has '{}' in its name; leave --only out",
                               args.filter);
  }
  const std::string recorded = selftest::record(device, options, summary);
  if (!recorded.empty()) fmt::print("{}\n", recorded);
  if (summary.num_failed == 0) return kExitDone;
  throw_error<CheckError>(
      "[selftest] {} of {} checks failed on {}: do not trust its results; update the driver and "
      "test the memory, and report it if that does not help",
      summary.num_failed, summary.num_passed + summary.num_failed, device.str());
}

}  // namespace

Command selftest_command() {
  return {"selftest", "every operation of a device against plain formulas on this machine",
          "akimbo selftest --device cuda", [](Options& options) {
            auto args = std::make_shared<Arguments>();
            options.option("--device", args->device, "auto, cpu, cuda or cuda:N");
            options.option("--only", args->filter, "only operations with this in their name");
            options.flag("--small", args->small, "small sizes: a second instead of half a minute");
            options.flag("--failures", args->failures_only, "print only what failed");
            return [args] { return run_selftest(*args); };
          }};
}

}  // namespace akimbo::apps
