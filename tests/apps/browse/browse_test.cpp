#include <gtest/gtest.h>

#include "apps/browse/sample_view.h"
#include "apps/cli.h"
#include "apps/common/data.h"
#include "apps/config/load.h"
#include "datasets/meta.h"
#include "engine/io/file.h"
#include "tests/apps/tiny_run.h"

namespace akimbo::apps {
namespace {

using testing_support::ProgramResult;
using testing_support::run_akimbo;
using testing_support::TinyRun;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

class Browse : public testing::Test {
 protected:
  ProgramResult browse(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"browse",     tiny_.config(), "--data",
                                          tiny_.data(), "--out",        page()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_akimbo(arguments);
  }
  std::string page() const { return tiny_.file("page/browse.html"); }
  // Which samples the page shows, in order.
  std::vector<std::string> samples() const {
    const std::string text = io::read_file(page());
    std::vector<std::string> found;
    for (std::size_t at = text.find("<b>sample "); at != std::string::npos;
         at = text.find("<b>sample ", at + 1)) {
      found.push_back(text.substr(at, text.find('\n', at) - at));
    }
    return found;
  }
  TinyRun tiny_;
};

TEST_F(Browse, ShowsThreePicturesOfEachSample) {
  const ProgramResult result = browse({"--samples", "3"});
  ASSERT_EQ(kExitDone, result.exit_code) << result.err;
  const std::string text = io::read_file(page());
  EXPECT_EQ(9u, count(text, "<img "));
  EXPECT_EQ(3u, count(text, "keypoints and weights"));
  EXPECT_EQ(0u, count(text, "http"));
}

// The page shows the epoch's samples in the order of training, augmented as there.
TEST_F(Browse, IsWhatTheTrainerSees) {
  ASSERT_EQ(kExitDone, browse({"--samples", "5", "--epoch", "2"}).exit_code);
  Config config = load_config(tiny_.config(), {});
  config.data.root = tiny_.data();
  const auto dataset = open_dataset(config, config.data.train,
                                    datasets::skeleton_by_name(config.skeleton), Use::train);
  datasets::BatchLoader loader(dataset, train_order(config, kCpu, 2, 0));
  std::vector<std::string> wanted;
  while (wanted.size() < 5) {
    for (const datasets::SampleMeta& sample : loader.next().samples) {
      if (wanted.size() == 5) break;
      wanted.push_back(fmt::format("<b>sample {}</b>, annotation {}, {}<br>", sample.index,
                                   sample.annotation_id, sample.path));
    }
  }
  const auto shown = samples();
  ASSERT_EQ(wanted.size(), shown.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(0u, shown[i].find(wanted[i]));
}

TEST_F(Browse, SeedEpochAndSplitChangeIt) {
  ASSERT_EQ(kExitDone, browse({"--samples", "4"}).exit_code);
  const auto first = samples();
  ASSERT_EQ(kExitDone, browse({"--samples", "4"}).exit_code);
  EXPECT_EQ(first, samples());
  ASSERT_EQ(kExitDone, browse({"--samples", "4", "--epoch", "1"}).exit_code);
  EXPECT_NE(first, samples());
  ASSERT_EQ(kExitDone, browse({"--samples", "4", "--set", "train.seed=99"}).exit_code);
  EXPECT_NE(first, samples());
  ASSERT_EQ(kExitDone, browse({"--split", "val"}).exit_code);
  EXPECT_EQ(3u, samples().size());
  EXPECT_NE(std::string::npos, samples()[0].find("turned 0.0&deg;, not mirrored"));
}

TEST_F(Browse, WrongOptionsAreNamed) {
  EXPECT_EQ(kExitUsage, browse({"--split", "test"}).exit_code);
  EXPECT_EQ(kExitUsage, browse({"--samples", "0"}).exit_code);
  EXPECT_EQ(kExitUsage, browse({"--epoch", "-1"}).exit_code);
  const auto run = [&](const std::string& data, const std::string& out) {
    return run_akimbo({"browse", tiny_.config(), "--data", data, "--out", out}).exit_code;
  };
  EXPECT_EQ(kExitBadData, run(tiny_.file("nowhere"), page()));
  EXPECT_EQ(kExitFailed, run(tiny_.data(), "/proc/none/page.html"));
}

}  // namespace
}  // namespace akimbo::apps
