// A vendor's library, opened when first needed: programs start and run without it.
#pragma once

#include <string>

namespace akimbo::kernels::cuda::vendor {

class SharedLibrary {
 public:
  // The first of the names that opens; if none does, is_open() is false and error() says why.
  template <typename... Names>
  explicit SharedLibrary(Names... names) {
    (open(names), ...);
  }
  [[nodiscard]] bool is_open() const { return handle_ != nullptr; }
  [[nodiscard]] const std::string& error() const { return error_; }
  // Sets `function`, a pointer of the function's type; closes the library when it has none such.
  template <typename Function>
  void find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void open(const char* name);
  void* symbol(const char* name);

  void* handle_ = nullptr;
  std::string error_;
};

}  // namespace akimbo::kernels::cuda::vendor
