// The device runtime by its contract: streams keep their order, events tie them, copies are
// checked, graphs replay.
#include "kernels/device_runtime.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "engine/core/error.h"
#include "tests/engine/device/device.h"

namespace akimbo {
namespace {

namespace cuda = kernels::cuda;

class DeviceRuntime : public testing_support::DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped()) return;
    stream_ = cuda::create_stream(0);
    memory_ = static_cast<int*>(cuda::allocate(0, kBytes));
    pinned_ = static_cast<int*>(cuda::allocate_pinned(kBytes));
  }
  void TearDown() override {
    if (stream_ == nullptr) return;
    cuda::destroy_stream(stream_);
    cuda::free(0, memory_);
    cuda::free_pinned(pinned_);
  }

  void fill(int value) { cuda::fill(memory_, &value, sizeof value, kCount, stream_); }
  int first_on_device() {
    int value = -1;
    cuda::copy_to_host(&value, memory_, sizeof value, stream_);
    cuda::synchronize(stream_);
    return value;
  }

  static constexpr std::size_t kCount = 1000, kBytes = kCount * sizeof(int);
  cuda::Stream stream_ = nullptr;
  int* memory_ = nullptr;
  int* pinned_ = nullptr;
};

TEST_F(DeviceRuntime, FillsAndCopiesInTheOrderOfTheStream) {
  std::vector<int> host(kCount, 7), back(kCount);
  cuda::copy_to_device(memory_, host.data(), kBytes, stream_);
  host.assign(kCount, 8);  // pageable memory was read already
  int* second = static_cast<int*>(cuda::allocate(0, kBytes));
  cuda::copy_on_device(second, memory_, kBytes, stream_);
  fill(9);
  cuda::copy_to_host(back.data(), second, kBytes, stream_);
  cuda::synchronize(stream_);
  EXPECT_EQ(back, std::vector<int>(kCount, 7));
  EXPECT_EQ(first_on_device(), 9);
  cuda::free(0, second);
}

TEST_F(DeviceRuntime, FillsElementsOfEverySize) {
  const std::uint64_t pattern = 0x0102030405060708u;
  std::vector<unsigned char> back(64);
  for (const std::size_t size : {1u, 2u, 4u, 8u}) {
    cuda::fill(memory_, &pattern, size, 64 / size, stream_);
    cuda::copy_to_host(back.data(), memory_, 64, stream_);
    cuda::synchronize(stream_);
    for (std::size_t i = 0; i < 64; ++i) {
      EXPECT_EQ(back[i], reinterpret_cast<const unsigned char*>(&pattern)[i % size]) << size;
    }
  }
}

TEST_F(DeviceRuntime, EventsOrderStreamsAndMeasureTime) {
  cuda::Stream other = cuda::create_stream(0);
  const cuda::Event begin = cuda::create_event(0), end = cuda::create_event(0);
  cuda::record_event(begin, stream_);
  fill(5);
  cuda::record_event(end, stream_);
  cuda::wait_event(other, end);
  int value = 0;
  cuda::copy_to_host(&value, memory_, sizeof value, other);
  cuda::synchronize(other);
  EXPECT_EQ(value, 5);
  cuda::synchronize_event(end);
  EXPECT_GE(cuda::elapsed_ms(begin, end), 0);
  cuda::destroy_event(begin);
  cuda::destroy_event(end);
  cuda::destroy_stream(other);
}

TEST_F(DeviceRuntime, ReplaysAGraphOnTheSameAddresses) {
  *pinned_ = 1;
  cuda::begin_capture(stream_);
  EXPECT_TRUE(cuda::is_capturing(stream_));
  cuda::copy_to_device(memory_, pinned_, sizeof(int), stream_);
  cuda::copy_on_device(memory_ + 1, memory_, sizeof(int), stream_);
  const cuda::Graph graph = cuda::end_capture(stream_);
  EXPECT_FALSE(cuda::is_capturing(stream_));
  EXPECT_EQ(cuda::num_graph_nodes(graph), 2u);
  fill(0);
  EXPECT_EQ(first_on_device(), 0) << "recording does nothing";
  for (int value = 10; value < 13; ++value) {
    *pinned_ = value;
    cuda::launch_graph(graph, stream_);
    EXPECT_EQ(first_on_device(), value);
  }
  cuda::destroy_graph(graph);
}

TEST_F(DeviceRuntime, RefusesHostWorkInACapture) {
  cuda::begin_capture(stream_);
  EXPECT_THROW(cuda::synchronize(stream_), DeviceFailure);
  cuda::abort_capture(stream_);
  fill(3);
  EXPECT_EQ(first_on_device(), 3);
}

TEST_F(DeviceRuntime, RefusesADeviceThatIsNotThere) {
  EXPECT_THROW(cuda::set_device(cuda::device_count()), DeviceFailure);
  EXPECT_THROW((void)cuda::device_properties(-1), DeviceFailure);
}

TEST_F(DeviceRuntime, TellsWhatTheDeviceIs) {
  const cuda::DeviceProperties properties = cuda::device_properties(0);
  EXPECT_FALSE(properties.name.empty());
  EXPECT_GE(properties.major, 8);
  EXPECT_GT(properties.num_multiprocessors, 0);
  const cuda::MemoryInfo info = cuda::memory_info(0);
  EXPECT_LE(info.free_bytes, info.total_bytes);
  EXPECT_GT(info.free_bytes, 0u);
}

}  // namespace
}  // namespace akimbo
