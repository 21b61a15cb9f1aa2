// Damaged checkpoints given to the readers: a part of the test suite with few of them, and a
// program of its own with many.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace akimbo::fuzz {

struct Sample {
  std::string name;
  std::string bytes;
};

// The fixtures of tests/data/checkpoints, the shared samples where they are, and safetensors files
// made here.
[[nodiscard]] std::vector<Sample> checkpoint_samples();

struct Outcome {
  std::int64_t num_read = 0;     // still good, or damaged only in numbers
  std::int64_t num_refused = 0;  // FileError
  std::string failure;           // what else was thrown, or what took too long; empty: nothing
};

// Reads `count` mutations of the samples, seeds from `first_seed` on, through files in `folder`.
// Stops at the first failure, of which the file is kept.
[[nodiscard]] Outcome fuzz_checkpoints(const std::vector<Sample>& samples, std::uint64_t first_seed,
                                       std::int64_t count, const std::filesystem::path& folder);

}  // namespace akimbo::fuzz
