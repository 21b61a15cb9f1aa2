#include "tests/support/shared_data.h"

#include <array>
#include <cstdlib>

namespace akimbo::test_support {

std::optional<std::filesystem::path> shared_path(std::string_view relative) {
  // A second worktree of the repository stands one folder deeper.
  constexpr std::array<const char*, 2> kPlaces = {"..", "../.."};
  for (const char* place : kPlaces) {
    const auto path =
        std::filesystem::path(AKIMBO_SOURCE_ROOT) / place / "shared" / std::string(relative);
    std::error_code error;
    if (std::filesystem::exists(path, error)) return std::filesystem::weakly_canonical(path);
  }
  return std::nullopt;
}

bool long_tests() { return !kSanitized && std::getenv("AKIMBO_LONG_TESTS") != nullptr; }

}  // namespace akimbo::test_support
