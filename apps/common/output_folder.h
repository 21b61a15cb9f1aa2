// Where results go. Failures to write are the run's, not the data's: OutputError.
#pragma once

#include <filesystem>
#include <utility>

#include "apps/cli.h"

namespace akimbo::apps {

// Makes the folder where needed and tries to write in it, before work is done in vain.
void prepare_output_folder(const std::filesystem::path& folder);

// Runs `write`; a FileError of it becomes an OutputError.
template <typename Write>
void write_output(Write&& write) {
  try {
    std::forward<Write>(write)();
  } catch (const FileError& e) {
    throw OutputError(e.what());
  }
}

}  // namespace akimbo::apps
