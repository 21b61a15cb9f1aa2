// Every sample of foreign checkpoints gives exactly the stored tensors, and every hostile one is
// refused with its reason. The samples and their values lie beside the source tree.
#include "apps/convert/torch_file.h"

#include <gtest/gtest.h>

#include <cmath>

#include "apps/convert/state_dict.h"
#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/shared_data.h"

namespace akimbo::convert {
namespace {

using test_support::kNoSharedData;
using test_support::shared_path;

// The number that JSON holds as a number or, where JSON has no such number, as a text.
double number(const Json& json) {
  if (json.is_number()) return json.get<double>();
  const std::string text = json.is_string() ? json.get<std::string>() : "";
  if (text == "inf" || text == "Infinity") return INFINITY;
  if (text == "-inf" || text == "-Infinity") return -INFINITY;
  if (text == "-0.0") return -0.0;
  if (json.is_boolean()) return json.get<bool>() ? 1 : 0;
  return NAN;
}

void expect_same(const Json& expected, const Tensor& tensor, const std::string& name) {
  const auto sizes = expected.at("shape").get<std::vector<std::int64_t>>();
  ASSERT_EQ(sizes, std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())) << name;
  const Json& values = expected.at("values");
  ASSERT_EQ(static_cast<std::int64_t>(values.size()), tensor.numel()) << name;
  const Tensor exact = tensor.dtype() == DType::i64 ? tensor : tensor.to(DType::f64);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    const Json& wanted = values[static_cast<std::size_t>(i)];
    if (exact.dtype() == DType::i64) {
      EXPECT_EQ(wanted.get<std::int64_t>(), exact.values<std::int64_t>()[i]) << name << " " << i;
      continue;
    }
    const double given = exact.values<double>()[i];
    // The file's decimals of f32 numbers are not always the nearest ones in double.
    const double nearest = tensor.dtype() == DType::f64 || !is_floating(tensor.dtype())
                               ? number(wanted)
                               : static_cast<double>(static_cast<float>(number(wanted)));
    EXPECT_EQ(nearest, given) << name << " " << i;
    EXPECT_EQ(std::signbit(number(wanted)), std::signbit(given)) << name << " " << i;
  }
}

// Compares a tree of the expectation file (dicts, tensors, numbers, texts) with a value.
void expect_tree(const TorchFile& file, const Json& expected, const Value& value,
                 const std::string& name) {
  if (expected.is_object() && expected.contains("values")) {
    const TensorRecord* record = file.pickle().tensor_of(value);
    ASSERT_NE(record, nullptr) << name;
    EXPECT_EQ(expected.at("dtype").get<std::string>(), element_name(record->type)) << name;
    expect_same(expected, file.tensor(value), name);
  } else if (expected.is_object()) {
    ASSERT_TRUE(value.is(ValueKind::dict)) << name;
    std::size_t num_found = 0;  // of a scheduler, the file has more than the expectation tells
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const Value& key = *value.items[i];
      const std::string text = key.is(ValueKind::text) ? key.text : std::to_string(key.integer);
      if (!expected.contains(text)) continue;
      ++num_found;
      expect_tree(file, expected.at(text), *value.items[i + 1], name + "/" + text);
    }
    EXPECT_EQ(expected.size(), num_found) << name;
  } else if (expected.is_array()) {
    ASSERT_EQ(expected.size(), value.items.size()) << name;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expect_tree(file, expected[i], *value.items[i], name + "/" + std::to_string(i));
    }
  } else if (expected.is_number_integer() && value.is(ValueKind::integer)) {
    EXPECT_EQ(expected.get<std::int64_t>(), value.integer) << name;
  } else if (expected.is_number()) {
    ASSERT_TRUE(value.is(ValueKind::real)) << name;
    EXPECT_EQ(expected.get<double>(), value.real) << name;
  } else if (expected.is_boolean()) {
    ASSERT_TRUE(value.is(ValueKind::boolean)) << name;
    EXPECT_EQ(expected.get<bool>(), value.integer != 0) << name;
  } else if (expected.is_null()) {
    EXPECT_TRUE(value.is(ValueKind::none)) << name;
  } else if (value.is(ValueKind::text)) {
    EXPECT_EQ(expected.get<std::string>(), value.text) << name;
  }
}

class TorchSamples : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto folder = shared_path("data/checkpoints");
    if (!folder) GTEST_SKIP() << kNoSharedData;
    folder_ = *folder;
    expected_ = io::read_json(folder_ / "expected_torch.json");
  }
  std::filesystem::path folder_;
  Json expected_;
};

