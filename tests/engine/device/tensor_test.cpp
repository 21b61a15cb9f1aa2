// Tensors on a GPU, devices by name, and what is said when there is none.
#include "engine/core/tensor.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/core/error.h"
#include "engine/ops/conv.h"
#include "engine/ops/elementwise.h"
#include "kernels/device_runtime.h"
#include "tests/engine/device/device.h"
#include "tests/support/throws.h"

namespace akimbo {
namespace {

using testing_support::kGpu;

class DeviceTensor : public testing_support::DeviceTest {};

Tensor counting(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), -3.0f);
  return Tensor::from_values<float>({count}, values);
}

void expect_values(const Tensor& t, const std::vector<float>& wanted) {
  const Tensor here = t.to(kCpu).to(DType::f32);
  EXPECT_EQ(std::vector<float>(here.values<float>().begin(), here.values<float>().end()), wanted);
}

TEST_F(DeviceTensor, GoesThereAndBack) {
  const Tensor x = counting(7);
  const Tensor there = x.to(kGpu);
  EXPECT_EQ(there.device(), kGpu);
  EXPECT_TRUE(there.to(kGpu).is_same(there));
  expect_values(there, {-3, -2, -1, 0, 1, 2, 3});
  expect_values(there.clone(), {-3, -2, -1, 0, 1, 2, 3});
  expect_values(there.rows(2, 4), {-1, 0});
}

TEST_F(DeviceTensor, GoesThereFromPinnedMemory) {
  Tensor x = Tensor::empty_pinned({3});
  EXPECT_TRUE(x.is_pinned());
  EXPECT_EQ(x.device(), kCpu);
  x.fill(6);
  const Tensor there = x.to(kGpu);
  x.fill(7);  // the copy is done
  expect_values(there, {6, 6, 6});
}

TEST_F(DeviceTensor, FillsEveryDtype) {
  for (const DType dtype :
       {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8}) {
    expect_values(Tensor::full({3}, 5, dtype, kGpu), {5, 5, 5});
    expect_values(Tensor::zeros({2}, dtype, kGpu), {0, 0});
  }
  Tensor x = Tensor::zeros({4}, DType::f32, kGpu);
  x.rows(1, 3).fill(2.5);
  expect_values(x, {0, 2.5, 2.5, 0});
}

TEST_F(DeviceTensor, ConvertsOnTheDeviceAndOnTheWay) {
  const Tensor x = counting(9).to(kGpu);
  for (const DType dtype : {DType::f64, DType::bf16, DType::f16, DType::i32}) {
    EXPECT_EQ(x.to(dtype).device(), kGpu);
    expect_values(x.to(dtype), {-3, -2, -1, 0, 1, 2, 3, 4, 5});
  }
  Tensor halves = Tensor::empty({9}, DType::bf16, kGpu);
  halves.copy_from(counting(9));
  expect_values(halves, {-3, -2, -1, 0, 1, 2, 3, 4, 5});
  Tensor here = Tensor::empty({9}, DType::f64);
  here.copy_from(halves);
  EXPECT_EQ(here.values<double>()[8], 5);
}

TEST_F(DeviceTensor, ReadsOneElement) {
  EXPECT_EQ(Tensor::full({1}, 2.5, DType::bf16, kGpu).item(), 2.5);
}

TEST_F(DeviceTensor, HandlesNoElements) {
  const Tensor none = Tensor::empty({0, 3}, DType::f32, kGpu);
  EXPECT_EQ(none.to(kCpu).numel(), 0);
  EXPECT_EQ(none.to(DType::f64).clone().numel(), 0);
}

TEST_F(DeviceTensor, KeepsItsElementsFromTheHost) {
  const Tensor x = Tensor::zeros({2}, DType::f32, kGpu);
  EXPECT_THROW((void)x.data<float>(), ArgumentError);
}

TEST_F(DeviceTensor, CastsWithGradient) {
  Tensor x = counting(5).to(kGpu).set_requires_grad();
  const Tensor y = ops::cast(x, DType::bf16);
  EXPECT_EQ(y.dtype(), DType::bf16);
  y.backward(Tensor::full({5}, 0.5, DType::bf16, kGpu));
  EXPECT_EQ(x.grad().dtype(), DType::f32);
  expect_values(x.grad(), {0.5, 0.5, 0.5, 0.5, 0.5});
  EXPECT_TRUE(ops::cast(x, DType::f32).is_same(x));
}

TEST_F(DeviceTensor, RefusesOperandsOnTwoDevices) {
  const Tensor here = Tensor::zeros({2}), there = Tensor::zeros({2}, DType::f32, kGpu);
  EXPECT_THROWS_WITH((void)ops::add(there, here), ArgumentError, "b is on cpu, but a is on cuda:0");
  const Tensor x = Tensor::zeros({1, 4, 4, 3}, DType::f32, kGpu), w = Tensor::zeros({2, 3, 3, 3});
  EXPECT_THROWS_WITH((void)ops::conv2d(x, w), ArgumentError, "w is on cpu, but x is on cuda:0");
}

TEST_F(DeviceTensor, IsChosenByName) {
  EXPECT_EQ(parse_device("cuda"), kGpu);
  EXPECT_EQ(parse_device("cuda:0"), kGpu);
  const Device wanted = kernels::cuda::is_emulated() ? kCpu : kGpu;
  EXPECT_EQ(parse_device("auto"), wanted) << "the emulator is for tests";
  EXPECT_THROW((void)parse_device("cuda:9"), DeviceError);
  EXPECT_THROW((void)parse_device("cuda:x"), ArgumentError);
  EXPECT_THROW((void)parse_device("gpu"), ArgumentError);
  EXPECT_NE(describe_device(kGpu).find("multiprocessors"), std::string::npos);
}

TEST(CpuTensor, RefusesToComputeInSixteenBits) {
  const Tensor x = Tensor::zeros({2}, DType::bf16);
  EXPECT_THROWS_WITH((void)ops::relu(x), ArgumentError, "bf16 and f16 need a GPU");
}

}  // namespace
}  // namespace akimbo
