// For the conformance suite: the same call on every provider of a contract, against the plain
// formula in double on inputs that were rounded to the dtype first.
//
//   class Elementwise : public conformance::ProviderTest {};
//   AKIMBO_INSTANTIATE_PROVIDERS(Elementwise);
//   TEST_P(Elementwise, AddsTwoTensors) {
//     for (const DType dtype : dtypes()) {
//       const Values a = random_values({3, 5}, 1, dtype), b = random_values({3, 5}, 2, dtype);
//       DeviceTensor da(provider(), a, dtype), db(provider(), b, dtype);
//       DeviceTensor dy = poisoned(provider(), {3, 5}, dtype);
//       AKIMBO_PROVIDED(add_forward)(exec(), da.view(), db.view(), dy.view());
//       Values y = map(a, b, [](double u, double v) { return u + v; });
//       expect_close(dy.read(), y, tolerance(dtype, 1, 2));
//     }
//   }
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/exec.h"
#include "kernels/common/shape.h"
#include "kernels/common/view.h"

namespace akimbo::conformance {

// cudnn: the contract's functions on CUDA as they are with AKIMBO_CONV=cudnn, where the vendor's
// libraries compute what they take.
enum class Provider { cpu, cuda, cudnn };
[[nodiscard]] std::string name_of(Provider provider);

// A tensor of the host: every value as double, whatever dtype it stands for.
struct Values {
  Shape shape;
  std::vector<double> at;
  [[nodiscard]] std::int64_t numel() const { return shape.numel(); }
  double& operator[](std::int64_t i) { return at[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return at[static_cast<std::size_t>(i)]; }
};

// The nearest value that the dtype holds (integers: cut towards zero).
[[nodiscard]] double rounded(double value, DType dtype);
[[nodiscard]] Values filled(const Shape& shape, double value);
// Uniform in [low, high), rounded to the dtype; the same for the same seed.
[[nodiscard]] Values random_values(const Shape& shape, std::uint64_t seed, DType dtype,
                                   double low = -1, double high = 1);

template <typename F>
[[nodiscard]] Values map(const Values& x, const F& f) {
  Values y = x;
  for (double& value : y.at) value = f(value);
  return y;
}
template <typename F>
[[nodiscard]] Values map(const Values& a, const Values& b, const F& f) {
  Values y = a;
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = f(a[i], b[i]);
  return y;
}

// Memory of a provider's device with a margin on both sides that read() finds untouched.
class DeviceTensor {
 public:
  DeviceTensor(Provider provider, const Values& values, DType dtype);
  // Full of NaN (integers: of -1): what a kernel forgets to write shows. offset_elements moves the
  // first element away from the 256-byte alignment that tensors have.
  static DeviceTensor poisoned(Provider provider, const Shape& shape, DType dtype,
                               std::int64_t offset_elements = 0);
  static DeviceTensor at_offset(Provider provider, const Values& values, DType dtype,
                                std::int64_t offset_elements);
  ~DeviceTensor();
  DeviceTensor(DeviceTensor&&) noexcept;
  DeviceTensor& operator=(DeviceTensor&&) noexcept;

  [[nodiscard]] kernels::View view() const;
  // Waits for the provider's work; fails the test when a margin was written to.
  [[nodiscard]] Values read() const;

 private:
  struct Memory;
  explicit DeviceTensor(std::unique_ptr<Memory> memory);
  std::unique_ptr<Memory> memory_;
};

[[nodiscard]] inline DeviceTensor poisoned(Provider provider, const Shape& shape, DType dtype) {
  return DeviceTensor::poisoned(provider, shape, dtype);
}

// Spacing of values at 1, halved: the largest relative error of one rounding.
[[nodiscard]] double unit_roundoff(DType dtype);
// Of a result of dtype that is a sum of `length` terms, computed in f32 (f64 for f64), where
// `magnitude` bounds the sum of their absolute values: one rounding to dtype, `length` in between.
[[nodiscard]] double tolerance(DType dtype, double length, double magnitude);

// Of one shape, every |actual - expected| <= tolerance(i); NaN equals NaN only. The message names
// the worst element.
void expect_close(const Values& actual, const Values& expected, double tolerance,
                  const std::string& what = "");
void expect_close(const Values& actual, const Values& expected,
                  const std::function<double(std::int64_t)>& tolerance,
                  const std::string& what = "");
void expect_equal(const Values& actual, const Values& expected, const std::string& what = "");

// A test of one provider; skipped where that has no device.
class ProviderTest : public ::testing::TestWithParam<Provider> {
 protected:
  void SetUp() override;
  void TearDown() override;
  [[nodiscard]] static Provider provider() { return GetParam(); }
  // The floating dtypes that the provider computes on: f32 and f64 on the CPU, also bf16 and f16 on
  // CUDA.
  [[nodiscard]] static std::vector<DType> dtypes();
  // Scratch memory comes poisoned, and its margins are checked when it is given back.
  [[nodiscard]] static const kernels::Exec& exec(bool deterministic = true, bool tf32 = false);
};

}  // namespace akimbo::conformance

// The contract's function of the test's provider.
#define AKIMBO_PROVIDED(name)                                                         \
  (provider() == ::akimbo::conformance::Provider::cpu ? &::akimbo::kernels::cpu::name \
                                                      : &::akimbo::kernels::cuda::name)

#define AKIMBO_INSTANTIATE(Suite, ...)                    \
  INSTANTIATE_TEST_SUITE_P(                               \
      Conformance, Suite, ::testing::Values(__VA_ARGS__), \
      [](const auto& info) { return ::akimbo::conformance::name_of(info.param); })
#define AKIMBO_INSTANTIATE_PROVIDERS(Suite)                       \
  AKIMBO_INSTANTIATE(Suite, ::akimbo::conformance::Provider::cpu, \
                     ::akimbo::conformance::Provider::cuda)
// Of families that vendors' libraries compute too.
#define AKIMBO_INSTANTIATE_WITH_VENDORS(Suite)                    \
  AKIMBO_INSTANTIATE(Suite, ::akimbo::conformance::Provider::cpu, \
                     ::akimbo::conformance::Provider::cuda,       \
                     ::akimbo::conformance::Provider::cudnn)