TEST_F(TorchSamples, EveryTreeHasTheStoredValues) {
  int num_trees = 0;
  for (const auto& [name, wanted] : expected_.at("files").items()) {
    const TorchFile file(folder_ / name);
    EXPECT_EQ(wanted.at("format") == "torch-zip" ? "PyTorch zip" : "PyTorch legacy", file.format());
    if (wanted.contains("root")) {
      expect_tree(file, wanted.at("root"), file.root(), name);
      ++num_trees;
    }
    if (!wanted.contains("toplevel_order")) continue;
    const Json& order = wanted.at("toplevel_order");
    ASSERT_EQ(order.size() * 2, file.root().items.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::string key = order[i].get<std::string>();
      EXPECT_EQ(key, file.root().items[2 * i]->text);
      if (wanted.contains(key)) {
        expect_tree(file, wanted.at(key), *file.root().items[2 * i + 1], name + "/" + key);
        ++num_trees;
      }
    }
  }
  EXPECT_GT(num_trees, 15);
}

TEST_F(TorchSamples, ViewsShareOneStorage) {
  for (const char* name : {"legacy_views_dtypes.pth", "zip_views_dtypes.pth"}) {
    const TorchFile file(folder_ / name);
    const Value* full = file.root().find("full");
    ASSERT_NE(full, nullptr);
    const int storage = file.pickle().tensor_of(*full)->storage;
    EXPECT_EQ(24, file.pickle().storages[static_cast<std::size_t>(storage)].numel);
    int num_sharing = 0;
    for (std::size_t i = 1; i < file.root().items.size(); i += 2) {
      const TensorRecord* record = file.pickle().tensor_of(*file.root().items[i]);
      num_sharing += record && record->storage == storage ? 1 : 0;
    }
    EXPECT_EQ(6, num_sharing);
  }
}

TEST_F(TorchSamples, PlainObjectsOfEveryKindAreRead) {
  const TorchFile file(folder_ / "legacy_misc_objects.pth");
  const Json& wanted = expected_.at("files").at("legacy_misc_objects.pth");
  const Value* a = file.root().find("a");
  ASSERT_NE(a, nullptr);
  const Json& numbers = wanted.at("a");
  ASSERT_EQ(numbers.size(), a->items.size());
  for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
    expect_tree(file, numbers[i], *a->items[i], "a/" + std::to_string(i));
  }
  // 10^30 as thirteen little-endian bytes.
  ASSERT_TRUE(a->items.back()->is(ValueKind::big_integer));
  EXPECT_EQ(std::string("\x00\x00\x00\x40\xea\xed\x74\x46\xd0\x9c\x2c\x9f\x0c", 13),
            a->items.back()->text);
  EXPECT_EQ(-5, file.root().find("np0")->integer);
  expect_tree(file, wanted.at("np1"), *file.root().find("np1"), "np1");
  EXPECT_EQ("cuda:1", file.root().find("dev")->text);
  EXPECT_EQ("torch.float32", file.root().find("dt")->text);
  expect_tree(file, wanted.at("size"), *file.root().find("size"), "size");
}

TEST_F(TorchSamples, EveryBadFileIsRefusedForItsReason) {
  const std::map<std::string, std::string> reasons = {
      {"bad_global.pth", "\"os.getcwd\""},
      {"bad_stack_global.pth", "\"os.getcwd\""},
      {"bad_stride_oob.pth", "reaches element 11 of a storage of 6"},
      {"bad_offset_negative.pth", "negative or overflowing"},
      {"bad_storage_missing.pth", "record data/9 is missing"},
      {"bad_storage_numel.pth", "7 elements of float32 take 28"},
      {"bad_truncated_pickle.pth", "are left"},
      {"bad_memo_missing.pth", "memo slot"},
      {"bad_stack_underflow.pth", "empty stack"},
      {"bad_legacy_truncated.pth", "are left"},
      {"bad_legacy_magic.pth", "without PyTorch's magic number"},
      {"bad_zip_truncated.pth", "cut short or damaged"},
  };
  for (const auto& [name, why] : expected_.at("reject").items()) {
    ASSERT_TRUE(reasons.contains(name)) << name;
    try {
      const TorchFile file(folder_ / name);
      ADD_FAILURE() << name << " was accepted";
    } catch (const FileError& e) {
      const std::string text = e.what();
      EXPECT_NE(text.find(reasons.at(name)), std::string::npos) << name << ": " << text;
      EXPECT_NE(text.find(name), std::string::npos) << "the file is not named: " << text;
    }
  }
}

}  // namespace
}  // namespace akimbo::convert
