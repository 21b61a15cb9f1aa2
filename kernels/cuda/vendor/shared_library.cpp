#include "kernels/cuda/vendor/shared_library.h"

#include <dlfcn.h>

namespace akimbo::kernels::cuda::vendor {

void SharedLibrary::open(const char* name) {
  if (handle_ != nullptr) return;
  handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) error_ = dlerror();
}

void* SharedLibrary::symbol(const char* name) {
  if (handle_ == nullptr) return nullptr;
  void* found = dlsym(handle_, name);
  if (found == nullptr) {
    error_ = std::string("it has no function ") + name;
    handle_ = nullptr;  // of another version; left open, as its threads may run
  }
  return found;
}

}  // namespace akimbo::kernels::cuda::vendor
