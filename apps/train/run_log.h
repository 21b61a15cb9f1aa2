// log.jsonl: one JSON object per line, appended, so that a run's history survives its
// interruptions.
#pragma once

#include <filesystem>
#include <fstream>

#include "engine/io/json.h"

namespace akimbo::apps {

class RunLog {
 public:
  // Throws Error when the file cannot be opened for writing.
  explicit RunLog(const std::filesystem::path& path);
  // Adds {"event": event, "time": seconds since 1970, ...fields}. NaN and Inf become null.
  void write(const char* event, const Json& fields);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace akimbo::apps
