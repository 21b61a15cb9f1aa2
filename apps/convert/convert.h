// Weights from foreign checkpoints to ours and back.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace akimbo::convert {

struct ReadOptions {
  std::string key;            // where in a training checkpoint the weights are; empty: found
  bool keep_unknown = false;  // read weights that lie beside objects of unknown classes
  // Axis order of a safetensors file: "auto" (ours when our metadata are there), "akimbo", "torch".
  std::string layout = "auto";
};

struct Weights {
  std::string path;
  io::NamedTensors tensors;   // in the engine's axis order, "module." cut off
  io::Metadata metadata;      // of a safetensors source, or of a PyTorch file that akimbo wrote
  std::string format;         // "PyTorch zip", "PyTorch legacy", "safetensors"
  std::string key;            // where they were found: "state_dict"
  bool is_ours = false;       // a file of akimbo: its metadata may hold a config
  std::string color;          // "rgb", "bgr": the pictures they were trained on; empty: unknown
  bool has_training = false;  // the state of a training lies beside them
  // Batch counters (num_batches_tracked) that files of PyTorch before 0.4.1 lack; added as 0.
  std::vector<std::string> added;
  Json facts =
      Json::object();  // numbers and texts at the top of a training checkpoint: epoch, perf
};

// Reads .safetensors or PyTorch files, told apart by their first bytes. Of ours, only the weights
// are taken (the averaged ones where there are), not the training state. Throws FileError.
[[nodiscard]] Weights read_weights(const std::filesystem::path& path,
                                   const ReadOptions& options = {});

struct ConvertOptions {
  std::string source;
  std::string dest;  // .safetensors, or .pth / .pt / .pth.tar
  // The network that the weights must fit; empty: that of a source of ours, or no check.
  std::string config;
  std::vector<std::string> overrides;  // --set, over that config
  // Write a training checkpoint of ours as PyTorch's training code does, optimizer and all.
  bool training = false;
  ReadOptions read;
};

struct ConvertReport {
  Weights weights;          // as written, in the engine's axis order
  bool is_checked = false;  // they fit a network, whose config the file then holds
  // The optimizer and where the training stood were taken along: training goes on from the file.
  bool has_training = false;
  std::vector<std::string> notes;  // about that
};

// Throws FileError for a bad source or weights that do not fit, ConfigError for a destination of
// unknown kind, OutputError when it cannot be written; an earlier destination file is replaced only
// by a complete one.
ConvertReport convert_file(const ConvertOptions& options);

// True for names of checkpoints (.safetensors, .pth, .pt, .pth.tar), false for those of configs.
[[nodiscard]] bool is_checkpoint_name(const std::filesystem::path& path);

// True when the file is to be read as PyTorch's (by its first bytes, else by its name).
[[nodiscard]] bool is_torch_checkpoint(const std::filesystem::path& path);

}  // namespace akimbo::convert
