// Coordinates and peaks from heatmaps by every provider against their formulas.
#include "kernels/heatmap.h"

#include <algorithm>
#include <cmath>

#include "tests/kernels/conformance/conformance.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::PeakParams;

class Heatmap : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Heatmap);

// Coordinates are f32 beside 16-bit maps.
DType wide(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

std::string label(const Shape& shape, DType dtype) {
  return shape.str() + " " + std::string(dtype_name(dtype));
}

// ---- soft-argmax ----

struct SoftArgmaxCase {
  Shape x;  // [N,H,W,K D]
  std::int64_t depth;
  int axes;
};

// Maps of 17 keypoints, 16-byte accesses, several blocks to a map, more channels than a block has
// threads, a keypoint cut by the tiles of channels, single cells.
const std::vector<SoftArgmaxCase> kCases = {{{2, 5, 7, 17}, 1, 2},     {{1, 1, 1, 1}, 1, 2},
                                            {{1, 40, 37, 3}, 1, 2},    {{3, 4, 6, 16}, 1, 2},
                                            {{1, 3, 5, 40}, 8, 3},     {{1, 3, 4, 264}, 88, 3},
                                            {{1, 2, 3, 1300}, 260, 3}, {{1, 3, 3, 6}, 2, 3},
                                            {{0, 3, 3, 6}, 1, 2},      {{1, 33, 1, 2}, 1, 3}};

struct SoftArgmax {
  Values coords, norm, probability;
};

SoftArgmax soft_argmax_of(const Values& x, const SoftArgmaxCase& c) {
  const std::int64_t n = x.shape[0], cells = x.shape[1] * x.shape[2], channels = x.shape[3];
  const std::int64_t keypoints = channels / c.depth;
  SoftArgmax r{filled({n, keypoints, c.axes}, 0), filled({n, keypoints, 2}, 0), x};
  for (std::int64_t map = 0; map < n * keypoints; ++map) {
    const auto each = [&](const auto& use) {
      for (std::int64_t p = 0; p < cells; ++p) {
        for (std::int64_t d = 0; d < c.depth; ++d) {
          const std::int64_t k = map % keypoints, image = map / keypoints;
          use((image * cells + p) * channels + k * c.depth + d, p, d);
        }
      }
    };
    double largest = -HUGE_VAL, sum = 0;
    each([&](std::int64_t i, auto, auto) { largest = std::max(largest, x[i]); });
    each([&](std::int64_t i, auto, auto) { sum += std::exp(x[i] - largest); });
    each([&](std::int64_t i, std::int64_t p, std::int64_t d) {
      r.probability[i] = std::exp(x[i] - largest) / sum;
      r.coords[map * c.axes] += r.probability[i] * static_cast<double>(p % x.shape[2]);
      r.coords[map * c.axes + 1] += r.probability[i] * static_cast<double>(p / x.shape[2]);
      if (c.axes == 3) r.coords[map * 3 + 2] += r.probability[i] * static_cast<double>(d);
    });
    r.norm[2 * map] = largest;
    r.norm[2 * map + 1] = 1 / sum;
  }
  return r;
}

// The fast exp of differences up to 16, chains of at most 64 terms, and the merging of parts.
constexpr double kRoundings = 22 + 64 + 20;

TEST_P(Heatmap, SoftArgmaxForward) {
  for (const DType dtype : dtypes()) {
    for (const SoftArgmaxCase& c : kCases) {
      for (const std::int64_t offset : {0, 1}) {
        const Values x = random_values(c.x, 1, dtype, -8, 8);
        const SoftArgmax expected = soft_argmax_of(x, c);
        const auto dx = DeviceTensor::at_offset(provider(), x, dtype, offset);
        const auto coords = poisoned(provider(), expected.coords.shape, wide(dtype));
        const auto norm = poisoned(provider(), expected.norm.shape, wide(dtype));
        AKIMBO_PROVIDED(soft_argmax_forward)(exec(), dx.view(), coords.view(), norm.view());
        const double extent = static_cast<double>(std::max({c.x[1], c.x[2], c.depth}));
        expect_close(coords.read(), expected.coords, tolerance(wide(dtype), kRoundings, extent),
                     label(c.x, dtype));
        const Values got = norm.read();
        for (std::int64_t i = 0; i < got.numel(); i += 2) {
          EXPECT_EQ(got[i], expected.norm[i]);
          EXPECT_NEAR(got[i + 1], expected.norm[i + 1], tolerance(wide(dtype), kRoundings, 1));
        }
      }
    }
  }
}

TEST_P(Heatmap, SoftArgmaxInputGrad) {
  for (const DType dtype : dtypes()) {
    for (const SoftArgmaxCase& c : kCases) {
      const Values x = random_values(c.x, 2, dtype, -8, 8);
      SoftArgmax forward = soft_argmax_of(x, c);
      for (double& v : forward.coords.at) v = rounded(v, wide(dtype));
      for (double& v : forward.norm.at) v = rounded(v, wide(dtype));
      const Values g = random_values(forward.coords.shape, 3, wide(dtype), -40, 40);
      Values grad = x, size = x;
      const std::int64_t cells = c.x[1] * c.x[2];
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        const std::int64_t channel = i % c.x[3], p = i / c.x[3] % cells;
        const std::int64_t map = i / (c.x[3] * cells) * (c.x[3] / c.depth) + channel / c.depth;
        const double cell[3] = {static_cast<double>(p % c.x[2]), static_cast<double>(p / c.x[2]),
                                static_cast<double>(channel % c.depth)};
        double sum = 0, absolute = 0;
        for (int a = 0; a < c.axes; ++a) {
          const double away = cell[a] - forward.coords[map * c.axes + a];
          sum += g[map * c.axes + a] * away;
          absolute += std::abs(g[map * c.axes + a]) * (cell[a] + forward.coords[map * c.axes + a]);
        }
        grad[i] = forward.probability[i] * sum;
        size[i] = forward.probability[i] * absolute;
      }
      const DeviceTensor dx(provider(), x, dtype);
      const DeviceTensor coords(provider(), forward.coords, wide(dtype));
      const DeviceTensor norm(provider(), forward.norm, wide(dtype));
      const DeviceTensor dg(provider(), g, wide(dtype));
      const auto dgrad = poisoned(provider(), c.x, dtype);
      AKIMBO_PROVIDED(soft_argmax_input_grad)
      (exec(), dx.view(), coords.view(), norm.view(), dg.view(), dgrad.view());
      const double floor = dtype == DType::f16 ? 0x1p-24 : 0;  // its subnormal spacing
      expect_close(
          dgrad.read(), grad, [&](std::int64_t i) { return tolerance(dtype, 40, size[i]) + floor; },
          label(c.x, dtype));
    }
  }
}

