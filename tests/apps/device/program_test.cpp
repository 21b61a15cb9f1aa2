// The program on a GPU, from the command line.
#include <gtest/gtest.h>

#include "apps/cli.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "kernels/device_runtime.h"
#include "tests/apps/tiny_run.h"
#include "tests/engine/device/device.h"

namespace akimbo::apps {
namespace {

using testing_support::ProgramResult;
using testing_support::run_akimbo;

class DeviceProgram : public testing_support::DeviceTest {};

TEST_F(DeviceProgram, TrainsResumesEvaluatesAndPredicts) {
  const testing_support::TinyRun tiny;
  const std::vector<std::string> on_gpu = {"--device",
                                           "cuda:0",
                                           "--deterministic",
                                           "--set",
                                           "model.deconv_filters=[8]",
                                           "--set",
                                           "model.deconv_kernels=[4]",
                                           "--set",
                                           "codec.heatmap_size=[4,4]"};
  auto more = on_gpu;
  more.insert(more.end(), {"--set", "train.epochs=1"});
  const ProgramResult trained = tiny.train("gpu", more);
  ASSERT_EQ(trained.exit_code, kExitDone) << trained.err;
  EXPECT_NE(trained.err.find("multiprocessors"), std::string::npos) << trained.err;
  more = on_gpu;
  more.insert(more.end(), {"--set", "train.epochs=2", "--resume"});
  ASSERT_EQ(tiny.train("gpu", more).exit_code, kExitDone);
  more = on_gpu;
  const ProgramResult whole = tiny.train("whole", more);
  ASSERT_EQ(whole.exit_code, kExitDone) << whole.err;
  const io::SafetensorsFile resumed(tiny.file("gpu/checkpoint_last.safetensors"));
  const io::SafetensorsFile once(tiny.file("whole/checkpoint_last.safetensors"));
  for (const auto& entry : once.entries()) {
    const Tensor a = once.read(entry.name).to(DType::f64),
                 b = resumed.read(entry.name).to(DType::f64);
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      ASSERT_EQ(a.values<double>()[i], b.values<double>()[i]) << entry.name;
    }
  }

  const std::string model = tiny.file("whole/checkpoint_last.safetensors");
  for (const char* device : {"cpu", "cuda"}) {
    const std::string out = tiny.file(std::string("eval_") + device);
    ASSERT_EQ(run_akimbo({"eval", model, "--data", tiny.data(), "--device", device, "--flip",
                          "--out", out})
                  .exit_code,
              kExitDone);
    ASSERT_EQ(run_akimbo({"predict", model, tiny.data() + "/images/val", "--device", device,
                          "--out", out, "--no-drawings", "--json", out + "/poses.json"})
                  .exit_code,
              kExitDone);
  }
  const auto loss = [&](const std::string& device) {
    return io::read_json(tiny.file("eval_" + device + "/metrics.json"))["loss"].get<double>();
  };
  EXPECT_NEAR(loss("cuda"), loss("cpu"), 1e-4 * loss("cpu"));
  const auto poses = [&](const std::string& device) {
    return io::read_json(tiny.file("eval_" + device + "/poses.json"));
  };
  const Json wanted = poses("cpu"), got = poses("cuda");
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (std::size_t k = 0; k < wanted[i]["keypoints"].size(); ++k) {
      EXPECT_NEAR(got[i]["keypoints"][k].get<double>(), wanted[i]["keypoints"][k].get<double>(),
                  1e-3);
    }
  }
}

TEST_F(DeviceProgram, TellsItsBuildAndDevices) {
  const ProgramResult result = run_akimbo({"version"});
  EXPECT_EQ(result.exit_code, kExitDone);
  EXPECT_NE(result.out.find("built with CUDA"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("cuda:0: "), std::string::npos) << result.out;
}

TEST_F(DeviceProgram, SaysThatADeviceIsNotThere) {
  const ProgramResult result =
      run_akimbo({"run", "a.json", "b.safetensors", "c.safetensors", "--device", "cuda:7"});
  EXPECT_EQ(result.exit_code, kExitDevice);
  EXPECT_NE(result.err.find("cuda:7 was asked for, but the last GPU is cuda:0"), std::string::npos)
      << result.err;
}

TEST_F(DeviceProgram, MemoryThatIsOutEndsWithTheDevicesExitCode) {
  if (!kernels::cuda::is_emulated()) GTEST_SKIP() << "takes memory away from the emulated GPU";
  const testing_support::TinyRun tiny;
  const testing_support::Environment limit("AKIMBO_EMULATED_MEMORY", "100000");
  const ProgramResult result = tiny.train("small", {"--device", "cuda:0"});
  EXPECT_EQ(result.exit_code, kExitDevice);
  EXPECT_NE(result.err.find("is out of memory"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("train.batch_size"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace akimbo::apps
