#include "apps/convert/state_dict.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "apps/convert/pickle_machine.h"
#include "engine/core/error.h"
#include "engine/core/text.h"

namespace akimbo::convert {
namespace {

constexpr const char* kPlaces[] = {"state_dict",       "best_state_dict", "network", "weights",
                                   "model_state_dict", "model",           "net",     "ema"};
constexpr int kMaxNesting = 8;
constexpr std::size_t kMaxTensors = 1'000'000;
constexpr std::size_t kMaxNameBytes = 64u << 20;  // all names together: dicts may be shared

// Collects the leaves of a dict of dicts; false when a leaf is no tensor, a key no text, the
// nesting deeper than any network's, or there is no leaf at all.
bool collect(const Pickle& pickle, const Value& dict, const std::string& prefix, int depth,
             std::size_t& name_bytes, std::vector<StateDict::Entry>& entries) {
  if (!dict.is(ValueKind::dict) || depth > kMaxNesting) return false;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& key = *dict.items[i];
    const Value& value = *dict.items[i + 1];
    if (!key.is(ValueKind::text) || key.text.size() > 1024) return false;
    const std::string name = prefix + key.utf8();
    name_bytes += name.size();
    if (entries.size() >= kMaxTensors || name_bytes > kMaxNameBytes) return false;
    if (pickle.tensor_of(value)) {
      entries.push_back({name, &value});
    } else if (value.items.empty() ||
               !collect(pickle, value, name + ".", depth + 1, name_bytes, entries)) {
      return false;
    }
  }
  return true;
}

bool find_weights(const Pickle& pickle, const Value* value,
                  std::vector<StateDict::Entry>& entries) {
  entries.clear();
  std::size_t name_bytes = 0;
  return value && collect(pickle, *value, "", 0, name_bytes, entries) && !entries.empty();
}

void drop_duplicates(StateDict& dict) {
  std::unordered_map<std::string, std::size_t> place;
  std::vector<StateDict::Entry> unique;
  for (StateDict::Entry& entry : dict.entries) {
    const auto [it, is_new] = place.emplace(entry.name, unique.size());
    if (is_new) {
      unique.push_back(std::move(entry));
    } else {
      unique[it->second].value = entry.value;
      dict.duplicates.push_back(entry.name);
    }
  }
  dict.entries = std::move(unique);
}

// DataParallel puts "module." before every name. Cut off only where no two names then collide.
void strip_module(StateDict& dict) {
  const std::string prefix = "module.";
  std::unordered_set<std::string> names;
  bool any = false;
  for (const StateDict::Entry& entry : dict.entries) {
    const bool has = entry.name.starts_with(prefix) && entry.name.size() > prefix.size();
    any = any || has;
    if (!names.insert(has ? entry.name.substr(prefix.size()) : entry.name).second) return;
  }
  if (!any) return;
  for (StateDict::Entry& entry : dict.entries) {
    if (entry.name.starts_with(prefix) && entry.name.size() > prefix.size()) {
      entry.name.erase(0, prefix.size());
    }
  }
  dict.stripped_prefix = prefix;
}

std::string keys_of(const Value& root) {
  if (!root.is(ValueKind::dict)) return "an object that is no dict";
  std::string text;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    if (i >= 40) return text + ", ...";
    const Value& key = *root.items[i];
    text += (i > 0 ? ", " : "") + (key.is(ValueKind::text) ? key.utf8().substr(0, 80) : "?");
  }
  return text.empty() ? "an empty dict" : "the keys " + text;
}

}  // namespace

StateDict find_state_dict(const TorchFile& file, const std::string& key) {
  StateDict dict;
  const Value& root = file.root();
  if (!key.empty()) {
    dict.key = key;
    if (!find_weights(file.pickle(), root.find(key), dict.entries)) {
      throw_error<FileError>("[torch] {} has no weights under \"{}\"; it holds {}",
                             file.path().string(), key, keys_of(root));
    }
  } else if (!find_weights(file.pickle(), &root, dict.entries)) {
    const auto place = std::find_if(std::begin(kPlaces), std::end(kPlaces), [&](const char* name) {
      return find_weights(file.pickle(), root.find(name), dict.entries);
    });
    if (place == std::end(kPlaces)) {
      throw_error<FileError>(
          "[torch] {} holds {}, none of them a dict of tensors; name the place of "
          "the weights with --key, or save the state_dict alone",
          file.path().string(), keys_of(root));
    }
    dict.key = *place;
  }
  drop_duplicates(dict);
  strip_module(dict);
  return dict;
}

Tensor read_tensor(const TorchFile& file, const StateDict::Entry& entry) {
  try {
    return file.tensor(*entry.value);
  } catch (const FileError& e) {
    throw_error<FileError>("{} (tensor {})", e.what(), entry.name);
  }
}

namespace {

class Describer {
 public:
  explicit Describer(const TorchFile& file) : file_(file) {}

  Json of(const Value& value, int depth) {
    if (++num_values_ > kMaxValues) return "...";
    if (const TensorRecord* tensor = file_.pickle().tensor_of(value)) {
      return {{"dtype", element_name(tensor->type)}, {"shape", tensor->sizes}};
    }
    switch (value.kind) {
      case ValueKind::none: return nullptr;
      case ValueKind::boolean: return value.integer != 0;
      case ValueKind::integer: return value.integer;
      case ValueKind::real: return value.real;
      case ValueKind::text: return value.utf8();
      case ValueKind::bytes: return fmt::format("<{} bytes>", value.text.size());
      case ValueKind::big_integer: return fmt::format("<integer of {} bytes>", value.text.size());
      case ValueKind::symbol: return value.utf8();
      case ValueKind::opaque: return "<" + value.utf8() + ">";
      case ValueKind::tuple:
      case ValueKind::list:
      case ValueKind::set: return sequence(value, depth);
      case ValueKind::dict: return dict(value, depth);
      default: return "<object>";
    }
  }

 private:
  static constexpr int kMaxDepth = 12;
  static constexpr std::size_t kMaxValues = 100'000;

  Json sequence(const Value& value, int depth) {
    if (depth > kMaxDepth || !open_.insert(&value).second) return "...";
    Json list = Json::array();
    for (const Value* item : value.items) {
      list.push_back(of(*item, depth + 1));
      if (num_values_ > kMaxValues) break;
    }
    open_.erase(&value);
    return list;
  }

  Json dict(const Value& value, int depth) {
    if (depth > kMaxDepth || !open_.insert(&value).second) return "...";
    Json object = Json::object();
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const Json key = of(*value.items[i], kMaxDepth);
      object[key.is_string() ? key.get<std::string>() : key.dump()] =
          of(*value.items[i + 1], depth + 1);
      if (num_values_ > kMaxValues) break;
    }
    open_.erase(&value);
    return object;
  }

  const TorchFile& file_;
  std::unordered_set<const Value*> open_;  // containers on the way down: cycles end there
  std::size_t num_values_ = 0;
};

}  // namespace

Json describe(const TorchFile& file, const Value& value) { return Describer(file).of(value, 0); }

}  // namespace akimbo::convert