TEST_P(Heatmap, SoftArgmaxSkipsCellsWithoutMass) {
  const Shape shape{1, 50, 20, 2};  // several blocks; the first ones hold -inf only
  Values x = filled(shape, -HUGE_VAL);
  x[(45 * 20 + 3) * 2] = 5;
  x[(47 * 20 + 9) * 2 + 1] = -7;
  const DeviceTensor dx(provider(), x, DType::f32);
  const auto coords = poisoned(provider(), {1, 2, 2}, DType::f32);
  const auto norm = poisoned(provider(), {1, 2, 2}, DType::f32);
  AKIMBO_PROVIDED(soft_argmax_forward)(exec(), dx.view(), coords.view(), norm.view());
  expect_equal(coords.read(), Values{{1, 2, 2}, {3, 45, 9, 47}});
}

// ---- largest cells ----

const std::vector<Shape> kMaps = {{2, 5, 7, 17},  {1, 1, 1, 1}, {1, 70, 61, 2},
                                  {2, 3, 4, 300}, {0, 4, 4, 3}, {1, 4, 3, 0}};

// Few values, so that maps hold many equal ones.
Values with_ties(const Shape& shape, std::uint64_t seed) {
  return map(random_values(shape, seed, DType::f64, -3, 4), [](double v) { return std::floor(v); });
}

