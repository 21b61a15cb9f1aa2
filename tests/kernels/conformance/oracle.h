// The CPU's kernels in double as oracle: operands of the host that such a kernel reads and writes.
#pragma once

#include "kernels/common/exec.h"
#include "tests/kernels/conformance/conformance.h"

namespace akimbo::conformance {

// Scratch memory of the oracle.
class HeapScratch final : public kernels::ScratchSource {
 public:
  void* allocate(std::size_t bytes) override { return ::operator new(bytes + 1); }
  void release(void* pointer) noexcept override { ::operator delete(pointer); }
};

inline const kernels::Exec& oracle_exec() {
  static HeapScratch scratch;
  static const kernels::Exec exec{.scratch = &scratch};
  return exec;
}

// The values themselves are f64: no copy. An empty shape stays a view (of no elements).
inline kernels::ConstView oracle_view(const Values& values) {
  static const double nothing = 0;
  return {values.at.empty() ? &nothing : values.at.data(), DType::f64, values.shape};
}
inline kernels::View oracle_view(Values& values) {
  static double nothing = 0;
  return {values.at.empty() ? &nothing : values.at.data(), DType::f64, values.shape};
}

// Sum of |x| over an operand: bounds the magnitude of any sum of its elements.
inline double sum_of_magnitudes(const Values& values) {
  double sum = 0;
  for (const double v : values.at) sum += v < 0 ? -v : v;
  return sum;
}

inline Values absolute(Values values) {
  for (double& v : values.at) v = v < 0 ? -v : v;
  return values;
}

// Small whole numbers, which every dtype holds; many are equal.
inline Values whole_numbers(const Shape& shape, std::uint64_t seed, double low, double high) {
  Values values = random_values(shape, seed, DType::f64, low, high + 1);
  for (double& v : values.at) v = static_cast<double>(static_cast<std::int64_t>(v));
  return values;
}

}  // namespace akimbo::conformance
