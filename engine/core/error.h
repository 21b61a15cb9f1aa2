// Throwing the exceptions of akimbo/error.h:
// "[conv2d] x has 32 channels, but w [64,3,3,16] takes 16; pass groups = 2".
#pragma once

#include <string>

#include <fmt/format.h>

#include "akimbo/error.h"
#include "kernels/common/device_failure.h"

namespace akimbo {

// What kernels find wrong with a device arrives as this and not as DeviceError, because they know
// nothing of our classes; programs treat both alike.
using DeviceFailure = kernels::DeviceFailure;

// throw_error<ArgumentError>("[relu] x is {}, but ...", dtype_name(x.dtype()));
template <typename E, typename... Args>
[[noreturn]] void throw_error(fmt::format_string<Args...> text, Args&&... args) {
  throw E(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace akimbo