// The first cell that `better` prefers to all before it, starting from `cell`.
template <typename F>
std::int64_t first_best(const Values& x, std::int64_t map, const F& better) {
  const std::int64_t cells = x.shape[1] * x.shape[2], k = x.shape[3];
  const auto at = [&](std::int64_t p) { return x[(map / k * cells + p) * k + map % k]; };
  std::int64_t best = 0;
  for (std::int64_t p = 1; p < cells; ++p) {
    if (better(at(p), at(best))) best = p;
  }
  return best;
}

TEST_P(Heatmap, Argmax) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kMaps) {
      Values x = with_ties(shape, 4);
      // Two in the last map.
      if (x.numel() > 40) x[x.numel() - 1] = x[x.numel() - 1 - 3 * shape[3]] = NAN;
      if (x.numel() > 40) x[3] = -HUGE_VAL;
      const std::int64_t maps = shape[0] * shape[3], cells = shape[1] * shape[2];
      Values score = filled({shape[0], shape[3]}, 0), location = filled({shape[0], shape[3], 2}, 0);
      for (std::int64_t m = 0; m < maps; ++m) {
        const std::int64_t p = first_best(
            x, m, [](double a, double b) { return a > b || (std::isnan(a) && !std::isnan(b)); });
        score[m] = x[(m / shape[3] * cells + p) * shape[3] + m % shape[3]];
        location[2 * m] = static_cast<double>(p % shape[2]);
        location[2 * m + 1] = static_cast<double>(p / shape[2]);
      }
      const DeviceTensor dx(provider(), x, dtype);
      const auto dscore = poisoned(provider(), score.shape, dtype);
      const auto dlocation = poisoned(provider(), location.shape, DType::i32);
      AKIMBO_PROVIDED(heatmap_argmax)(exec(), dx.view(), dscore.view(), dlocation.view());
      expect_equal(dscore.read(), score, label(shape, dtype));
      expect_equal(dlocation.read(), location, label(shape, dtype));
    }
  }
}

Values decoded(const Values& x, bool quarter) {
  const std::int64_t h = x.shape[1], w = x.shape[2], k = x.shape[3];
  Values peaks = filled({x.shape[0], k, 3}, 0);
  for (std::int64_t m = 0; m < x.shape[0] * k; ++m) {
    const auto at = [&](std::int64_t row, std::int64_t column) {
      return x[((m / k * h + row) * w + column) * k + m % k];
    };
    const std::int64_t p = first_best(
        x, m, [](double a, double b) { return a > b || (std::isnan(b) && !std::isnan(a)); });
    const double best = at(p / w, p % w);
    const std::int64_t column = best > 0 ? p % w : 0, row = best > 0 ? p / w : 0;
    peaks[3 * m] = static_cast<double>(column);
    peaks[3 * m + 1] = static_cast<double>(row);
    peaks[3 * m + 2] = std::isnan(best) ? -HUGE_VAL : best;
    if (!quarter || column < 2 || column >= w - 1 || row < 2 || row >= h - 1) continue;
    const auto sign = [](double v) { return (v > 0) - (v < 0); };
    peaks[3 * m] += 0.25 * sign(at(row, column + 1) - at(row, column - 1));
    peaks[3 * m + 1] += 0.25 * sign(at(row + 1, column) - at(row - 1, column));
  }
  return peaks;
}

