#include "apps/inspect/checkpoint_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/convert/convert.h"
#include "apps/convert/state_dict.h"
#include "apps/convert/torch_file.h"
#include "apps/convert/training_state.h"
#include "engine/core/error.h"
#include "engine/io/safetensors.h"

namespace akimbo::apps {
namespace {

bool is_statistic(const std::string& name) {
  return name.ends_with("running_mean") || name.ends_with("running_var");
}

void add_tensor(CheckpointReport& report, TensorSummary summary, const Tensor& tensor) {
  if (is_floating(tensor.dtype()) && !is_statistic(summary.name)) {
    report.num_parameters += tensor.numel();
  }
  if (summary.num_nan > 0) report.findings.problem("tensor holds NaN", summary.name);
  if (summary.num_inf > 0) report.findings.problem("tensor holds infinity", summary.name);
  report.tensors.push_back(std::move(summary));
}

// Names of Python classes that the file mentions beside its weights.
void note_unknown_classes(const convert::TorchFile& file, Findings& findings) {
  std::vector<std::string> names;
  for (const convert::Value& value : file.pickle().values) {
    if (value.is(convert::ValueKind::opaque)) names.push_back(value.utf8());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    findings.problem("name of Python code that is no part of weights (nothing of it was run)",
                     name);
  }
}

void note_optimizer(const convert::TorchFile& file, const convert::StateDict& dict,
                    CheckpointReport& report) {
  try {
    const auto entries = convert::read_optimizer(file, dict);
    if (entries.empty()) return;
    Json& optimizer = report.facts["optimizer"];
    optimizer = {{"parameters", entries.size()}, {"step", entries.front().step}};
    for (const auto& [name, value] : entries.front().tensors) optimizer["state"].push_back(name);
  } catch (const FileError& e) {
    report.findings.remark(e.what(), "");
  }
}

void inspect_torch(const std::filesystem::path& path, CheckpointReport& report) {
  const convert::TorchFile file(path, {.keep_unknown = true});
  report.format = file.format();
  note_unknown_classes(file, report.findings);
  convert::StateDict dict;
  try {
    dict = convert::find_state_dict(file);
  } catch (const FileError& e) {
    report.findings.problem(e.what(), "");
    report.facts["tree"] = convert::describe(file, file.root());
    return;
  }
  report.weights_key = dict.key;
  for (const std::string& name : dict.duplicates) {
    report.findings.problem("name given twice in the state dict", name);
  }
  if (!dict.stripped_prefix.empty()) report.facts["prefix"] = dict.stripped_prefix;
  for (const convert::StateDict::Entry& entry : dict.entries) {
    const Tensor tensor = convert::read_tensor(file, entry);
    TensorSummary summary = summarize(entry.name, tensor);
    summary.dtype = convert::element_name(file.pickle().tensor_of(*entry.value)->type);
    add_tensor(report, std::move(summary), tensor);
  }
  if (dict.key.empty()) return;
  const Json tree = convert::describe(file, file.root());
  for (const auto& [key, value] : tree.items()) {
    if (key != dict.key) report.facts[key] = value.is_structured() ? "..." : value;
  }
  note_optimizer(file, dict, report);
}

// Texts of the metadata that are JSON are shown as such, unless nested so deeply that printing them
// would exhaust the stack.
Json readable(const std::string& text) {
  constexpr int kMaxDepth = 32;
  bool is_deep = false;
  const auto measure = [&](int depth, Json::parse_event_t, Json&) {
    is_deep = is_deep || depth > kMaxDepth;
    return !is_deep;
  };
  const Json json = Json::parse(text, measure, false);
  return is_deep || json.is_discarded() ? Json(text) : json;
}

void inspect_safetensors(const std::filesystem::path& path, CheckpointReport& report) {
  const io::SafetensorsFile file(path);
  report.format = "safetensors";
  const auto format = file.metadata().find("format");
  report.is_ours = format != file.metadata().end() && format->second == "akimbo";
  for (const auto& [key, value] : file.metadata()) report.facts[key] = readable(value);
  for (const io::SafetensorsFile::Entry& entry : file.entries()) {
    if (!entry.readable) {
      report.findings.remark("tensor of a type that is not read (8-bit floats)", entry.name);
      continue;
    }
    const Tensor tensor = file.read(entry.name);
    TensorSummary summary = summarize(entry.name, tensor);
    summary.dtype = entry.stored_dtype;
    add_tensor(report, std::move(summary), tensor);
  }
}

}  // namespace

TensorSummary summarize(const std::string& name, const Tensor& tensor) {
  TensorSummary summary{.name = name, .dtype = std::string(dtype_name(tensor.dtype()))};
  summary.shape.assign(tensor.shape().begin(), tensor.shape().end());
  const Tensor exact = tensor.to(DType::f64);
  double sum = 0;
  std::int64_t count = 0;
  for (const double value : exact.values<double>()) {
    if (std::isnan(value)) {
      ++summary.num_nan;
    } else if (std::isinf(value)) {
      ++summary.num_inf;
    } else {
      summary.min = count == 0 ? value : std::min(summary.min, value);
      summary.max = count == 0 ? value : std::max(summary.max, value);
      sum += value;
      ++count;
    }
  }
  summary.mean = count > 0 ? sum / static_cast<double>(count) : 0;
  return summary;
}

CheckpointReport inspect_checkpoint(const std::filesystem::path& path) {
  CheckpointReport report;
  report.file = path.string();
  std::error_code ignored;
  report.num_bytes = std::filesystem::file_size(path, ignored);
  if (convert::is_torch_checkpoint(path)) {
    inspect_torch(path, report);
  } else {
    inspect_safetensors(path, report);
  }
  return report;
}

Json to_json(const CheckpointReport& report) {
  Json tensors = Json::array();
  for (const TensorSummary& t : report.tensors) {
    tensors.push_back({{"name", t.name},
                       {"dtype", t.dtype},
                       {"shape", t.shape},
                       {"min", t.min},
                       {"max", t.max},
                       {"mean", t.mean},
                       {"nan", t.num_nan},
                       {"inf", t.num_inf}});
  }
  return {{"kind", "checkpoint"},
          {"file", report.file},
          {"format", report.format},
          {"bytes", report.num_bytes},
          {"weights_key", report.weights_key},
          {"ours", report.is_ours},
          {"parameters", report.num_parameters},
          {"facts", report.facts},
          {"tensors", tensors},
          {"findings", report.findings.json()}};
}

std::string to_text(const CheckpointReport& report) {
  std::string text = fmt::format("{}: {}{}{}, {} bytes, {} tensors, {} parameters\n", report.file,
                                 report.format, report.is_ours ? " of akimbo" : "",
                                 report.weights_key.empty() ? "" : " (" + report.weights_key + ")",
                                 report.num_bytes, report.tensors.size(), report.num_parameters);
  for (const auto& [key, value] : report.facts.items()) {
    const bool is_long = value.is_structured() && key != "optimizer" && key != "training";
    text += fmt::format("  {}: {}\n", key,
                        value.dump(is_long ? 1 : -1, ' ', false, Json::error_handler_t::replace));
  }
  std::size_t width = 0;
  for (const TensorSummary& t : report.tensors) width = std::max(width, t.name.size());
  for (const TensorSummary& t : report.tensors) {
    text +=
        fmt::format("  {:{}} {:8} {:18} min {:<12.5g} max {:<12.5g} mean {:.5g}\n", t.name, width,
                    t.dtype, fmt::format("[{}]", fmt::join(t.shape, ",")), t.min, t.max, t.mean);
  }
  return text + report.findings.text();
}

}  // namespace akimbo::apps
