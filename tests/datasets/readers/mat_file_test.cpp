#include "datasets/readers/mat_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "datasets/readers/mat_check.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/mutate.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/throws.h"

namespace akimbo::datasets {
namespace {

// Written by scipy (tests/parity/make_mat_fixtures.py): numbers [2,3] of several classes, texts, a
// struct and an empty cell; `packed` compressed, `plain` not.
const std::string kFolder = AKIMBO_TEST_DATA "/mat/";

void expect_contents(const MatFile& file) {
  const std::vector<double> numbers = {1, 4, 2, 5, 3, 6};  // the first index runs fastest
  for (const char* name : {"doubles", "singles", "bytes", "words", "longs"}) {
    const MatArray array = file.numbers(name);
    EXPECT_EQ(array.dims, (std::vector<std::size_t>{2, 3})) << name;
    EXPECT_EQ(array.values, numbers) << name;
  }
  EXPECT_EQ(file.numbers("flags").values, (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(file.numbers("negative").values, (std::vector<double>{-3.5}));
  const MatArray deep = file.numbers("deep");
  EXPECT_EQ(deep.dims, (std::vector<std::size_t>{2, 3, 4}));
  EXPECT_EQ(deep.values[1], 12);  // [1, 0, 0] of 0 .. 23 in C order
  EXPECT_EQ(file.texts("texts"), (std::vector<std::string>{"rank", "lsho", ""}));
}

TEST(MatFile, ReadsWhatScipyWrites) {
  expect_contents(MatFile(kFolder + "plain.mat"));
  expect_contents(MatFile(kFolder + "packed.mat"));
}

TEST(MatFile, WritesWhatItReads) {
  const test_support::TemporaryFolder folder;
  const MatVariable preds{"preds", {{2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0.1}}};
  const MatVariable one{"one", {{1, 1}, {-2}}};
  const std::vector<MatVariable> both = {preds, one};
  const auto path = folder.path() / "pred.mat";
  write_mat(path, both);
  const MatFile file(path);
  EXPECT_EQ(file.numbers("preds").dims, preds.array.dims);
  EXPECT_EQ(file.numbers("preds").values, preds.array.values);
  EXPECT_EQ(file.numbers("one").values, one.array.values);
  // Nothing but the file is left behind.
  const auto entries = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
  const MatVariable wrong{"x", {{2, 2}, {1}}};
  EXPECT_THROW(write_mat(path, {&wrong, 1}), ArgumentError);
  EXPECT_THROW(write_mat(folder.path() / "no/such/folder.mat", both), FileError);
}

TEST(MatFile, SaysWhatIsWrong) {
  const test_support::TemporaryFolder folder;
  const auto path = folder.path() / "a.mat";
  const auto write = [&](const std::string& bytes) { io::write_file_atomic(path, bytes); };
  const std::string good = io::read_file(kFolder + "plain.mat");
  EXPECT_THROWS_WITH(MatFile("absent.mat"), FileError, "absent.mat");
  write("");
  EXPECT_THROWS_WITH(MatFile{path}, FileError, "no MATLAB file");
  write("\x89HDF\r\n\x1a\n");
  EXPECT_THROWS_WITH(MatFile{path}, FileError, "version 7.3");
  write(good.substr(0, good.size() / 2));
  EXPECT_THROWS_WITH(MatFile{path}, FileError, "damaged");
  write(good + std::string(5, '\1'));
  EXPECT_THROWS_WITH(MatFile{path}, FileError, "damaged");
  const std::string packed = io::read_file(kFolder + "packed.mat");
  std::string broken = packed;
  broken[160] = static_cast<char>(broken[160] ^ 0x55);
  write(broken);
  EXPECT_THROWS_WITH(MatFile{path}, FileError, "damaged");
  const MatFile file(kFolder + "plain.mat");
  EXPECT_THROWS_WITH((void)file.numbers("nothing"), FileError, "no variable nothing");
  EXPECT_THROWS_WITH((void)file.numbers("texts"), FileError, "no array of real numbers");
  EXPECT_THROWS_WITH((void)file.texts("doubles"), FileError, "no cell array");
  EXPECT_THROWS_WITH((void)file.texts("mixed"), FileError, "entry 2 of mixed is no text");
}

// A dimension of 2^31 - 1 squared, and one that does not fit its numbers.
TEST(MatFile, ArraysAreAsLargeAsTheyAre) {
  std::string bytes = io::read_file(kFolder + "plain.mat");
  const std::string dims("\x02\0\0\0\x03\0\0\0", 8);
  const std::size_t at = bytes.find(dims);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 8, "\xff\xff\xff\x7f\xff\xff\xff\x7f");
  EXPECT_THROWS_WITH(check_mat_bytes(bytes, "a.mat"), FileError, "too large");
  bytes.replace(at, 8, std::string("\x02\0\0\0\x04\0\0\0", 8));
  EXPECT_THROWS_WITH(check_mat_bytes(bytes, "a.mat"), FileError, "hold 8 numbers");
}

TEST(MatFile, DamagedFilesAreReadOrRefused) {
  const test_support::TemporaryFolder folder;
  const auto path = folder.path() / "a.mat";
  int num_refused = 0, num_read = 0;
  for (const char* name : {"plain.mat", "packed.mat"}) {
    const std::string original = io::read_file(kFolder + name);
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      std::ofstream(path, std::ios::binary) << test_support::mutate(original, seed);  // no sync
      try {
        const MatFile file(path);
        (void)file.numbers("doubles");
        (void)file.texts("texts");
        ++num_read;
      } catch (const FileError&) {
        ++num_refused;
      }
    }
  }
  EXPECT_GT(num_refused, 100);
  EXPECT_GT(num_read, 10);
}

}  // namespace
}  // namespace akimbo::datasets
