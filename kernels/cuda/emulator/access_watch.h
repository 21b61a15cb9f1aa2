// Tests see every access of kernels to memory, where kernels are compiled to be checked for races
// (race.h): by it they know whether an op touches what its operands do not name.
#pragma once

#include <cstddef>

namespace akimbo::kernels::device::emulator {

using AccessWatch = void (*)(const void* pointer, std::size_t bytes, bool is_write);

// From now on; null: none. Accesses to shared memory and to what lies on the host are among them,
// those of copies and fills of the runtime are not.
void watch_accesses(AccessWatch watch);

}  // namespace akimbo::kernels::device::emulator
