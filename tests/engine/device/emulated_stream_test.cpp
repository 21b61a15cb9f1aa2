// Lazy streams: work that nobody waited for has not happened. What the engine does right on them,
// it does right on a GPU.
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/tensor.h"
#include "engine/core/uploader.h"
#include "kernels/cuda/emulator/stream.h"
#include "kernels/device_runtime.h"
#include "tests/engine/device/device.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using testing_support::kGpu;
namespace cuda = kernels::cuda;

class LazyStream : public testing::Test {
 protected:
  void SetUp() override { cuda::emulator::set_lazy_streams(true); }
  void TearDown() override { cuda::emulator::set_lazy_streams(false); }
};

TEST_F(LazyStream, WorkWaitsUntilSomeoneSynchronises) {
  const cuda::Stream stream = cuda::create_stream(0);
  int* memory = static_cast<int*>(cuda::allocate(0, sizeof(int)));
  int* pinned = static_cast<int*>(cuda::allocate_pinned(sizeof(int)));
  *pinned = 1;
  cuda::copy_to_device(memory, pinned, sizeof(int), stream);
  *pinned = 2;  // too early: the copy has not read it
  int back = 0;
  cuda::copy_to_host(&back, memory, sizeof(int), stream);
  EXPECT_EQ(back, 0);
  cuda::synchronize(stream);
  EXPECT_EQ(back, 2);
  cuda::free(0, memory);
  cuda::free_pinned(pinned);
  cuda::destroy_stream(stream);
}

// A graph's replay takes any order that its streams and events leave open.
TEST_F(LazyStream, ReplaysShowAMissingWait) {
  const cuda::Stream first = cuda::create_stream(0), second = cuda::create_stream(0);
  const cuda::Event forked = cuda::create_event(0), done = cuda::create_event(0);
  int* memory = static_cast<int*>(cuda::allocate(0, 2 * sizeof(int)));
  const auto capture = [&](bool waits) {
    const int one = 1, two = 2;
    cuda::begin_capture(first);
    cuda::record_event(forked, first);
    cuda::wait_event(second, forked);
    cuda::fill(memory, &one, sizeof(int), 1, second);
    cuda::record_event(done, second);
    if (waits) cuda::wait_event(first, done);
    cuda::fill(memory, &two, sizeof(int), 1, first);
    cuda::wait_event(first, done);
    return cuda::end_capture(first);
  };
  for (const bool waits : {true, false}) {
    const cuda::Graph graph = capture(waits);
    int num_late = 0;
    for (int i = 0; i < 32; ++i) {
      int back = 0;
      cuda::launch_graph(graph, first);
      cuda::copy_to_host(&back, memory, sizeof(int), first);
      cuda::synchronize(first);
      num_late += back == 1;
    }
    EXPECT_EQ(num_late > 0, !waits);
    cuda::destroy_graph(graph);
  }
  cuda::begin_capture(first);
  cuda::record_event(forked, first);
  cuda::wait_event(second, forked);
  cuda::copy_on_device(memory, memory + 1, sizeof(int), second);
  EXPECT_THROWS_WITH((void)cuda::end_capture(first), kernels::DeviceFailure, "did not come back");
  cuda::free(0, memory);
  cuda::destroy_event(forked);
  cuda::destroy_event(done);
  cuda::destroy_stream(first);
  cuda::destroy_stream(second);
}

TEST_F(LazyStream, StreamsWaitForEventsOfOthers) {
  const cuda::Stream first = cuda::create_stream(0), second = cuda::create_stream(0);
  const cuda::Event done = cuda::create_event(0);
  int* memory = static_cast<int*>(cuda::allocate(0, sizeof(int)));
  int value = 4, back = 0;
  cuda::fill(memory, &value, sizeof(int), 1, first);
  cuda::record_event(done, first);
  value = 5;
  cuda::fill(memory, &value, sizeof(int), 1, first);
  cuda::wait_event(second, done);
  cuda::copy_to_host(&back, memory, sizeof(int), second);
  cuda::synchronize(second);
  EXPECT_EQ(back, 4) << "only what was recorded is waited for";
  cuda::synchronize(first);
  cuda::free(0, memory);
  cuda::destroy_event(done);
  cuda::destroy_stream(first);
  cuda::destroy_stream(second);
}

TEST_F(LazyStream, TensorsComeBackWhole) {
  Tensor x = Tensor::full({33}, 3, DType::f32, kGpu);
  x = x.to(DType::f64).to(DType::f32);
  x.rows(0, 5).fill(4);
  const Tensor back = x.to(kCpu);
  EXPECT_EQ(back.values<float>()[4], 4);
  EXPECT_EQ(back.values<float>()[5], 3);
}

// Three batches through two sets of buffers, the computation reading each late.
TEST_F(LazyStream, UploadsKeepOutOfEachOthersWay) {
  Uploader uploader(kGpu);
  Tensor sum = Tensor::zeros({4}, DType::f32, kGpu);
  std::vector<Tensor> read;
  for (int i = 0; i < 5; ++i) {
    Tensor batch = Tensor::empty_pinned({4});
    batch.fill(i + 1);
    uploader.start({batch, Tensor()});
    const std::vector<Tensor> set = uploader.take();
    EXPECT_FALSE(set[1].defined());
    read.push_back(set[0].clone());
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(read[i].to(kCpu).values<float>()[3], i + 1);
}

// Blocks of which only the front goes up, of other lengths each time.
TEST_F(LazyStream, FrontsOfAnyLengthAreUploaded) {
  Uploader uploader(kGpu);
  std::vector<Tensor> read;
  const std::vector<std::size_t> lengths = {10, 90, 1, 100, 17, 40, 0, 77};
  for (const std::size_t length : lengths) {
    Tensor block = Tensor::empty_pinned({100}, DType::u8);
    block.fill(static_cast<double>(length));
    uploader.start({{block, length}});
    const std::vector<Tensor> set = uploader.take();
    ASSERT_GE(set[0].num_bytes(), length);
    read.push_back(set[0].rows(0, static_cast<std::int64_t>(length)).clone());
  }
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const Tensor back = read[i].to(kCpu);
    for (const std::uint8_t value : back.values<std::uint8_t>()) EXPECT_EQ(value, lengths[i]);
  }
}

TEST(EmulatedMemory, ChecksThatCopiesStayInsideTheDevicesMemory) {
  const cuda::Stream stream = cuda::create_stream(0);
  auto* memory = static_cast<std::byte*>(cuda::allocate(0, 16));
  std::byte host[32] = {};
  EXPECT_THROW(cuda::copy_to_device(memory + 8, host, 16, stream), DeviceFailure);
  EXPECT_THROW(cuda::copy_to_host(host, host + 16, 8, stream), DeviceFailure);
  EXPECT_THROW(cuda::copy_on_device(memory, host, 8, stream), DeviceFailure);
  cuda::free(0, memory);
  cuda::destroy_stream(stream);
}

}  // namespace
}  // namespace akimbo
