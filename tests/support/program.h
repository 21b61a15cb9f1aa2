// The program run inside the test, and folders of a test's own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace akimbo::testing_support {

struct ProgramResult {
  int exit_code = -1;
  std::string out, err;
};

// `akimbo ARGUMENTS...`
ProgramResult run_akimbo(const std::vector<std::string>& arguments);

// The same in a process of its own, whose output goes to `output`. A limit above 0 is the largest
// size that its files may reach, as on a disk that becomes full. Returns the process id.
int start_akimbo(const std::vector<std::string>& arguments, const std::string& output,
                 long max_file_bytes = 0);
// Waits for it; its exit code, or -1 when a signal ended it.
int wait_for(int process);

// A new folder under the system's temporary one, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace akimbo::testing_support
