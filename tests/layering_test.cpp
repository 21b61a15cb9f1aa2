// Include arrows point down: apps -> models, datasets -> engine -> kernels (docs/design.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// From folder prefix to the prefixes that its files may include. The longest matching key rules;
// a folder always includes itself.
const std::map<std::string, std::vector<std::string>> kAllowed = {
    {"apps", {"inference", "config", "models", "datasets", "engine"}},
    {"inference", {"akimbo", "config", "models", "engine"}},
    {"config", {"models", "engine"}},
    {"models", {"engine"}},
    {"datasets", {"engine", "kernels/common"}},
    {"engine/core",
     {"akimbo", "kernels/common", "kernels/device_runtime.h", "kernels/elementwise.h",
      "kernels/guarded.h", "kernels/conv.h"}},
    {"engine/autograd", {"engine/core", "kernels/common", "kernels/elementwise.h"}},
    {"engine/ops", {"engine/core", "engine/autograd", "kernels"}},
    {"engine/nn", {"engine/core", "engine/autograd", "engine/ops", "kernels/common"}},
    {"engine/optim", {"engine/core", "engine/autograd", "engine/ops", "engine/nn", "kernels"}},
    {"engine/io", {"engine/core", "kernels/common"}},
    {"engine/pose", {"engine/core", "engine/io", "engine/ops", "kernels"}},
    {"engine/plan",
     {"engine/core", "engine/autograd", "engine/ops", "kernels/common", "kernels/peaks.h"}},
    {"engine/selftest",
     {"engine/core", "engine/autograd", "engine/ops", "engine/optim", "engine/io", "engine/pose",
      "kernels/guarded.h"}},
    {"kernels", {}},
};

std::string rule_of(const std::string& file) {
  std::string best;
  for (const auto& [prefix, allowed] : kAllowed) {
    if (file.starts_with(prefix + "/") && prefix.size() > best.size()) best = prefix;
  }
  return best;
}

// A header of engine may include plain types of kernels/common, but no kernel contract; nothing
// above kernels/ reads the internals of a device.
bool header_breaks_rule(const std::string& file, const std::string& included) {
  if (!file.starts_with("engine/") || !included.starts_with("kernels/")) return false;
  if (included.starts_with("kernels/cpu") || included.starts_with("kernels/cuda")) return true;
  return file.ends_with(".h") && !included.starts_with("kernels/common/");
}

TEST(Layering, IncludesPointDown) {
  const fs::path root = AKIMBO_SOURCE_ROOT;
  const std::regex include_line(R"re(^\s*#include "([a-z_]+/[^"]+)")re");
  int num_files = 0;
  for (const char* folder :
       {"apps", "inference", "config", "models", "datasets", "engine", "kernels"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu") continue;
      ++num_files;
      const std::string file = fs::relative(entry.path(), root);
      const std::string rule = rule_of(file);
      ASSERT_FALSE(rule.empty()) << file << " is in a folder without a rule";
      std::ifstream in(entry.path());
      std::smatch match;
      for (std::string line; std::getline(in, line);) {
        if (!std::regex_search(line, match, include_line)) continue;
        const std::string included = match[1];
        bool allowed = included.starts_with(rule + "/");
        for (const std::string& prefix : kAllowed.at(rule)) {
          allowed = allowed || included == prefix || included.starts_with(prefix + "/");
        }
        EXPECT_TRUE(allowed && !header_breaks_rule(file, included))
            << file << " must not include " << included;
      }
    }
  }
  EXPECT_GT(num_files, 20);
}

}  // namespace
