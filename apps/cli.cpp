#include "apps/cli.h"

#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "apps/command.h"
#include "apps/commands.h"
#include "engine/core/text.h"

namespace akimbo::apps {

void Options::argument(const std::string& name, std::string& target, const std::string& help,
                       bool required) {
  app_.add_option(name, target, help)->required(required);
}

void Options::argument(const std::string& name, std::vector<std::string>& target,
                       const std::string& help, bool required) {
  app_.add_option(name, target, help)->required(required);
}

void Options::option(const std::string& name, std::string& target, const std::string& help) {
  app_.add_option(name, target, help)->capture_default_str();
}

void Options::option(const std::string& name, int& target, const std::string& help) {
  app_.add_option(name, target, help)->capture_default_str();
}

void Options::option(const std::string& name, double& target, const std::string& help) {
  app_.add_option(name, target, help)->capture_default_str();
}

void Options::option(const std::string& name, unsigned long long& target, const std::string& help) {
  app_.add_option(name, target, help)->capture_default_str();
}

void Options::option(const std::string& name, std::vector<std::string>& target,
                     const std::string& help) {
  // One value each time, so that what follows is not swallowed.
  app_.add_option(name, target, help)->expected(1)->take_all();
}

void Options::flag(const std::string& name, bool& target, const std::string& help) {
  app_.add_flag(name, target, help);
}

ExitCode exit_code_of(const std::exception& error) {
  if (dynamic_cast<const CheckError*>(&error)) return kExitCheck;
  if (dynamic_cast<const OutputError*>(&error)) return kExitFailed;
  if (dynamic_cast<const ConfigError*>(&error)) return kExitUsage;
  if (dynamic_cast<const ArgumentError*>(&error)) return kExitUsage;
  // Kernels know no other: an environment variable such as AKIMBO_CONV has a wrong value.
  if (dynamic_cast<const std::invalid_argument*>(&error)) return kExitUsage;
  if (dynamic_cast<const FileError*>(&error)) return kExitBadData;
  if (dynamic_cast<const DeviceError*>(&error)) return kExitDevice;
  if (dynamic_cast<const DeviceFailure*>(&error)) return kExitDevice;
  if (dynamic_cast<const std::bad_alloc*>(&error)) return kExitDevice;
  if (dynamic_cast<const NumericError*>(&error)) return kExitNumeric;
  return kExitFailed;
}

namespace {

void print_error(const std::exception& error) {
  std::string text = error.what();
  if (dynamic_cast<const std::bad_alloc*>(&error)) {
    text = "out of memory; lower train.batch_size, eval.batch_size or --threads";
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  fmt::print(stderr, "akimbo: {}\n", text);
}

// CLI11's own report has several lines; ours is one, and help goes to stdout.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  print_error(error);
  fmt::print(stderr,
             "akimbo: `akimbo --help` lists the subcommands, `akimbo SUBCOMMAND --help` "
             "what each takes\n");
  return kExitUsage;
}

void add_command(CLI::App& app, const Command& command, std::function<int()>& chosen) {
  CLI::App* sub = app.add_subcommand(command.name, command.summary);
  sub->footer("Example:\n  " + command.example);
  Options options(*sub);
  sub->callback([run = command.set_up(options), &chosen] { chosen = run; });
}

// CLI11 would only say that a subcommand is required.
void check_subcommand(int argc, const char* const* argv, const std::vector<Command>& commands) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return;
  const std::string nearest = nearest_name(argv[1], names);
  throw_error<ConfigError>("there is no subcommand {}; {}", argv[1],
                           nearest.empty() ? fmt::format("known are {}", fmt::join(names, ", "))
                                           : fmt::format("did you mean {}?", nearest));
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  CLI::App app("akimbo: human pose networks, trained, evaluated and run", "akimbo");
  app.require_subcommand(1);
  std::function<int()> chosen;
  const std::vector<Command> commands = all_commands();
  for (const Command& command : commands) add_command(app, command, chosen);
  try {
    check_subcommand(argc, argv, commands);
    app.parse(argc, argv);
    return chosen();
  } catch (const CLI::ParseError& e) {
    return report_usage(app, e);
  } catch (const std::exception& e) {
    print_error(e);
    return exit_code_of(e);
  }
}

}  // namespace akimbo::apps
