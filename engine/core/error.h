// The exceptions of the library. A message says where, what was given, what was wanted, and how to
// mend it: "[conv2d] x has 32 channels, but w [64,3,3,16] takes 16; pass groups = 2".
#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "kernels/common/device_failure.h"

namespace akimbo {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller passed something that cannot be computed, or a wrong setting.
class ArgumentError : public Error {
 public:
  using Error::Error;
};

// A file (data, checkpoint, config) is missing, unreadable or holds the wrong thing.
class FileError : public Error {
 public:
  using Error::Error;
};

// A config file or command line is wrong: unknown key, contradicting options.
class ConfigError : public Error {
 public:
  using Error::Error;
};

// Device, driver or memory. What kernels find wrong with a device arrives as DeviceFailure, because
// they know nothing of these classes; programs treat both alike.
using DeviceFailure = kernels::DeviceFailure;
class DeviceError : public Error {
 public:
  using Error::Error;
};

// NaN or Inf where a number was needed.
class NumericError : public Error {
 public:
  using Error::Error;
};

// throw_error<ArgumentError>("[relu] x is {}, but ...", dtype_name(x.dtype()));
template <typename E, typename... Args>
[[noreturn]] void throw_error(fmt::format_string<Args...> text, Args&&... args) {
  throw E(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace akimbo
