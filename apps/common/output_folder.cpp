#include "apps/common/output_folder.h"

#include <unistd.h>

#include "engine/io/file.h"

namespace akimbo::apps {

void prepare_output_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw_error<OutputError>("cannot make the folder {}: {}; choose another with --out",
                             folder.string(), error.message());
  }
  const std::filesystem::path probe = folder / (".write-test-" + std::to_string(::getpid()));
  write_output([&] { io::write_file_atomic(probe, "x"); });
  std::filesystem::remove(probe, error);
}

}  // namespace akimbo::apps
