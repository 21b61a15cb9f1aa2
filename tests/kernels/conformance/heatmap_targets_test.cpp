// Heatmaps that are written, by every provider: targets and the way back of a mirrored pass.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/heatmap.h"
#include "tests/kernels/conformance/conformance.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::HeatmapEncodeParams;

class HeatmapTargets : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(HeatmapTargets);

struct Targets {
  Values target, weight;
};

Targets targets_of(const Values& joints, const Values& weight, const HeatmapEncodeParams& p,
                   std::int64_t h, std::int64_t w) {
  const std::int64_t n = weight.shape[0], k = weight.shape[1];
  const auto radius = static_cast<std::int64_t>(3 * p.sigma);
  Targets r{filled({n, h, w, k}, 0), weight};
  for (std::int64_t m = 0; m < n * k; ++m) {
    const double cell_x = joints[2 * m] / p.stride_x + 0.5;
    const double cell_y = joints[2 * m + 1] / p.stride_y + 0.5;
    const bool far = !(std::abs(cell_x) < 1e8 && std::abs(cell_y) < 1e8);
    const std::int64_t mx = far ? 0 : static_cast<std::int64_t>(cell_x);
    const std::int64_t my = far ? 0 : static_cast<std::int64_t>(cell_y);
    const bool outside =
        far || mx - radius >= w || my - radius >= h || mx + radius + 1 < 0 || my + radius + 1 < 0;
    if (outside) r.weight[m] = 0;
    for (std::int64_t i = 0; i < h * w && !outside && weight[m] > 0.5; ++i) {
      if (std::abs(i % w - mx) > radius || std::abs(i / w - my) > radius) continue;
      const double middle_x = p.subpixel ? cell_x - 0.5 : static_cast<double>(mx);
      const double middle_y = p.subpixel ? cell_y - 0.5 : static_cast<double>(my);
      const auto dx = static_cast<float>(static_cast<double>(i % w) - middle_x);
      const auto dy = static_cast<float>(static_cast<double>(i / w) - middle_y);
      const float exponent = -(dx * dx + dy * dy) / static_cast<float>(2 * p.sigma * p.sigma);
      r.target[(m / k * h * w + i) * k + m % k] = std::exp(static_cast<double>(exponent));
    }
    if (!p.loss_weights.empty()) {
      r.weight[m] *= static_cast<double>(p.loss_weights[static_cast<std::size_t>(m % k)]);
    }
  }
  return r;
}

// Joints inside, across every edge, on the far side of it, far away and nowhere.
Values joints_around(std::int64_t n, std::int64_t k, double width, double height) {
  Values joints = random_values({n, k, 2}, 1, DType::f64, -0.5, 1.5);
  for (std::int64_t m = 0; m < n * k; ++m) {
    joints[2 * m] *= width;
    joints[2 * m + 1] *= height;
  }
  if (n * k > 4) {
    joints[0] = 1e300;
    joints[3] = NAN;
    joints[4] = joints[5] = -0.3;
    joints[6] = 8;  // half a cell: rounds up
    joints[7] = 10;
  }
  return joints;
}

TEST_P(HeatmapTargets, Encode) {
  const std::vector<float> loss_weights = {1, 1.2f, 1.5f, 1, 1};
  for (const DType dtype : dtypes()) {
    for (const double sigma : {2.0, 0.4, 1.5}) {
      for (const bool weighted : {false, true}) {
        const std::int64_t n = 4, k = 5, h = 21, w = 13;
        HeatmapEncodeParams params{
            .stride_x = 4, .stride_y = 4.5, .sigma = sigma, .subpixel = sigma == 1.5};
        if (weighted) params.loss_weights = loss_weights;
        const Values joints = joints_around(n, k, 13 * 4, 21 * 4.5);
        const Values weight = map(random_values({n, k}, 2, DType::f32, 0, 4),
                                  [](double v) { return v < 1 ? 0.0 : 1.0; });
        const Targets expected = targets_of(joints, weight, params, h, w);
        const DeviceTensor djoints(provider(), joints, DType::f64);
        const DeviceTensor dweight(provider(), weight, DType::f32);
        const auto target = poisoned(provider(), {n, h, w, k}, dtype);
        AKIMBO_PROVIDED(heatmap_encode)
        (exec(), djoints.view(), params, dweight.view(), target.view());
        // f64 targets hold f32 values.
        const DType precision = dtype == DType::f64 ? DType::f32 : dtype;
        expect_close(target.read(), expected.target, [&](std::int64_t i) {
          return tolerance(precision, 1, 2 * expected.target[i]);
        });
        expect_close(dweight.read(), expected.weight, tolerance(DType::f32, 1, 2));
      }
    }
  }
}

