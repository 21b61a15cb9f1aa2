// In place of onnx_write.cpp where the library is not there.
#include "apps/convert/onnx_write.h"
#include "engine/core/error.h"

namespace akimbo::convert {

void write_onnx(const std::filesystem::path&, models::Network&, const OnnxOptions&) {
  throw ConfigError(
      "this program was built without ONNX; install libonnx-dev and build again with "
      "-Donnx=enabled");
}

}  // namespace akimbo::convert
