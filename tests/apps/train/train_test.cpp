#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "apps/cli.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "tests/apps/tiny_run.h"

namespace akimbo::apps {
namespace {

namespace fs = std::filesystem;
using testing_support::ProgramResult;
using testing_support::TinyRun;

std::vector<Json> read_log(const std::string& path) {
  std::vector<Json> lines;
  std::istringstream text(io::read_file(path));
  for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
  return lines;
}

// Losses of the steps, in order.
std::vector<double> losses(const std::string& log) {
  std::vector<double> values;
  for (const Json& line : read_log(log)) {
    if (line.at("event") == "train") values.push_back(line.at("loss").get<double>());
  }
  return values;
}

TEST(Train, WritesCheckpointsLogsAndEvents) {
  const TinyRun tiny;
  const ProgramResult result = tiny.train("run", {"--set", "train.debug_every=3"});
  ASSERT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_NE(result.err.find("\"batch_size\": 2"), std::string::npos) << "the resolved config";
  const io::SafetensorsFile last(tiny.file("run/checkpoint_last.safetensors"));
  EXPECT_TRUE(last.contains("conv1.weight"));
  EXPECT_TRUE(last.contains("layer4.1.bn2.running_var"));
  const Json training = Json::parse(last.metadata().at("training"));
  EXPECT_EQ(training.at("epoch"), 2);
  const Json config = Json::parse(last.metadata().at("config"));
  EXPECT_EQ(config.at("train").at("seed"), 3);
  EXPECT_NE(last.metadata().at("skeleton").find("left_ankle"), std::string::npos);
  EXPECT_TRUE(fs::exists(tiny.file("run/checkpoint_best.safetensors")));

  int num_steps = 0, num_validations = 0;
  for (const Json& line : read_log(tiny.file("run/log.jsonl"))) {
    if (line.at("event") == "validation") {
      ++num_validations;
      EXPECT_TRUE(line.at("metrics").contains("AP"));
    }
    if (line.at("event") != "train") continue;
    ++num_steps;
    for (const char* key : {"loss", "accuracy", "lr", "data_seconds", "step_seconds",
                            "images_per_second", "memory_peak_bytes"}) {
      EXPECT_TRUE(line.contains(key)) << key;
    }
  }
  EXPECT_EQ(num_steps, training.at("step"));
  EXPECT_EQ(num_validations, 2);
  int num_events = 0, num_pictures = 0;
  for (const auto& entry : fs::recursive_directory_iterator(tiny.file("run"))) {
    num_events += entry.path().filename().string().starts_with("events.out.tfevents.");
    num_pictures += entry.path().extension() == ".jpg";
  }
  EXPECT_EQ(num_events, 1);
  EXPECT_GE(num_pictures, 4);
}

TEST(Train, LearnsTheScheduleOfTheConfig) {
  const TinyRun tiny;
  const auto result = tiny.train(
      "run",
      {"--set", "train.schedule={\"type\":\"multi_step\",\"milestones\":[1],\"factor\":0.1}"});
  ASSERT_EQ(result.exit_code, kExitDone) << result.err;
  for (const Json& line : read_log(tiny.file("run/log.jsonl"))) {
    if (line.at("event") != "train") continue;
    EXPECT_DOUBLE_EQ(line.at("lr").get<double>(), line.at("epoch") == 0 ? 1e-3 : 1e-4);
  }
}

bool has_exited(int process) {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == process;
}

// Of a log that may be growing.
int num_steps_in(const std::string& log) {
  if (!fs::exists(log)) return 0;
  const std::string text = io::read_file(log);
  int count = 0;
  const std::string mark = "\"event\":\"train\"";
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; ++at) ++count;
  return count;
}

// A run that gets the signal once its log holds `num_steps` steps; its exit code.
int run_and_interrupt(const TinyRun& tiny, const std::string& out,
                      const std::vector<std::string>& more, int num_steps, int signal) {
  const int process =
      testing_support::start_akimbo(tiny.train_arguments(out, more), tiny.file("output.txt"));
  while (!has_exited(process) && num_steps_in(tiny.file(out + "/log.jsonl")) < num_steps) {
    ::usleep(500);
  }
  ::kill(process, signal);
  return testing_support::wait_for(process);
}

class Interrupted : public testing::TestWithParam<int> {};

TEST_P(Interrupted, ResumesWithTheSameBits) {
  const int signal = GetParam();
  const TinyRun tiny;
  // Everything that a checkpoint must carry: momenta, averages, a warm-up that counts steps.
  const std::vector<std::string> more = {"--set",     "train.epochs=4",
                                         "--set",     "train.ema_decay=0.9",
                                         "--set",     "train.schedule.warmup_steps=9",
                                         "--threads", "1"};
  ASSERT_EQ(tiny.train("whole", more).exit_code, kExitDone);
  ASSERT_EQ(run_and_interrupt(tiny, "parts", more, 2, signal), 128 + signal);
  const io::SafetensorsFile stopped(tiny.file("parts/checkpoint_last.safetensors"));
  const Json training = Json::parse(stopped.metadata().at("training"));
  EXPECT_LT(training.at("epoch"), 4);
  std::vector<std::string> again = more;
  again.push_back("--resume");
  const ProgramResult resumed = tiny.train("parts", again);
  ASSERT_EQ(resumed.exit_code, kExitDone) << resumed.err;
  EXPECT_EQ(losses(tiny.file("parts/log.jsonl")), losses(tiny.file("whole/log.jsonl")));
  const io::SafetensorsFile whole(tiny.file("whole/checkpoint_last.safetensors"));
  const io::SafetensorsFile parts(tiny.file("parts/checkpoint_last.safetensors"));
  ASSERT_EQ(whole.entries().size(), parts.entries().size());
  for (const auto& entry : whole.entries()) {
    const Tensor a = whole.read(entry.name), b = parts.read(entry.name);
    ASSERT_EQ(a.shape(), b.shape());
    EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.num_bytes()), 0) << entry.name;
  }
  EXPECT_EQ(whole.metadata(), parts.metadata());
}

