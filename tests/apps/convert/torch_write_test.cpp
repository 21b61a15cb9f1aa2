// Our .pth files read back. That PyTorch opens them too is checked by tests/parity.
#include "apps/convert/torch_write.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <limits>

#include "apps/convert/state_dict.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::convert {
namespace {

using testing_support::ScratchFolder;

io::NamedTensors every_type() {
  const std::vector<float> values = {0.5f,
                                     -2.0f,
                                     std::numeric_limits<float>::infinity(),
                                     -0.0f,
                                     std::numeric_limits<float>::quiet_NaN(),
                                     1e-42f};
  const Tensor floats = Tensor::from_values<float>({2, 3}, values);
  io::NamedTensors tensors = {
      {"z.last", floats},
      {"f64", floats.to(DType::f64)},
      {"f16", floats.to(DType::f16)},
      {"bf16", floats.to(DType::bf16)},
      {"i64", Tensor::full({}, -7, DType::i64)},
      {"i32", Tensor::full({4}, 1 << 30, DType::i32)},
      {"u8", Tensor::full({3, 1}, 200, DType::u8)},
      {"empty", Tensor::empty({0, 5})},
      {"six.axes", Tensor::zeros({1, 2, 1, 2, 1, 2})},
      {"caf\xc3\xa9", floats},
  };
  return tensors;
}

TEST(TorchWrite, EveryTypeComesBackBitByBitAndInOrder) {
  const ScratchFolder folder;
  const io::NamedTensors tensors = every_type();
  write_torch_file(folder.file("a.pth"), tensors);
  const TorchFile file(folder.file("a.pth"));
  const StateDict dict = find_state_dict(file);
  ASSERT_EQ(tensors.size(), dict.entries.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, wanted] = tensors[i];
    EXPECT_EQ(name, dict.entries[i].name);
    const Tensor given = read_tensor(file, dict.entries[i]);
    ASSERT_EQ(wanted.dtype(), given.dtype()) << name;
    ASSERT_EQ(wanted.shape(), given.shape()) << name;
    if (wanted.numel() > 0) {
      EXPECT_EQ(0, std::memcmp(wanted.raw(), given.raw(), wanted.num_bytes())) << name;
    }
  }
}

TEST(TorchWrite, ElementsAreAlignedAndBytesAreTheSameEveryTime) {
  const ScratchFolder folder;
  const std::string marker = "sixteen bytes ! ";
  Tensor marked = Tensor::zeros({16}, DType::u8);
  std::memcpy(marked.raw(), marker.data(), marker.size());
  const io::NamedTensors tensors = {{"odd", Tensor::zeros({5}, DType::u8)}, {"marked", marked}};
  write_torch_file(folder.file("a.pth"), tensors);
  write_torch_file(folder.file("b.pth"), tensors);
  const std::string bytes = io::read_file(folder.file("a.pth"));
  EXPECT_EQ(bytes, io::read_file(folder.file("b.pth")));
  const std::size_t at = bytes.find(marker);
  ASSERT_NE(std::string::npos, at);
  EXPECT_EQ(0u, at % 64);
}

// A limit on the size of files stands in for a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(TorchWrite, AFullDiskCostsNothingThatWasThere) {
  const ScratchFolder folder;
  write_torch_file(folder.file("a.pth"), {{"x", Tensor::full({1}, 7)}});
  const std::string before = io::read_file(folder.file("a.pth"));
  {
    const FileSizeLimit limit(100'000);
    EXPECT_THROWS_WITH(write_torch_file(folder.file("a.pth"), {{"x", Tensor::zeros({100'000})}}),
                       FileError, "cannot be written");
  }
  EXPECT_EQ(before, io::read_file(folder.file("a.pth")));
  const auto files = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(1, std::distance(begin(files), end(files)));
}

TEST(TorchWrite, RefusesWhatCannotBeWrittenAndKeepsTheOldFile) {
  const ScratchFolder folder;
  const Tensor one = Tensor::zeros({1});
  EXPECT_THROWS_WITH(write_torch_file(folder.file("a.pth"), {{"x", one}, {"x", one}}),
                     ArgumentError, "given twice");
  EXPECT_THROWS_WITH(write_torch_file(folder.file("no/such/a.pth"), {{"x", one}}), FileError,
                     "cannot be written");
  write_torch_file(folder.file("a.pth"), {{"x", one}});
  int num_files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++num_files;
  }
  EXPECT_EQ(1, num_files);  // no temporary file is left
}

}  // namespace
}  // namespace akimbo::convert
