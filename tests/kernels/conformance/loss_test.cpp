// Losses of every provider against their formulas.
#include "kernels/loss.h"

#include <cmath>

#include "tests/kernels/conformance/conformance.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::ConstView;
using kernels::DistanceKind;
using kernels::DistanceParams;

class Loss : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Loss);

// Losses and their gradients are f32 beside 16-bit predictions.
DType wide(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// The dtypes that a target may have beside a prediction's.
std::vector<DType> target_dtypes(DType dtype) {
  if (dtype == DType::f32 || dtype == DType::f64) return {dtype};
  return {dtype, DType::f32};
}

double smallest_step(DType dtype) { return dtype == DType::f16 ? 0x1p-24 : 0; }

// A sum of terms >= 0: a chain of some 32, then a tree; each term a few roundings.
constexpr double kRoundings = 48;

constexpr double kGradY = 37.5;

TEST_P(Loss, JointsMse) {
  const std::vector<Shape> shapes = {{1, 1, 1}, {2, 63, 17}, {3, 64, 16}, {1, 700, 17}, {2, 5, 1}};
  for (const DType dtype : dtypes()) {
    for (const DType target_dtype : target_dtypes(dtype)) {
      for (const Shape& shape : shapes) {
        for (const bool weighted : {false, true}) {
          const std::int64_t keypoints = shape[2], image = shape[1] * keypoints;
          const Values pred = random_values(shape, 1, dtype);
          const Values target = random_values(shape, 2, target_dtype, 0, 1);
          const Values weight = random_values({shape[0], keypoints}, 3, wide(dtype), 0, 2);
          const double count = static_cast<double>(shape.numel());
          Values grad = pred;
          double loss = 0;
          for (std::int64_t i = 0; i < pred.numel(); ++i) {
            const double w = weighted ? weight[i / image * keypoints + i % keypoints] : 1;
            const double d = pred[i] - target[i];
            loss += w * w * d * d / (2 * count);
            grad[i] = kGradY * w * w * d / count;
          }
          const DeviceTensor dp(provider(), pred, dtype), dt(provider(), target, target_dtype);
          const DeviceTensor dw(provider(), weight, wide(dtype));
          const DeviceTensor dg(provider(), filled({1}, kGradY), wide(dtype));
          const ConstView w = weighted ? ConstView(dw.view()) : ConstView{};
          const std::string what = shape.str() + " " + std::string(dtype_name(dtype)) + " to " +
                                   std::string(dtype_name(target_dtype));
          const auto dl = poisoned(provider(), {1}, wide(dtype));
          AKIMBO_PROVIDED(joints_mse_forward)(exec(), dp.view(), dt.view(), w, dl.view());
          expect_close(dl.read(), filled({1}, loss), tolerance(wide(dtype), kRoundings, loss),
                       what);
          const auto dx = poisoned(provider(), shape, dtype);
          AKIMBO_PROVIDED(joints_mse_input_grad)
          (exec(), dp.view(), dt.view(), w, dg.view(), dx.view());
          expect_close(
              dx.read(), grad,
              [&](std::int64_t i) {
                return tolerance(dtype, 8, std::abs(grad[i])) + smallest_step(dtype);
              },
              "gradient " + what);
        }
      }
    }
  }
}

TEST_P(Loss, KeepLargest) {
  const Shape shape{67, 17};
  for (const DType dtype : {DType::f32, DType::f64}) {
    Values values = random_values(shape, 1, dtype);
    for (std::int64_t i = 0; i < 17; ++i) values[i] = values[i % 3];  // ties in the first row
    const Values weight = random_values(shape, 2, dtype, 0, 2);
    for (const std::int64_t count : {1, 8, 17}) {
      for (const bool weighted : {false, true}) {
        Values wanted = values;
        for (std::int64_t i = 0; i < values.numel(); ++i) {
          const std::int64_t row = i / 17 * 17;
          std::int64_t before = 0;
          for (std::int64_t j = row; j < row + 17; ++j) {
            before += values[j] > values[i] || (values[j] == values[i] && j < i);
          }
          wanted[i] = before >= count ? 0 : weighted ? weight[i] : 1;
        }
        const DeviceTensor dv(provider(), values, dtype), dw(provider(), weight, dtype);
        const auto dk = poisoned(provider(), shape, dtype);
        AKIMBO_PROVIDED(keep_largest)
        (exec(), dv.view(), weighted ? ConstView(dw.view()) : ConstView{}, count, dk.view());
        expect_equal(dk.read(), wanted);
      }
    }
  }
}

double distance(double d, const DistanceParams& p) {
  const double size = std::abs(d);
  if (p.kind == DistanceKind::absolute) return size;
  if (p.kind == DistanceKind::square) return d * d;
  return size < p.beta ? d * d / (2 * p.beta) : size - p.beta / 2;
}

double slope(double d, const DistanceParams& p) {
  const double sign = (d > 0) - (d < 0);
  if (p.kind == DistanceKind::absolute) return sign;
  if (p.kind == DistanceKind::square) return 2 * d;
  return std::abs(d) < p.beta ? d / p.beta : sign;
}

TEST_P(Loss, DistanceLosses) {
  for (const DType dtype : dtypes()) {
    for (const DistanceKind kind :
         {DistanceKind::absolute, DistanceKind::square, DistanceKind::smooth}) {
      for (const std::int64_t count : {1, 7, 64, 4097}) {
        for (const bool weighted : {false, true}) {
          const DistanceParams params{.kind = kind, .beta = 0.5, .scale = 0.25};
          const Shape shape{count};
          const Values pred = random_values(shape, 1, dtype);
          Values target = random_values(shape, 2, dtype),
                 weight = random_values(shape, 3, dtype, 0);
          target[0] = pred[0];  // the kink
          Values grad = pred;
          double loss = 0;
          for (std::int64_t i = 0; i < count; ++i) {
            const double w = weighted ? weight[i] : 1, d = pred[i] - target[i];
            loss += params.scale * w * distance(d, params);
            grad[i] = kGradY * params.scale * w * slope(d, params);
          }
          const DeviceTensor dp(provider(), pred, dtype), dt(provider(), target, dtype);
          const DeviceTensor dw(provider(), weight, dtype);
          const DeviceTensor dg(provider(), filled({1}, kGradY), wide(dtype));
          const ConstView w = weighted ? ConstView(dw.view()) : ConstView{};
          const auto dl = poisoned(provider(), {1}, wide(dtype));
          AKIMBO_PROVIDED(distance_loss_forward)
          (exec(), dp.view(), dt.view(), w, params, dl.view());
          expect_close(dl.read(), filled({1}, loss), tolerance(wide(dtype), kRoundings, loss));
          const auto dx = poisoned(provider(), shape, dtype);
          AKIMBO_PROVIDED(distance_loss_input_grad)
          (exec(), dp.view(), dt.view(), w, params, dg.view(), dx.view());
          expect_close(dx.read(), grad, [&](std::int64_t i) {
            return tolerance(dtype, 8, std::abs(grad[i])) + smallest_step(dtype);
          });
        }
      }
    }
  }
}

TEST_P(Loss, DistanceLossOfMisalignedOperands) {
  const Shape shape{1001};
  for (const std::int64_t offset : {1, 3}) {
    const Values pred = random_values(shape, 1, DType::f32);
    const Values target = random_values(shape, 2, DType::f32);
    double loss = 0;
    for (std::int64_t i = 0; i < pred.numel(); ++i) loss += std::pow(pred[i] - target[i], 2);
    const auto dp = DeviceTensor::at_offset(provider(), pred, DType::f32, offset);
    const DeviceTensor dt(provider(), target, DType::f32);
    const auto dl = poisoned(provider(), {1}, DType::f32);
    AKIMBO_PROVIDED(distance_loss_forward)(exec(), dp.view(), dt.view(), {}, {}, dl.view());
    expect_close(dl.read(), filled({1}, loss), tolerance(DType::f32, kRoundings, loss));
  }
}

// The mean over counted rows; grad in every row.
double cross_entropy(const Values& logits, const Values& index, double ignored, Values& grad) {
  const std::int64_t rows = logits.shape[0], classes = logits.shape[1];
  double loss = 0, counted = 0;
  for (std::int64_t m = 0; m < rows; ++m) counted += index[m] != ignored;
  counted = std::max(1.0, counted);
  grad = filled(logits.shape, 0);
  for (std::int64_t m = 0; m < rows; ++m) {
    if (index[m] == ignored) continue;
    double largest = -HUGE_VAL, sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) largest = std::max(largest, logits[m * classes + c]);
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(logits[m * classes + c] - largest);
    const auto at = m * classes + static_cast<std::int64_t>(index[m]);
    loss += (largest + std::log(sum) - logits[at]) / counted;
    for (std::int64_t c = 0; c < classes; ++c) {
      grad[m * classes + c] = kGradY * std::exp(logits[m * classes + c] - largest) / sum / counted;
    }
    grad[at] -= kGradY / counted;
  }
  return loss;
}

