#include "apps/video/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/core/error.h"

extern char** environ;

namespace akimbo::apps {

namespace {

// Writing to a program that has ended must be an error code, not the end of ours.
class IgnoreBrokenPipe {
 public:
  IgnoreBrokenPipe() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &old_);
  }
  ~IgnoreBrokenPipe() { ::sigaction(SIGPIPE, &old_, nullptr); }

 private:
  struct sigaction old_ {};
};

class SpawnSetup {
 public:
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  void connect(int file, int target) { ::posix_spawn_file_actions_adddup2(&actions, file, target); }
  void connect_to_nothing(int target) {
    ::posix_spawn_file_actions_addopen(&actions, target, "/dev/null",
                                       target == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
  }

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

[[noreturn]] void throw_start(const std::string& program, int code) {
  if (code == ENOENT) {
    throw_error<DeviceError>(
        "[video] the program {} is not installed, which reads and writes videos; install the "
        "package ffmpeg (apt-get install ffmpeg), or give pictures",
        program);
  }
  throw_error<DeviceError>("[video] the program {} cannot be started: {}", program,
                           std::strerror(code));
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, Pipe pipe) {
  std::vector<char*> argv;
  for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  int ends[2] = {-1, -1};
  log_ = ::memfd_create("akimbo-child-log", MFD_CLOEXEC);
  if (log_ < 0 || (pipe != Pipe::none && ::pipe2(ends, O_CLOEXEC) != 0)) {
    const int code = errno;
    if (log_ >= 0) ::close(log_);
    throw_start(arguments[0], code);
  }
  SpawnSetup setup;
  const bool feeds = pipe == Pipe::to_child, reads = pipe == Pipe::from_child;
  feeds ? setup.connect(ends[0], STDIN_FILENO) : setup.connect_to_nothing(STDIN_FILENO);
  reads ? setup.connect(ends[1], STDOUT_FILENO) : setup.connect_to_nothing(STDOUT_FILENO);
  setup.connect(log_, STDERR_FILENO);
  const int code =
      ::posix_spawnp(&pid_, argv[0], &setup.actions, &setup.attributes, argv.data(), environ);
  pipe_ = feeds ? ends[1] : ends[0];
  const int theirs = feeds ? ends[0] : ends[1];
  if (theirs >= 0) ::close(theirs);
  if (code == 0) return;
  if (pipe_ >= 0) ::close(pipe_);
  ::close(log_);
  throw_start(arguments[0], code);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    (void)finish();
  }
  if (pipe_ >= 0) ::close(pipe_);
  ::close(log_);
}

std::size_t ChildProcess::read(void* data, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t count = ::read(pipe_, static_cast<char*>(data) + done, bytes - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

bool ChildProcess::write(const void* data, std::size_t bytes) {
  const IgnoreBrokenPipe guard;
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t count = ::write(pipe_, static_cast<const char*>(data) + done, bytes - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

int ChildProcess::finish() {
  if (pid_ <= 0) return exit_code_;
  if (pipe_ >= 0) ::close(pipe_);
  pipe_ = -1;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return exit_code_;
}

std::string ChildProcess::said(std::size_t offset) const {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count =
        ::pread(log_, buffer, sizeof buffer, static_cast<off_t>(offset + text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

std::string output_of(const std::vector<std::string>& arguments) {
  ChildProcess process(arguments, ChildProcess::Pipe::from_child);
  std::string text;
  char buffer[4096];
  for (std::size_t count; (count = process.read(buffer, sizeof buffer)) > 0;) {
    text.append(buffer, count);
  }
  return process.finish() == 0 ? text : "";
}

}  // namespace akimbo::apps
