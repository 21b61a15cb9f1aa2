// What a PyTorch checkpoint holds besides bytes: where in its tree the weights are, and the tree
// itself in words. What a training left there is in training_state.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/convert/torch_file.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace akimbo::convert {

struct StateDict {
  struct Entry {
    std::string name;
    const Value* value = nullptr;  // a tensor, parameter or array of the file
  };
  std::vector<Entry> entries;           // in the order of the file
  std::string key;                      // under which it was found: "state_dict"; empty at the root
  std::string stripped_prefix;          // "module." when every name had it, else empty
  std::vector<std::string> duplicates;  // names that occur twice; the last one is kept
};

// The weights of a checkpoint: the root if it maps names to tensors, else the value under the first
// of state_dict, best_state_dict, network, weights, model_state_dict, model, net, ema that does.
// Nested dicts are joined with dots. `key` asks for one place. A "module." before every name is cut
// off. Throws FileError that lists what the file holds instead.
[[nodiscard]] StateDict find_state_dict(const TorchFile& file, const std::string& key = "");

// The tensor in PyTorch's axis order; messages name it.
[[nodiscard]] Tensor read_tensor(const TorchFile& file, const StateDict::Entry& entry);

// Everything in the tree as JSON; tensors as {"dtype", "shape"}. Bounded: what is nested deeply,
// long or seen before is abbreviated.
[[nodiscard]] Json describe(const TorchFile& file, const Value& value);

}  // namespace akimbo::convert
