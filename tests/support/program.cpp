#include "tests/support/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <cstdlib>
#include <stdexcept>

#include "apps/cli.h"

namespace akimbo::testing_support {

ProgramResult run_akimbo(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv{"akimbo"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  ProgramResult result;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  result.exit_code = apps::run_program(static_cast<int>(argv.size()), argv.data());
  std::fflush(stdout);
  std::fflush(stderr);
  result.out = testing::internal::GetCapturedStdout();
  result.err = testing::internal::GetCapturedStderr();
  return result;
}

int start_akimbo(const std::vector<std::string>& arguments, const std::string& output,
                 long max_file_bytes) {
  std::vector<std::string> words = {"/proc/self/exe", "--akimbo"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  const pid_t child = ::fork();
  if (child == 0) {  // only what is safe between fork and exec: other threads are gone
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    if (max_file_bytes > 0) {
      ::signal(SIGXFSZ, SIG_IGN);
      const auto bytes = static_cast<rlim_t>(max_file_bytes);
      const rlimit limit{bytes, bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(file);
  return child;
}

int wait_for(int process) {
  int status = 0;
  ::waitpid(process, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "akimbo-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace akimbo::testing_support