// A peak in each cell of a small map: which of them move.
TEST_P(Heatmap, DecodeAtEveryCell) {
  const Shape shape{42, 6, 7, 1};
  Values x = random_values(shape, 8, DType::f32);
  for (std::int64_t i = 0; i < 42; ++i) x[i * 42 + i] = 2;
  const DeviceTensor dx(provider(), x, DType::f32);
  const auto dpeaks = poisoned(provider(), {42, 1, 3}, DType::f32);
  AKIMBO_PROVIDED(heatmap_decode)(exec(), dx.view(), {}, dpeaks.view());
  expect_equal(dpeaks.read(), decoded(x, true));
}

TEST_P(Heatmap, DecodeAndRefine) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : kMaps) {
      Values x = with_ties(shape, 5);
      if (shape[3] > 1 && x.numel() > 0) {  // the second keypoint: nothing above 0, NaN in places
        for (std::int64_t i = 1; i < x.numel(); i += shape[3]) x[i] = i % 3 == 0 ? NAN : -x[i] - 5;
      }
      for (const bool quarter : {false, true}) {
        const DeviceTensor dx(provider(), x, dtype);
        const auto dpeaks = poisoned(provider(), {shape[0], shape[3], 3}, wide(dtype));
        AKIMBO_PROVIDED(heatmap_decode)
        (exec(), dx.view(), {.quarter_offset = quarter}, dpeaks.view());
        expect_equal(dpeaks.read(), decoded(x, quarter), label(shape, dtype));
        if (quarter) continue;
        AKIMBO_PROVIDED(heatmap_refine)(exec(), dx.view(), dpeaks.view());
        expect_equal(dpeaks.read(), decoded(x, true), "refined " + label(shape, dtype));
      }
    }
  }
}

// ---- distribution-aware refinement ----

// A map of one keypoint, and the formula of kernels/heatmap.h on it in double.
class DarkMap {
 public:
  DarkMap(const Values& x, std::int64_t n, std::int64_t k) : h_(x.shape[1]), w_(x.shape[2]) {
    for (std::int64_t i = 0; i < h_ * w_; ++i) at_.push_back(x[(n * h_ * w_ + i) * x.shape[3] + k]);
  }
  void refine(const std::vector<float>& taps, double& x, double& y) {
    const double before = *std::max_element(at_.begin(), at_.end());
    smooth(taps, 0, 1);
    smooth(taps, 1, 0);
    const double after = *std::max_element(at_.begin(), at_.end());
    const auto i = static_cast<std::int64_t>(x), j = static_cast<std::int64_t>(y);
    if (i < 2 || i >= w_ - 2 || j < 2 || j >= h_ - 2) return;
    const auto l = [&](std::int64_t dy, std::int64_t dx) {
      const double factor = after > 0 ? before / after : 1;
      return std::log(std::max(at_[index(j + dy, i + dx)] * factor, 1e-10));
    };
    const double gx = (l(0, 1) - l(0, -1)) / 2, gy = (l(1, 0) - l(-1, 0)) / 2;
    const double xx = (l(0, 2) - 2 * l(0, 0) + l(0, -2)) / 4;
    const double yy = (l(2, 0) - 2 * l(0, 0) + l(-2, 0)) / 4;
    const double xy = (l(1, 1) - l(-1, 1) - l(1, -1) + l(-1, -1)) / 4;
    const double determinant = xx * yy - xy * xy;
    if (!(determinant > 0) || !(xx < 0)) return;
    x -= (yy * gx - xy * gy) / determinant;
    y -= (xx * gy - xy * gx) / determinant;
  }

 private:
  [[nodiscard]] std::size_t index(std::int64_t y, std::int64_t x) const {
    return static_cast<std::size_t>(y * w_ + x);
  }
  void smooth(const std::vector<float>& taps, std::int64_t step_y, std::int64_t step_x) {
    const std::vector<double> from = at_;
    const auto reach = static_cast<std::int64_t>(taps.size() / 2);
    for (std::int64_t y = 0; y < h_; ++y) {
      for (std::int64_t x = 0; x < w_; ++x) {
        double sum = 0;
        for (std::int64_t t = -reach; t <= reach; ++t) {
          const std::int64_t v = y + t * step_y, u = x + t * step_x;
          if (v < 0 || u < 0 || v >= h_ || u >= w_) continue;
          sum += double{taps[static_cast<std::size_t>(t + reach)]} * from[index(v, u)];
        }
        at_[index(y, x)] = sum;
      }
    }
  }

