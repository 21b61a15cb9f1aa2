#include "apps/predict/inputs.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::apps {
namespace {

namespace fs = std::filesystem;

class Inputs : public testing::Test {
 protected:
  Inputs() {
    fs::create_directories(folder_.path() / "sub");
    for (const char* name : {"b.jpg", "a.png", "c.mp4", "notes.txt", "sub/d.jpg", "[x].jpg"}) {
      io::write_file_atomic(folder_.file(name), "");
    }
  }
  std::vector<std::string> names(const std::vector<fs::path>& paths) const {
    std::vector<std::string> result;
    for (const fs::path& path : paths) result.push_back(path.lexically_relative(folder_.path()));
    return result;
  }
  testing_support::ScratchFolder folder_;
  using Names = std::vector<std::string>;
};

TEST_F(Inputs, FoldersAreSortedAndOthersLeftOut) {
  const PredictInputs inputs = list_inputs({folder_.path()});
  EXPECT_EQ(Names({"[x].jpg", "a.png", "b.jpg"}), names(inputs.pictures));
  EXPECT_EQ(Names({"c.mp4"}), names(inputs.videos));
}

TEST_F(Inputs, PatternsAreOurs) {
  EXPECT_EQ(Names({"[x].jpg", "b.jpg", "sub/d.jpg"}),
            names(list_inputs({folder_.file("*.jpg"), folder_.file("s*")}).pictures));
  const PredictInputs braces = list_inputs({folder_.file("{a,c}.*")});
  EXPECT_EQ(Names({"a.png"}), names(braces.pictures));
  EXPECT_EQ(Names({"c.mp4"}), names(braces.videos));
  // A file of that very name goes before the pattern.
  EXPECT_EQ(Names({"[x].jpg"}), names(list_inputs({folder_.file("[x].jpg")}).pictures));
}

TEST_F(Inputs, NothingIsAnError) {
  EXPECT_THROWS_WITH((void)list_inputs({folder_.file("*.bmp")}), FileError, "*.bmp");
  EXPECT_THROWS_WITH((void)list_inputs({folder_.file("*.txt")}), FileError, "*.txt");
  EXPECT_THROWS_WITH((void)list_inputs({folder_.file("e.jpg")}), FileError, "e.jpg is not there");
  fs::create_directories(folder_.path() / "empty");
  EXPECT_THROWS_WITH((void)list_inputs({folder_.file("empty")}), FileError, "holds no picture");
}

}  // namespace
}  // namespace akimbo::apps
