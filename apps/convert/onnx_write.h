// Networks for other inference engines: the ONNX format, opset 17. The only file that knows it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "models/network.h"

namespace akimbo::convert {

struct OnnxOptions {
  std::int64_t height = 0, width = 0;                // of the input
  std::map<std::string, std::string> metadata = {};  // kept in the file as properties
};

// Writes the network, which is on the CPU in evaluation mode: input "input" [batch,3,H,W] f32 with
// any batch, outputs under their names, [batch,C,H',W']; batch norms folded into the convolutions.
// Atomic. Throws Error for an op that has no form in ONNX, OutputError when writing fails, and
// ConfigError when the program was built without ONNX.
void write_onnx(const std::filesystem::path& path, models::Network& network,
                const OnnxOptions& options);

}  // namespace akimbo::convert
