#include "kernels/cuda/cache_file.h"

#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <fstream>

#include "kernels/device_runtime.h"

namespace akimbo::kernels::cuda {

namespace fs = std::filesystem;

fs::path cache_file(const std::string& kind, int device) {
  std::string name = kind + "_";  // letters and digits of the device's name, the rest as '_'
  for (const char c : device_properties(device).name) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  name += ".json";
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(cache) / "akimbo" / name;
  }
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? fs::path(home) / ".cache" / "akimbo" / name
                                          : fs::path();
}

bool replace_file(const fs::path& file, const std::string& text) {
  if (file.empty()) return false;
  std::error_code failed;
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), failed);
  const fs::path temporary = file.string() + "." + std::to_string(getpid()) + ".tmp";
  std::ofstream out(temporary);
  out << text;
  out.close();
  if (out) fs::rename(temporary, file, failed);
  const bool written = out && !failed;
  if (!written) fs::remove(temporary, failed);
  return written;
}

}  // namespace akimbo::kernels::cuda
