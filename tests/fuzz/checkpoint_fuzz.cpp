// checkpoint_fuzz [COUNT [FIRST_SEED]]: damaged checkpoints given to the readers until one of them
// does anything but read or refuse, or takes more than 1 GiB of memory. A crash leaves its file in
// the folder that is printed. Meant for a sanitizer build; the suite runs a short form.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>

#include "engine/core/allocator.h"
#include "tests/fuzz/checkpoints.h"

namespace {

constexpr rlim_t kMaxBytes = rlim_t{1} << 30;

// Under AddressSanitizer, whose own memory is no measure, its options below do this.
void limit_memory() {
#ifndef __SANITIZE_ADDRESS__
  const rlimit limit{kMaxBytes, kMaxBytes};
  ::setrlimit(RLIMIT_DATA, &limit);
#endif
}

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

#ifdef __SANITIZE_ADDRESS__
// Read by the sanitizer before main: no single block and no whole process above 1 GiB, and little
// kept of what was freed.
extern "C" const char* __asan_default_options() {
  return "hard_rss_limit_mb=1024:max_allocation_size_mb=1024:quarantine_size_mb=64";
}
#endif

int main(int argc, char** argv) {
  const std::int64_t count = argc > 1 ? std::atoll(argv[1]) : 10'000;
  const auto first_seed = static_cast<std::uint64_t>(argc > 2 ? std::atoll(argv[2]) : 1);
  limit_memory();
  const auto folder = std::filesystem::temp_directory_path() / "akimbo_checkpoint_fuzz";
  std::filesystem::create_directories(folder);
  const auto samples = akimbo::fuzz::checkpoint_samples();
  fmt::print("{} files from {} samples, seeds from {}, in {}\n", count, samples.size(), first_seed,
             folder.string());
  std::fflush(stdout);
  const auto outcome = akimbo::fuzz::fuzz_checkpoints(samples, first_seed, count, folder);
  fmt::print("{} read, {} refused, at most {} bytes of tensors at once, {:.0f} MiB resident\n",
             outcome.num_read, outcome.num_refused, akimbo::memory_report(akimbo::kCpu).peak_bytes,
             peak_mib());
  if (outcome.failure.empty()) return 0;
  fmt::print("FAILED: {}\n", outcome.failure);
  return 1;
}
