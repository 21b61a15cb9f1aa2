#include "apps/train/run_log.h"

#include <chrono>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::apps {

RunLog::RunLog(const std::filesystem::path& path) : path_(path), file_(path, std::ios::app) {
  if (!file_)
    throw_error<Error>("[train] cannot write {}: {}", path.string(), std::strerror(errno));
}

void RunLog::write(const char* event, const Json& fields) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Json line = {{"event", event}, {"time", std::chrono::duration<double>(now).count()}};
  line.update(fields);
  file_ << line.dump() << '\n' << std::flush;
  if (!file_) {
    throw_error<Error>("[train] cannot write {}: {}; free some space and continue with --resume",
                       path_.string(), std::strerror(errno));
  }
}

}  // namespace akimbo::apps
