// Matrix products of every provider against the formula in double.
#include "kernels/matmul.h"

#include "tests/kernels/conformance/conformance.h"
#include "tests/kernels/conformance/conv_cases.h"

namespace akimbo {
namespace {

using namespace conformance;

class MatmulConformance : public ProviderTest {};
AKIMBO_INSTANTIATE_WITH_VENDORS(MatmulConformance);

struct Extents {
  std::int64_t m, n, k;
};

void expect_product(Provider provider, const kernels::Exec& exec, kernels::Matmul* kernel,
                    const Extents& e, bool transpose_a, bool transpose_b, bool bias, DType dtype,
                    bool tf32) {
  const DType vectors = dtype == DType::f64 ? dtype : DType::f32;
  const Values a = random_values(transpose_a ? Shape{e.k, e.m} : Shape{e.m, e.k}, 1, dtype);
  const Values b = random_values(transpose_b ? Shape{e.n, e.k} : Shape{e.k, e.n}, 2, dtype);
  const Values v = random_values({e.n}, 3, vectors);
  const DeviceTensor da(provider, a, dtype), db(provider, b, dtype), dv(provider, v, vectors);
  const DeviceTensor y = poisoned(provider, {e.m, e.n}, dtype);
  kernel(exec, da.view(), db.view(),
         {transpose_a, transpose_b, bias ? kernels::ConstView(dv.view()) : kernels::ConstView{}},
         y.view());
  const auto reference = [&](const Values& u, const Values& w, const Values& shift) {
    Values result = filled({e.m, e.n}, 0);
    kernels::cpu::matmul_plain(
        plain_exec(), plain_view(u), plain_view(w),
        {transpose_a, transpose_b, bias ? plain_view(shift) : kernels::ConstView{}},
        plain_view(result));
    return result;
  };
  const Values expected = reference(a, b, v);
  const Values magnitude = reference(absolute(a), absolute(b), absolute(v));
  expect_close(y.read(), expected, sum_tolerance(expected, magnitude, dtype, dtype, tf32),
               std::to_string(e.m) + "x" + std::to_string(e.n) + "x" + std::to_string(e.k) +
                   (transpose_a ? " A^T" : "") + (transpose_b ? " B^T" : "") +
                   (bias ? " bias " : " ") + std::string(dtype_name(dtype)) +
                   (tf32 ? " tf32" : ""));
}

TEST_P(MatmulConformance, AllTransposes) {
  const std::vector<Extents> sizes = {{1, 1, 1},   {5, 17, 3},   {65, 72, 40},
                                      {3, 136, 8}, {8, 10, 300}, {130, 16, 16}};
  for (const Extents& e : sizes) {
    for (const DType dtype : dtypes()) {
      for (const bool tf32 : {false, true}) {
        if (tf32 && (provider() == Provider::cpu || dtype != DType::f32)) continue;
        for (int flags = 0; flags < 4; ++flags) {
          const bool bias = (e.m + flags / 2) % 2 != 0;  // with and without, for either b
          expect_product(provider(), exec(true, tf32), AKIMBO_PROVIDED(matmul), e, (flags & 1) != 0,
                         (flags & 2) != 0, bias, dtype, tf32);
        }
      }
    }
  }
}

TEST_P(MatmulConformance, EmptySums) {
  for (const DType dtype : dtypes()) {
    expect_product(provider(), exec(), AKIMBO_PROVIDED(matmul), {3, 5, 0}, false, false, true,
                   dtype, false);
    expect_product(provider(), exec(), AKIMBO_PROVIDED(matmul), {0, 5, 4}, false, true, false,
                   dtype, false);
  }
}

}  // namespace
}  // namespace akimbo