  std::int64_t h_, w_;
  std::vector<double> at_;
};

// Gaussians between cells, some next to the border; the last keypoint's map is flat.
Values bumps(const Shape& shape, DType dtype) {
  Values x = random_values(shape, 31, dtype, 0, 0.01);
  const Values middles = random_values({shape[0], shape[3], 2}, 32, DType::f64, 0, 1);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t k = i % shape[3], cell = i / shape[3] % (shape[1] * shape[2]);
    const std::int64_t map = i / (shape[1] * shape[2] * shape[3]) * shape[3] + k;
    const double dx = static_cast<double>(cell % shape[2]) - middles[2 * map] * (shape[2] - 1);
    const double dy = static_cast<double>(cell / shape[2]) - middles[2 * map + 1] * (shape[1] - 1);
    const double value = k == shape[3] - 1 ? 0.5 : x[i] + std::exp(-(dx * dx + dy * dy) / 8);
    x[i] = rounded(value, dtype);
  }
  return x;
}

// Values of the smoothed map are off by some 25 roundings, their logarithms by 1.5e-6; divided by
// second differences of -1/4 (sigma 2) that is 1e-5 of a cell.
TEST_P(Heatmap, Dark) {
  const std::vector<float> taps{0.05f, 0.1f, 0.2f, 0.3f, 0.2f, 0.1f, 0.05f};
  for (const DType dtype : dtypes()) {
    if (dtype == DType::f64) continue;
    for (const Shape& shape : {Shape{2, 16, 13, 5}, Shape{1, 5, 40, 3}, Shape{1, 3, 1, 2}}) {
      const Values x = bumps(shape, dtype);
      Values wanted = decoded(x, false);
      const DeviceTensor dx(provider(), x, dtype), dpeaks(provider(), wanted, DType::f32);
      AKIMBO_PROVIDED(heatmap_dark)(exec(), dx.view(), {.taps = taps}, dpeaks.view());
      for (std::int64_t map = 0; map < shape[0] * shape[3]; ++map) {
        DarkMap(x, map / shape[3], map % shape[3])
            .refine(taps, wanted[3 * map], wanted[3 * map + 1]);
      }
      expect_close(dpeaks.read(), wanted, 1e-4, label(shape, dtype));
    }
  }
  const DeviceTensor none(provider(), filled({0, 4, 4, 3}, 0), DType::f32);
  const DeviceTensor no_peaks(provider(), filled({0, 3, 3}, 0), DType::f32);
  AKIMBO_PROVIDED(heatmap_dark)(exec(), none.view(), {.taps = taps}, no_peaks.view());
}

// ---- peaks ----

struct Peaks {
  Values score, location, count;
};

Peaks peaks_of(const Values& x, const PeakParams& params, std::int64_t places) {
  const std::int64_t n = x.shape[0], h = x.shape[1], w = x.shape[2], k = x.shape[3];
  Peaks r{filled({n, k, places}, 0), filled({n, k, places, 2}, -1), filled({n, k}, 0)};
  for (std::int64_t m = 0; m < n * k; ++m) {
    const auto at = [&](std::int64_t p) { return x[(m / k * h * w + p) * k + m % k]; };
    std::vector<std::int64_t> cells;
    for (std::int64_t p = 0; p < h * w; ++p) {
      bool peak = at(p) > params.threshold;
      for (std::int64_t q = 0; q < h * w && peak; ++q) {
        const bool near = std::abs(q / w - p / w) <= params.window / 2 &&
                          std::abs(q % w - p % w) <= params.window / 2;
        peak = !(near && at(q) > at(p));
      }
      if (peak) cells.push_back(p);
    }
    std::stable_sort(cells.begin(), cells.end(),
                     [&](std::int64_t a, std::int64_t b) { return at(a) > at(b); });
    const auto used = std::min<std::int64_t>(places, static_cast<std::int64_t>(cells.size()));
    r.count[m] = static_cast<double>(used);
    for (std::int64_t i = 0; i < used; ++i) {
      const std::int64_t p = cells[static_cast<std::size_t>(i)];
      r.score[m * places + i] = at(p);
      r.location[(m * places + i) * 2] = static_cast<double>(p % w);
      r.location[(m * places + i) * 2 + 1] = static_cast<double>(p / w);
    }
  }
  return r;
}

