// Whole files, read and written so that a crash or a full disk never costs what was there before.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace akimbo::io {

// The bytes of a file. Throws FileError with path and reason.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

// Receives bytes in order; throws FileError when the disk is full.
using WriteBytes = std::function<void(const void* data, std::size_t bytes)>;

// Writes PATH.tmp-PID beside the target through `write`, syncs, renames over the target. On any
// failure the temporary file is removed, the target is as it was, and FileError says why.
void write_file_atomic(const std::filesystem::path& path,
                       const std::function<void(const WriteBytes&)>& write);
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

}  // namespace akimbo::io
