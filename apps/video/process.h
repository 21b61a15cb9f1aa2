// Another program, run beside ours with pipes to it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace akimbo::apps {

// Output that is neither read by us nor wanted goes nowhere; what the program says on stderr is
// kept. It runs in a process group of its own: Ctrl-C at the terminal is ours to handle.
class ChildProcess {
 public:
  enum class Pipe { none, to_child, from_child };  // its stdin, or its stdout

  // arguments[0] is looked up in PATH. Throws DeviceError that names the program and what to
  // install when it is not there.
  ChildProcess(const std::vector<std::string>& arguments, Pipe pipe);
  // Ends the program if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Reads exactly `bytes` unless the program closes its output before; how many came.
  [[nodiscard]] std::size_t read(void* data, std::size_t bytes);
  // False when the program takes no more.
  [[nodiscard]] bool write(const void* data, std::size_t bytes);
  // Closes the pipe and waits for the end; the exit code, or -1 when a signal ended it.
  int finish();
  // What stderr has said from byte `offset` on.
  [[nodiscard]] std::string said(std::size_t offset = 0) const;

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;  // our end
  int log_ = -1;   // a file in memory, so that the program never waits for us to read it
  int exit_code_ = -1;
};

// The whole stdout of a short run. Throws as the constructor; an exit code above 0 gives "".
[[nodiscard]] std::string output_of(const std::vector<std::string>& arguments);

}  // namespace akimbo::apps