void expect_peaks(Provider provider, const kernels::Exec& exec, kernels::HeatmapPeaks* function,
                  const Values& x, DType dtype, const PeakParams& params, std::int64_t places) {
  const Peaks expected = peaks_of(x, params, places);
  const DeviceTensor dx(provider, x, dtype);
  const auto score = poisoned(provider, expected.score.shape, dtype);
  const auto location = poisoned(provider, expected.location.shape, DType::i32);
  const auto count = poisoned(provider, expected.count.shape, DType::i32);
  function(exec, dx.view(), params, score.view(), location.view(), count.view());
  const std::string what = label(x.shape, dtype) + " top " + std::to_string(places);
  expect_equal(score.read(), expected.score, what);
  expect_equal(location.read(), expected.location, what);
  expect_equal(count.read(), expected.count, what);
}

TEST_P(Heatmap, Peaks) {
  for (const DType dtype : dtypes()) {
    for (const Shape& shape : {Shape{2, 9, 8, 17}, Shape{1, 23, 19, 3}, Shape{1, 1, 1, 1}}) {
      for (const std::int64_t window : {1, 3, 5, 99}) {
        for (const std::int64_t places : {1, 30}) {
          const PeakParams params{.window = window, .threshold = 0.3};
          expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks),
                       random_values(shape, 6, dtype), dtype, params, places);
        }
      }
    }
    expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks), with_ties({1, 11, 12, 5}, 7),
                 dtype, {.window = 3, .threshold = -10}, 40);
  }
}

TEST_P(Heatmap, PeaksOfMapOfSeveralBlocks) {
  expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks),
               random_values({1, 70, 61, 17}, 9, DType::f32), DType::f32,
               {.window = 5, .threshold = 0.5}, 30);
}

// Every cell of a plateau is a peak: more than are ranked in shared memory.
TEST_P(Heatmap, PeaksOfPlateau) {
  Values x = filled({1, 37, 34, 1}, 0.5);
  x[700] = 0.75;
  x[1] = 0.5000001;
  for (double& v : x.at) v = rounded(v, DType::f32);
  expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks), x, DType::f32,
               {.window = 1, .threshold = 0}, 7);
}

// As many, of different heights, and so many channels that a map's peaks come from many blocks: the
// threads' largest are compared anew for each place.
TEST_P(Heatmap, PeaksOfEveryCell) {
  Values x = random_values({1, 37, 34, 150}, 23, DType::f32);
  for (double& v : x.at) v = rounded(std::abs(v) + 0.01, DType::f32);
  expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks), x, DType::f32,
               {.window = 1, .threshold = 0}, 2);
}

// A threshold between two floats, compared in double.
TEST_P(Heatmap, PeaksThresholdIsExact) {
  Values x = filled({1, 2, 2, 1}, rounded(0.1, DType::f32));
  expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks), x, DType::f32,
               {.window = 3, .threshold = 0.1}, 4);
  expect_peaks(provider(), exec(), AKIMBO_PROVIDED(heatmap_peaks), x, DType::f32,
               {.window = 3, .threshold = rounded(0.1, DType::f32)}, 4);
}

}  // namespace
}  // namespace akimbo
