#include "apps/convert/torch_write.h"

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "apps/convert/pickle_writer.h"
#include "apps/convert/stored_zip.h"
#include "engine/core/error.h"
#include "engine/io/json.h"

namespace akimbo::convert {
namespace {

void put_state_dict(PickleWriter& pickle, const io::NamedTensors& tensors,
                    const std::string& prefix = "") {
  std::unordered_set<std::string_view> names;
  pickle.begin_ordered_dict();
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) {
      throw_error<ArgumentError>("[torch] the name '{}' is given twice; give each tensor its own",
                                 name);
    }
    pickle.text(prefix + name);
    pickle.tensor(tensor);
  }
  pickle.end_items();
}

// {"state": {0: {"step": 7, "exp_avg": tensor, ...}, ...}, "param_groups": [{..., "params":
// [0..]}]}
void put_optimizer(PickleWriter& pickle, const TorchOptimizer& optimizer) {
  pickle.begin_dict();
  pickle.text("state");
  pickle.begin_dict();
  for (std::size_t i = 0; i < optimizer.parameters.size(); ++i) {
    const TorchOptimizer::Parameter& parameter = optimizer.parameters[i];
    if (parameter.slots.empty()) continue;
    pickle.integer(static_cast<std::int64_t>(i));
    pickle.begin_dict();
    pickle.text("step");
    pickle.integer(parameter.step);
    for (const auto& [name, tensor] : parameter.slots) {
      pickle.text(name);
      pickle.tensor(tensor);
    }
    pickle.end_items();
  }
  pickle.end_items();
  pickle.text("param_groups");
  pickle.begin_list();
  pickle.begin_dict();
  for (const auto& [name, value] : optimizer.settings) {
    pickle.text(name);
    pickle.real(value);
  }
  for (const auto& [name, value] : optimizer.switches) {
    pickle.text(name);
    pickle.boolean(value);
  }
  if (optimizer.betas) {
    pickle.text("betas");
    pickle.begin_tuple();
    pickle.real(optimizer.betas->first);
    pickle.real(optimizer.betas->second);
    pickle.end_tuple();
  }
  pickle.text("params");
  pickle.begin_list();
  for (std::size_t i = 0; i < optimizer.parameters.size(); ++i) {
    pickle.integer(static_cast<std::int64_t>(i));
  }
  pickle.end_list();
  pickle.end_items();
  pickle.end_list();
  pickle.end_items();
}

void write_archive(const std::filesystem::path& path, PickleWriter& pickle,
                   const io::Metadata& metadata) {
  const std::string tree = pickle.finish();
  const std::string root = "archive/";
  std::vector<ZipMember> members = {{root + "data.pkl", tree.data(), tree.size()},
                                    {root + "byteorder", "little", 6}};
  for (std::size_t i = 0; i < pickle.tensors().size(); ++i) {
    const Tensor& tensor = pickle.tensors()[i];
    members.push_back({root + "data/" + std::to_string(i), tensor.raw(), tensor.num_bytes()});
  }
  members.push_back({root + "version", "3\n", 2});
  const std::string facts = Json(metadata).dump();
  if (!metadata.empty()) members.push_back({root + kMetadataRecord, facts.data(), facts.size()});
  write_stored_zip(path, members);
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const io::NamedTensors& tensors,
                      const io::Metadata& metadata) {
  PickleWriter pickle;
  put_state_dict(pickle, tensors);
  write_archive(path, pickle, metadata);
}

void write_torch_training(const std::filesystem::path& path, const TorchTraining& training,
                          const io::Metadata& metadata) {
  PickleWriter pickle;
  pickle.begin_dict();
  pickle.text("epoch");
  pickle.integer(training.epoch);
  pickle.text("model");
  pickle.text(training.model);
  pickle.text("state_dict");
  put_state_dict(pickle, training.weights, "module.");
  pickle.text("best_state_dict");
  put_state_dict(pickle, training.weights);
  pickle.text("perf");
  pickle.real(training.perf);
  pickle.text("optimizer");
  put_optimizer(pickle, training.optimizer);
  pickle.end_items();
  write_archive(path, pickle, metadata);
}

}  // namespace akimbo::convert
