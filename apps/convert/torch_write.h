// Writes checkpoints that PyTorch opens, torch.load(..., weights_only=True) included.
#pragma once

#include <filesystem>

#include "engine/io/safetensors.h"

namespace akimbo::convert {

// A zip checkpoint (PyTorch 1.6 and newer) holding an OrderedDict from name to tensor, in the order
// given, elements and axes as they are (layouts.h turns them). Atomic. Throws ArgumentError for a
// name given twice, FileError when writing fails.
void write_torch_file(const std::filesystem::path& path, const io::NamedTensors& tensors);

}  // namespace akimbo::convert
