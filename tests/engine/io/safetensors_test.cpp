#include "engine/io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::io {
namespace {

namespace fs = std::filesystem;

class Safetensors : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("akimbo_safetensors_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // A file with this header and as many zero bytes of elements.
  fs::path file_with(const std::string& header, std::size_t data_bytes) {
    const fs::path path = folder_ / "made.safetensors";
    std::ofstream out(path, std::ios::binary);
    const std::uint64_t length = header.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out << header << std::string(data_bytes, '\0');
    return path;
  }

  void expect_rejected(const std::string& header, std::size_t data_bytes,
                       const std::string& reason) {
    const fs::path path = file_with(header, data_bytes);
    try {
      const SafetensorsFile file(path);
      ADD_FAILURE() << "accepted: " << header.substr(0, 200);
    } catch (const FileError& e) {
      const std::string message = e.what();
      EXPECT_NE(message.find(reason), std::string::npos) << message;
      EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    }
  }

  fs::path folder_;
};

TEST_F(Safetensors, EveryDtypeComesBack) {
  const NamedTensors tensors = {
      {"weights", Tensor::from_values<float>({2, 2}, {1, -2, 3.5f, 4})},
      {"precise", Tensor::from_values<double>({1}, {0.1})},
      {"half", Tensor::from_values<float>({3}, {1, 2, 3}).to(DType::f16)},
      {"brain", Tensor::from_values<float>({3}, {1, 2, 3}).to(DType::bf16)},
      {"long", Tensor::from_values<std::int64_t>({}, {1ll << 40})},
      {"int", Tensor::from_values<std::int32_t>({2}, {-1, 7})},
      {"byte", Tensor::from_values<std::uint8_t>({3}, {0, 255, 7})},
      {"empty", Tensor::zeros({0, 4})},
  };
  const fs::path path = folder_ / "all.safetensors";
  write_safetensors(path, tensors, {{"config", "{\"a\": \"caf\u00e9\"}"}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("config"), "{\"a\": \"caf\u00e9\"}");
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor back = file.read(name);
    ASSERT_EQ(back.dtype(), tensor.dtype()) << name;
    ASSERT_EQ(back.shape().str(), tensor.shape().str()) << name;
    if (tensor.numel() > 0) {
      EXPECT_EQ(std::memcmp(back.raw(), tensor.raw(), tensor.num_bytes()), 0) << name;
    }
  }
  for (const auto& entry : file.entries()) {
    EXPECT_EQ(entry.begin % dtype_bytes(entry.dtype), 0u) << entry.name << " is not aligned";
  }
}

TEST_F(Safetensors, PrefixSelectsAndIsCutOff) {
  const fs::path path = folder_ / "prefix.safetensors";
  write_safetensors(path, {{"model.a", Tensor::zeros({1})}, {"optimizer.a", Tensor::zeros({2})}});
  const NamedTensors tensors = SafetensorsFile(path).read_all("optimizer.");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].first, "a");
  EXPECT_EQ(tensors[0].second.numel(), 2);
}

TEST_F(Safetensors, LargeTensorsAreReadInPieces) {
  Tensor large = Tensor::empty({(3 << 20) + 1}, DType::i32);  // 12 MiB and a little
  std::int32_t* values = large.data<std::int32_t>();
  for (std::int64_t i = 0; i < large.numel(); ++i) values[i] = static_cast<std::int32_t>(i * 7);
  const fs::path file = folder_ / "large.safetensors";
  write_safetensors(file, {{"a", Tensor::full({3}, 1)}, {"large", large}});
  const Tensor back = SafetensorsFile(file).read("large");
  ASSERT_EQ(back.shape(), large.shape());
  EXPECT_TRUE(std::equal(values, values + large.numel(), back.values<std::int32_t>().begin()));
}

TEST_F(Safetensors, NoTensorsIsAFileToo) {
  const fs::path path = folder_ / "none.safetensors";
  write_safetensors(path, {});
  EXPECT_TRUE(SafetensorsFile(path).entries().empty());
}

TEST_F(Safetensors, NameGivenTwiceIsRefusedAndNothingWritten) {
  const fs::path path = folder_ / "twice.safetensors";
  EXPECT_THROW(write_safetensors(path, {{"a", Tensor::zeros({1})}, {"a", Tensor::zeros({1})}}),
               ArgumentError);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Safetensors, UnknownNameGivesTheNearest) {
  const fs::path path = folder_ / "near.safetensors";
  write_safetensors(path, {{"conv1.weight", Tensor::zeros({1})}});
  try {
    (void)SafetensorsFile(path).read("conv1.weigth");
    FAIL();
  } catch (const FileError& e) {
    EXPECT_NE(std::string(e.what()).find("'conv1.weight'"), std::string::npos) << e.what();
  }
}

