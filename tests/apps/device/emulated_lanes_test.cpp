// A recorded training step whose ops run side by side gives the bits of one whose ops run in a row.
// The emulator replays a graph in another order each time, any that its streams and events allow.
#include "kernels/cuda/emulator/race.h"
#include "tests/apps/device/tiny_training.h"

namespace akimbo::apps {
namespace {

class EmulatedLanes : public DeviceTraining {
 protected:
  // That kernels have no races inside is for other tests, and takes most of the time.
  void SetUp() override {
    DeviceTraining::SetUp();
    kernels::device::emulator::set_race_check(false);
  }
  void TearDown() override {
    kernels::device::emulator::set_race_check(had_races_);
    DeviceTraining::TearDown();
  }

 private:
  bool had_races_ = kernels::device::emulator::races_wanted();
};

int num_steps() { return std::getenv("AKIMBO_LONG_TESTS") != nullptr ? 12 : 4; }

TEST_F(EmulatedLanes, GiveTheBitsOfOneLaneHrnet) {
  expect_the_bits_of_one_lane(tiny_hrnet_config(), 6, num_steps());
}
TEST_F(EmulatedLanes, GiveTheBitsOfOneLaneHrnetBf16) {
  Config config = tiny_hrnet_config();
  config.train.precision = "bf16";
  config.train.ema_decay = 0.9;
  expect_the_bits_of_one_lane(config, 6, num_steps());
}
TEST_F(EmulatedLanes, GiveTheBitsOfOneLaneResnet) {
  Config config = tiny_config();
  config.train.clip_norm = 0.1;
  expect_the_bits_of_one_lane(config, 3, num_steps());
}
TEST_F(EmulatedLanes, GiveTheBitsOfOneLaneResnetBf16) {
  Config config = tiny_config();
  config.train.precision = "bf16";
  expect_the_bits_of_one_lane(config, 3, num_steps());
}

}  // namespace
}  // namespace akimbo::apps
