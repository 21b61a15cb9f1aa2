// The exceptions of akimbo. A message says where, what was given, what was wanted, and how to mend
// it. Only the standard library is included: programs that use akimbo see this header.
#pragma once

#include <stdexcept>

#if defined(__GNUC__)
#define AKIMBO_API __attribute__((visibility("default")))
#else
#define AKIMBO_API
#endif

namespace akimbo {

class AKIMBO_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller passed something that cannot be computed, or a wrong setting.
class AKIMBO_API ArgumentError : public Error {
 public:
  using Error::Error;
};

// A file (data, checkpoint, config) is missing, unreadable or holds the wrong thing.
class AKIMBO_API FileError : public Error {
 public:
  using Error::Error;
};

// A config file or command line is wrong: unknown key, contradicting options.
class AKIMBO_API ConfigError : public Error {
 public:
  using Error::Error;
};

// Device, driver or memory.
class AKIMBO_API DeviceError : public Error {
 public:
  using Error::Error;
};

// NaN or Inf where a number was needed.
class AKIMBO_API NumericError : public Error {
 public:
  using Error::Error;
};

}  // namespace akimbo