TEST_F(Safetensors, HostileHeadersAreRefused) {
  const std::string f32 = R"("dtype":"F32","shape":[1])";
  expect_rejected("", 0, "begin with '{'");
  expect_rejected(" {}", 0, "begin with '{'");
  expect_rejected("{", 0, "no valid JSON");
  expect_rejected("{}x", 0, "no valid JSON");
  expect_rejected("{\"a\": 1}", 0, "no field 'dtype'");
  expect_rejected(R"({"a":{"dtype":"F32","shape":[1]}})", 4, "no field 'data_offsets'");
  expect_rejected(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "no field 'shape'");
  expect_rejected(R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "dtype");
  expect_rejected(R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4, "dtype");
  expect_rejected("{\"a\":{" + f32 + R"(,"data_offsets":[4,0]}})", 4, "end before");
  expect_rejected("{\"a\":{" + f32 + R"(,"data_offsets":[0]}})", 4, "not two numbers");
  expect_rejected("{\"a\":{" + f32 + R"(,"data_offsets":[-4,0]}})", 4, "at least 0");
  expect_rejected("{\"a\":{" + f32 + R"(,"data_offsets":[0,4.0]}})", 4, "at least 0");
  expect_rejected("{\"a\":{" + f32 + R"(,"data_offsets":[4,8]}})", 8, "gap");
  expect_rejected(R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4, "no list");
  expect_rejected(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "at least 0");
  expect_rejected(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                  0, "overflows");
  expect_rejected(R"({"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}})",
                  0, "too large");
  expect_rejected(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4,
                  "axes");
  expect_rejected(R"({"__metadata__":{"a":1}})", 0, "no string");
  expect_rejected(R"({"__metadata__":[]})", 0, "no object");
  expect_rejected(R"({"__metadata__":{"a":"1","a":"2"}})", 0, "twice");
  expect_rejected("{\"a\":" + std::string(100000, '['), 0, "nested too deeply");
}

TEST_F(Safetensors, ShortFilesAreRefused) {
  const fs::path path = folder_ / "short.safetensors";
  std::ofstream(path) << "1234567";
  EXPECT_THROW(SafetensorsFile{path}, FileError);
  EXPECT_THROW(SafetensorsFile{folder_ / "absent"}, FileError);
  EXPECT_THROW(SafetensorsFile{folder_}, FileError);
}

TEST_F(Safetensors, EveryTruncationOfAGoodFileIsRefused) {
  const fs::path path = folder_ / "whole.safetensors";
  write_safetensors(path, {{"a", Tensor::zeros({3})}, {"b", Tensor::zeros({2}, DType::i64)}});
  const std::string content = read_file(path);
  for (std::size_t length = 0; length < content.size(); ++length) {
    std::ofstream(path, std::ios::binary) << content.substr(0, length);
    EXPECT_THROW(SafetensorsFile{path}, FileError) << length;
  }
}

TEST_F(Safetensors, TypesWithoutOursAreWidened) {
  const fs::path path = file_with(R"({"i8":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
                                  R"("u16":{"dtype":"U16","shape":[1],"data_offsets":[2,4]},)"
                                  R"("f8":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[4,5]}})",
                                  5);
  {
    std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(-5, std::ios::end);
    const unsigned char bytes[] = {0xff, 0x05, 0xfe, 0xff, 0};
    out.write(reinterpret_cast<const char*>(bytes), 5);
  }
  const SafetensorsFile file(path);
  EXPECT_EQ(file.read("i8").values<std::int32_t>()[0], -1);
  EXPECT_EQ(file.read("i8").values<std::int32_t>()[1], 5);
  EXPECT_EQ(file.read("u16").values<std::int32_t>()[0], 0xfffe);
  EXPECT_THROW((void)file.read("f8"), FileError);
}

TEST(SafetensorsShared, SampleGivesItsTensors) {
  const auto root = test_support::shared_path("data/checkpoints/expected_safetensors.json");
  if (!root) GTEST_SKIP() << test_support::kNoSharedData;
  const Json expected = read_json(*root);
  for (const auto& [name, content] : expected.at("files").items()) {
    const SafetensorsFile file(root->parent_path() / name);
    EXPECT_EQ(file.metadata(), content.at("metadata").get<Metadata>());
    EXPECT_EQ(file.entries().size(), content.at("tensors").size());
    for (const auto& entry : file.entries()) {
      const Json& tensor = content.at("tensors").at(entry.name);
      EXPECT_EQ(entry.stored_dtype, tensor.at("dtype").get<std::string>());
      const Tensor values = file.read(entry.name).to(DType::f64);
      const std::vector<double> wanted = test_support::flat_numbers(tensor.at("values"));
      ASSERT_EQ(static_cast<std::size_t>(values.numel()), wanted.size()) << entry.name;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_EQ(values.values<double>()[i], wanted[i]) << entry.name;
      }
    }
  }
}

TEST(SafetensorsShared, BadFilesAreRefused) {
  const auto root = test_support::shared_path("data/checkpoints/expected_safetensors.json");
  if (!root) GTEST_SKIP() << test_support::kNoSharedData;
  int count = 0;
  const Json expected = read_json(*root);
  for (const auto& [name, reason] : expected.at("reject").items()) {
    EXPECT_THROW(SafetensorsFile{root->parent_path() / name}, FileError) << name << ": " << reason;
    ++count;
  }
  EXPECT_EQ(count, 6);
}

}  // namespace
}  // namespace akimbo::io
