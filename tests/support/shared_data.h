// Reference data that is kept beside the source tree, not in it. Tests that need it are skipped,
// and say so, where it is absent.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace akimbo::test_support {

// <source root>/../shared/RELATIVE, or nothing when it does not exist:
//   const auto path = shared_path("data/golden/topdown/losses.json");
//   if (!path) GTEST_SKIP() << kNoSharedData;
[[nodiscard]] std::optional<std::filesystem::path> shared_path(std::string_view relative);

inline constexpr const char* kNoSharedData = "the shared reference data is not on this machine";

// True in a sanitizer build, where everything is many times slower: the heaviest tests, whose code
// lighter ones run too, are left to the ordinary build.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
inline constexpr const char* kTooSlow = "too slow under sanitizers; lighter tests run this code";

// True when the environment sets AKIMBO_LONG_TESTS and this is no sanitizer build. For tests that
// repeat on bigger networks what others show on smaller ones.
[[nodiscard]] bool long_tests();
inline constexpr const char* kOnlyLong = "set AKIMBO_LONG_TESTS=1 to run it";

}  // namespace akimbo::test_support