TEST_P(Loss, CrossEntropy) {
  const std::vector<Shape> shapes = {{1, 1}, {5, 17}, {67, 33}, {2, 1000}, {3, 2}};
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : shapes) {
      for (const std::int64_t ignored : {-1, -100}) {
        const Values logits = random_values(shape, 1, dtype, -8, 8);
        const Values index =
            random_values({shape[0]}, 2, DType::i64, -0.99, static_cast<double>(shape[1]) - 0.01);
        Values labels = index;
        if (ignored == -1) {
          for (std::int64_t m = 0; m < shape[0]; m += 3) labels[m] = -1;
        }
        Values grad;
        const double loss = cross_entropy(logits, labels, static_cast<double>(ignored), grad);
        const DeviceTensor dx(provider(), logits, dtype), di(provider(), labels, DType::i64);
        const DeviceTensor dg(provider(), filled({1}, kGradY), wide(dtype));
        const auto dl = poisoned(provider(), {1}, wide(dtype));
        const std::string what = shape.str() + " " + std::string(dtype_name(dtype));
        AKIMBO_PROVIDED(cross_entropy_forward)(exec(), dx.view(), di.view(), ignored, dl.view());
        expect_close(dl.read(), filled({1}, loss), tolerance(wide(dtype), kRoundings, 16), what);
        const auto dgrad = poisoned(provider(), shape, dtype);
        AKIMBO_PROVIDED(cross_entropy_input_grad)
        (exec(), dx.view(), di.view(), ignored, dg.view(), dgrad.view());
        expect_close(dgrad.read(), grad, tolerance(dtype, kRoundings, kGradY), what);
      }
    }
  }
}

TEST_P(Loss, CrossEntropyOfClassThatIsNone) {
  if (provider() == Provider::cpu) GTEST_SKIP() << "the engine checks indices on the CPU";
  const DeviceTensor dx(provider(), random_values({2, 3}, 1, DType::f32), DType::f32);
  const DeviceTensor di(provider(), Values{{2}, {1, 3}}, DType::i64);
  const auto dl = poisoned(provider(), {1}, DType::f32);
  kernels::cuda::cross_entropy_forward(exec(), dx.view(), di.view(), -1, dl.view());
  EXPECT_TRUE(std::isnan(dl.read()[0]));
}

}  // namespace
}  // namespace akimbo