INSTANTIATE_TEST_SUITE_P(Train, Interrupted, testing::Values(SIGINT, SIGTERM));

TEST(Train, ResumesFromACheckpointInsideAnEpoch) {
  const TinyRun tiny;
  const std::vector<std::string> more = {"--set", "train.save_every=2"};
  ASSERT_EQ(tiny.train("whole", more).exit_code, kExitDone);
  // Killed without warning: what is left is the checkpoint of the last even step.
  const std::string path = tiny.file("parts/checkpoint_last.safetensors");
  const int process =
      testing_support::start_akimbo(tiny.train_arguments("parts", more), tiny.file("output.txt"));
  while (!has_exited(process) && !fs::exists(path)) ::usleep(200);
  ::kill(process, SIGKILL);
  (void)testing_support::wait_for(process);
  const ProgramResult resumed = tiny.train("parts", {"--set", "train.save_every=2", "--resume"});
  ASSERT_EQ(resumed.exit_code, kExitDone) << resumed.err;
  const io::SafetensorsFile whole(tiny.file("whole/checkpoint_last.safetensors"));
  const io::SafetensorsFile parts(path);
  for (const auto& entry : whole.entries()) {
    const Tensor a = whole.read(entry.name), b = parts.read(entry.name);
    EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.num_bytes()), 0) << entry.name;
  }
}

TEST(Train, RefusesWhatContradictsTheRunInTheFolder) {
  const TinyRun tiny;
  ASSERT_EQ(tiny.train("run", {"--set", "train.epochs=1"}).exit_code, kExitDone);
  const std::string before = io::read_file(tiny.file("run/checkpoint_last.safetensors"));
  const ProgramResult again = tiny.train("run");
  EXPECT_EQ(again.exit_code, kExitUsage);
  EXPECT_NE(again.err.find("already holds a run"), std::string::npos) << again.err;
  const ProgramResult other = tiny.train("run", {"--resume", "--set", "model.width=8"});
  EXPECT_EQ(other.exit_code, kExitUsage);
  EXPECT_NE(other.err.find("model/width: 4 in the checkpoint, 8 now"), std::string::npos)
      << other.err;
  EXPECT_EQ(tiny.train("run", {"--resume", "--init", "x.pth"}).exit_code, kExitUsage);
  EXPECT_EQ(tiny.train("new", {"--resume"}).exit_code, kExitUsage);
  EXPECT_EQ(io::read_file(tiny.file("run/checkpoint_last.safetensors")), before);
}

TEST(Train, StopsAtALossThatIsNoNumber) {
  const TinyRun tiny;
  const ProgramResult result =
      tiny.train("run", {"--set", "train.optimizer.lr=1e30", "--set", "train.optimizer.type=sgd",
                         "--set", "train.epochs=3"});
  EXPECT_EQ(result.exit_code, kExitNumeric) << result.err;
  EXPECT_NE(result.err.find(" step "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("lower train.optimizer.lr"), std::string::npos) << result.err;
}

TEST(Train, KeepsTheLastGoodCheckpointAfterNaN) {
  const TinyRun tiny;
  ASSERT_EQ(tiny.train("run", {"--set", "train.epochs=1"}).exit_code, kExitDone);
  const std::string path = tiny.file("run/checkpoint_last.safetensors");
  const std::string before = io::read_file(path);
  const ProgramResult result = tiny.train("run", {"--resume", "--set", "train.optimizer.lr=1e37"});
  EXPECT_EQ(result.exit_code, kExitNumeric) << result.err;
  EXPECT_NE(result.err.find("the last good checkpoint is " + path), std::string::npos)
      << result.err;
  EXPECT_EQ(io::read_file(path), before);
}

TEST(Train, AFullDiskKeepsTheOldCheckpoint) {
  const TinyRun tiny;
  ASSERT_EQ(tiny.train("run", {"--set", "train.epochs=1"}).exit_code, kExitDone);
  const std::string path = tiny.file("run/checkpoint_last.safetensors");
  const std::string before = io::read_file(path);
  // No file may grow beyond this: writing the checkpoint fails half way, as on a full disk.
  const int process = testing_support::start_akimbo(
      tiny.train_arguments("run", {"--resume", "--set", "train.epochs=2"}), tiny.file("output.txt"),
      static_cast<long>(before.size() / 2));
  EXPECT_EQ(testing_support::wait_for(process), kExitFailed);
  EXPECT_NE(io::read_file(tiny.file("output.txt")).find("checkpoint_"), std::string::npos);
  EXPECT_EQ(io::read_file(path), before);
  int num_files = 0;
  for (const auto& entry : fs::directory_iterator(tiny.file("run"))) {
    num_files += entry.path().string().find(".tmp-") != std::string::npos;
  }
  EXPECT_EQ(num_files, 0) << "the half-written file is removed";
}

TEST(Train, AnOutputFolderThatCannotBeMadeIsOneMessage) {
  const TinyRun tiny;
  io::write_file_atomic(tiny.file("file"), "x");
  const ProgramResult result = tiny.train("file/run");
  EXPECT_EQ(result.exit_code, kExitFailed) << result.err;
  EXPECT_NE(result.err.find("--out"), std::string::npos) << result.err;
  EXPECT_EQ(io::read_file(tiny.file("file")), "x");
}

}  // namespace
}  // namespace akimbo::apps
