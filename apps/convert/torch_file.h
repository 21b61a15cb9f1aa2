// PyTorch checkpoints (.pth, .pt, .pth.tar), read without PyTorch: zip archives (PyTorch 1.6 and
// newer) and legacy streams (before). Writing is in torch_write.h, finding the weights in a
// training checkpoint in state_dict.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/convert/pickle.h"
#include "engine/core/tensor.h"
#include "engine/io/safetensors.h"

namespace akimbo::convert {

class TorchFile {
 public:
  // Reads the tree of objects, not the elements. Throws FileError with file, byte and reason for
  // anything that is no such file, is damaged, or asks for more than data (pickle.h).
  explicit TorchFile(const std::filesystem::path& path, const PickleOptions& options = {});
  ~TorchFile();
  TorchFile(const TorchFile&) = delete;
  TorchFile& operator=(const TorchFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // "PyTorch zip" or "PyTorch legacy".
  [[nodiscard]] const std::string& format() const { return format_; }
  // What akimbo wrote beside the weights (torch_write.h); empty for files of others.
  [[nodiscard]] const io::Metadata& metadata() const { return metadata_; }
  [[nodiscard]] const Pickle& pickle() const { return pickle_; }
  [[nodiscard]] const Value& root() const { return *pickle_.root; }

  // Elements of a tensor, parameter or numpy array in its own (PyTorch's) axis order, contiguous,
  // in memory of its own. Types that the engine lacks are widened (element_type.h). Throws
  // FileError for a value that is no tensor, more than 6 axes, complex numbers, damaged elements,
  // and views that blow a small storage up to a huge tensor.
  [[nodiscard]] Tensor tensor(const Value& value) const;

  class Elements;  // where the bytes of storages come from

 private:
  void open_zip(const PickleOptions& options);
  void open_legacy(const PickleOptions& options);
  void check_expansion(const TensorRecord& record, std::uint64_t source_bytes) const;
  [[nodiscard]] std::string source_bytes(const TensorRecord& record, std::int64_t begin,
                                         std::int64_t count) const;

  std::filesystem::path path_;
  std::string format_;
  io::Metadata metadata_;
  Pickle pickle_;
  std::unique_ptr<Elements> elements_;
};

// True when the first bytes are those of a PyTorch checkpoint of either form.
[[nodiscard]] bool looks_like_torch_file(const std::filesystem::path& path);

}  // namespace akimbo::convert