TEST_P(HeatmapTargets, EncodeOfPaperSize) {
  const Values joints = joints_around(1, 17, 192, 256);
  const Values weight = filled({1, 17}, 1);
  const Targets expected = targets_of(joints, weight, {}, 64, 48);
  const DeviceTensor djoints(provider(), joints, DType::f64);
  const DeviceTensor dweight(provider(), weight, DType::f32);
  const auto target = poisoned(provider(), {1, 64, 48, 17}, DType::f32);
  AKIMBO_PROVIDED(heatmap_encode)(exec(), djoints.view(), {}, dweight.view(), target.view());
  expect_close(target.read(), expected.target,
               [&](std::int64_t i) { return tolerance(DType::f32, 1, 2 * expected.target[i]); });
}

TEST_P(HeatmapTargets, Unflip) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape :
         {Shape{2, 5, 7, 17}, Shape{1, 3, 1, 4}, Shape{1, 40, 41, 2}, Shape{0, 2, 2, 2}}) {
      for (const bool shift : {false, true}) {
        for (const bool average : {false, true}) {
          const std::int64_t w = shape[2], k = shape[3];
          std::vector<int> permutation(static_cast<std::size_t>(k));
          std::iota(permutation.begin(), permutation.end(), 0);
          for (std::size_t i = 1; i + 1 < permutation.size(); i += 2) {
            std::swap(permutation[i], permutation[i + 1]);
          }
          const Values x = random_values(shape, 3, dtype),
                       mirrored = random_values(shape, 4, dtype);
          Values y = x;
          for (std::int64_t i = 0; i < y.numel(); ++i) {
            const std::int64_t column = i / k % w;
            const std::int64_t from = shift ? std::max<std::int64_t>(column - 1, 0) : column;
            const std::int64_t source =
                (i / k - column + w - 1 - from) * k + permutation[static_cast<std::size_t>(i % k)];
            y[i] = average ? rounded((x[i] + mirrored[source]) / 2, dtype) : mirrored[source];
          }
          const DeviceTensor dx(provider(), x, dtype), dm(provider(), mirrored, dtype);
          const auto dy = poisoned(provider(), shape, dtype);
          AKIMBO_PROVIDED(heatmap_unflip)
          (exec(), average ? kernels::ConstView(dx.view()) : kernels::ConstView{}, dm.view(),
           {.permutation = permutation, .shift = shift}, dy.view());
          // The sum of two may need one bit more than f32 has before it is rounded to 16 bits.
          expect_close(dy.read(), y, average ? tolerance(dtype, 1, 1) : 0.0, shape.str());
        }
      }
    }
  }
}

TEST_P(HeatmapTargets, TooManyKeypointsForParametersAreRefused) {
  if (provider() == Provider::cpu) GTEST_SKIP() << "the CPU takes any number";
  const std::vector<int> permutation(600, 0);
  const DeviceTensor x(provider(), filled({1, 1, 1, 600}, 0), DType::f32);
  EXPECT_THROW(kernels::cuda::heatmap_unflip(
                   exec(), {}, x.view(), {.permutation = permutation, .shift = false}, x.view()),
               std::logic_error);
}

}  // namespace
}  // namespace akimbo
