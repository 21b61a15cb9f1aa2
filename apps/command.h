// One subcommand of the program: what it takes and what it does. The command-line library is
// included by cli.cpp only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace akimbo::apps {

// What a subcommand takes. Every target must live until the command has run; set_up functions keep
// them in a shared struct that the returned function holds.
class Options {
 public:
  explicit Options(CLI::App& app) : app_(app) {}

  // An argument by position, such as "CONFIG"; the list form takes one or more.
  void argument(const std::string& name, std::string& target, const std::string& help,
                bool required = true);
  void argument(const std::string& name, std::vector<std::string>& target, const std::string& help,
                bool required = true);
  // "--data" with a value; the present value of the target is the default. The list form may be
  // given several times.
  void option(const std::string& name, std::string& target, const std::string& help);
  void option(const std::string& name, int& target, const std::string& help);
  void option(const std::string& name, double& target, const std::string& help);
  void option(const std::string& name, unsigned long long& target, const std::string& help);
  void option(const std::string& name, std::vector<std::string>& target, const std::string& help);
  // "--resume" without a value.
  void flag(const std::string& name, bool& target, const std::string& help);

 private:
  CLI::App& app_;
};

struct Command {
  std::string name;
  std::string summary;
  std::string example;  // shown below --help
  // Declares the options and returns what to do once they are parsed; the result is the exit code.
  std::function<std::function<int()>(Options&)> set_up;
};

}  // namespace akimbo::apps
