#include "tests/fuzz/checkpoints.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "apps/convert/convert.h"
#include "apps/convert/stored_zip.h"
#include "apps/inspect/checkpoint_report.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/safetensors.h"
#include "tests/support/mutate.h"
#include "tests/support/program.h"
#include "tests/support/shared_data.h"

namespace akimbo::fuzz {
namespace {

constexpr std::chrono::seconds kMaxTime{10};  // for one file of some kilobytes
constexpr unsigned kHang_s = 60;              // after which SIGALRM ends the program

Sample made_safetensors() {
  const testing_support::ScratchFolder folder;
  io::write_safetensors(folder.file("a.safetensors"),
                        {{"conv1.weight", Tensor::full({2, 3, 1, 1}, 0.5)},
                         {"bn1.num_batches_tracked", Tensor::full({}, 3, DType::i64)},
                         {"half", Tensor::full({4}, 2, DType::f16)}},
                        {{"format", "akimbo"}, {"config", "{\"model\": {\"depth\": 18}}"}});
  return {"made.safetensors", io::read_file(folder.file("a.safetensors"))};
}

void add_folder(const std::filesystem::path& folder, std::vector<Sample>& samples) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".pth") || name.ends_with(".pth.tar") || name.ends_with(".safetensors")) {
      samples.push_back({name, io::read_file(entry.path())});
    }
  }
}

void write_plain(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// The checksums of an archive catch nearly all damage to its bytes; so the tree inside is damaged
// and packed again. False for samples that are no archive.
bool write_with_damaged_tree(const std::filesystem::path& path, const std::string& original,
                             std::uint64_t seed) {
  if (!original.starts_with("PK")) return false;
  write_plain(path, original);
  std::vector<convert::ZipMember> members;
  std::vector<std::string> contents;
  {
    const convert::StoredZip zip(path);
    contents.reserve(zip.members().size());
    for (const convert::StoredZip::Member& member : zip.members()) {
      std::string& content = contents.emplace_back(zip.read(member));
      if (member.name.ends_with("data.pkl")) content = test_support::mutate(content, seed);
      members.push_back({member.name, content.data(), content.size()});
    }
  }
  convert::write_stored_zip(path, members);
  return true;
}

}  // namespace

std::vector<Sample> checkpoint_samples() {
  std::vector<Sample> samples = {made_safetensors()};
  add_folder(std::filesystem::path(AKIMBO_TEST_DATA) / "checkpoints", samples);
  if (const auto shared = test_support::shared_path("data/checkpoints")) {
    add_folder(*shared, samples);
  }
  // Folders list their files in no order; seeds must mean the same everywhere.
  std::sort(samples.begin(), samples.end(),
            [](const Sample& a, const Sample& b) { return a.name < b.name; });
  return samples;
}

Outcome fuzz_checkpoints(const std::vector<Sample>& samples, std::uint64_t first_seed,
                         std::int64_t count, const std::filesystem::path& folder) {
  Outcome outcome;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
    const Sample& sample = samples[seed / 4 % samples.size()];
    const std::filesystem::path path = folder / ("mutated_" + sample.name);
    const bool is_inside = seed % 8 == 0 && write_with_damaged_tree(path, sample.bytes, seed);
    if (!is_inside) write_plain(path, test_support::mutate(sample.bytes, seed));
    const auto start = std::chrono::steady_clock::now();
    ::alarm(kHang_s);
    try {
      // Reads every element and all of the tree; then only the weights, in the engine's order.
      (void)apps::to_text(apps::inspect_checkpoint(path));
      (void)convert::read_weights(path);
      ++outcome.num_read;
    } catch (const FileError&) {
      ++outcome.num_refused;
    } catch (const std::exception& e) {
      outcome.failure = fmt::format("{} with seed {}: {}", sample.name, seed, e.what());
    }
    ::alarm(0);
    if (std::chrono::steady_clock::now() - start > kMaxTime) {
      outcome.failure = fmt::format("{} with seed {} took too long", sample.name, seed);
    }
    if (!outcome.failure.empty()) return outcome;
    std::filesystem::remove(path);
  }
  return outcome;
}

}  // namespace akimbo::fuzz
