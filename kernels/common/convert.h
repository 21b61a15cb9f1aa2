// One element from one type to another, by the rules of cast_forward.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/common/dtype.h"

namespace akimbo::kernels {

template <typename To, typename From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_arithmetic_v<To>) {
    if constexpr (std::is_arithmetic_v<From>) {
      return static_cast<To>(value);
    } else {
      return static_cast<To>(static_cast<float>(value));
    }
  } else {
    return To(static_cast<float>(value));
  }
}

}  // namespace akimbo::kernels
