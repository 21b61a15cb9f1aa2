#include <gtest/gtest.h>

#include "apps/cli.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "tests/support/program.h"

namespace akimbo::apps {
namespace {

using testing_support::run_akimbo;
using testing_support::ScratchFolder;

TEST(SynthCommand, MakesADataSet) {
  const ScratchFolder folder;
  const auto result = run_akimbo({"synth", folder.file("set"), "--images", "6", "--val", "2",
                                  "--size", "96x80", "--people", "2", "--threads", "2"});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_NE(result.out.find("6 pictures"), std::string::npos) << result.out;
  const Json val = io::read_json(folder.file("set/annotations/person_keypoints_val.json"));
  EXPECT_EQ(val.at("images").size(), 2u);
  EXPECT_EQ(val.at("images")[0].at("width"), 96);
  EXPECT_EQ(val.at("images")[0].at("height"), 80);
}

TEST(SynthCommand, WrongUsageIsExitCode2) {
  const ScratchFolder folder;
  for (const char* size : {"96", "x96", "96x", "96x80x3", "-4x80", "big", "99999999999x80"}) {
    const auto result = run_akimbo({"synth", folder.file("set"), "--size", size});
    EXPECT_EQ(result.exit_code, kExitUsage) << size;
    EXPECT_NE(result.err.find(size), std::string::npos) << result.err;
  }
  EXPECT_EQ(run_akimbo({"synth", folder.file("set"), "--images", "0"}).exit_code, kExitUsage);
  EXPECT_EQ(run_akimbo({"synth", folder.file("set"), "--images", "3", "--val", "4"}).exit_code,
            kExitUsage);
  EXPECT_EQ(run_akimbo({"synth", folder.file("set"), "--threads", "-2"}).exit_code, kExitUsage);
  EXPECT_FALSE(std::filesystem::exists(folder.file("set")));
}

TEST(SynthCommand, AFolderThatCannotBeMadeIsNamed) {
  const ScratchFolder folder;
  io::write_file_atomic(folder.file("plain"), "a file");
  const auto result = run_akimbo({"synth", folder.file("plain"), "--images", "1"});
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_NE(result.err.find("plain"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace akimbo::apps
