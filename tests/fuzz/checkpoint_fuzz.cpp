// checkpoint_fuzz [COUNT [FIRST_SEED]]: damaged checkpoints given to the readers until one of them
// does anything but read or refuse. A crash leaves its file in the folder that is printed.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "engine/core/allocator.h"
#include "tests/fuzz/checkpoints.h"

int main(int argc, char** argv) {
  const std::int64_t count = argc > 1 ? std::atoll(argv[1]) : 10'000;
  const auto first_seed = static_cast<std::uint64_t>(argc > 2 ? std::atoll(argv[2]) : 1);
  const auto folder = std::filesystem::temp_directory_path() / "akimbo_checkpoint_fuzz";
  std::filesystem::create_directories(folder);
  const auto samples = akimbo::fuzz::checkpoint_samples();
  fmt::print("{} files from {} samples, seeds from {}, in {}\n", count, samples.size(), first_seed,
             folder.string());
  std::fflush(stdout);
  const auto outcome = akimbo::fuzz::fuzz_checkpoints(samples, first_seed, count, folder);
  fmt::print("{} read, {} refused, at most {} bytes of tensors at once\n", outcome.num_read,
             outcome.num_refused, akimbo::memory_report(akimbo::kCpu).peak_bytes);
  if (outcome.failure.empty()) return 0;
  fmt::print("FAILED: {}\n", outcome.failure);
  return 1;
}
