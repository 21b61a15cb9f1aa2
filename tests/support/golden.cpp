#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"

namespace akimbo::test_support {
namespace {

// For each axis of ours, the axis of the reference that it comes from.
std::vector<int> axes_of(RefLayout layout, int rank) {
  if (layout == RefLayout::channels_second && rank == 4) return {0, 2, 3, 1};
  if (layout == RefLayout::transposed_conv && rank == 4) return {1, 2, 3, 0};
  std::vector<int> axes(static_cast<std::size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// Calls f(our flat index, reference flat index) for every element.
template <typename F>
void for_each_pair(const Shape& ours, RefLayout layout, const F& f) {
  const Shape reference = reference_shape(ours, layout);
  const std::vector<int> axes = axes_of(layout, ours.rank());
  std::vector<std::int64_t> strides(axes.size(), 1);
  for (int axis = ours.rank() - 2; axis >= 0; --axis) {
    strides[axis] = strides[axis + 1] * reference[axis + 1];
  }
  // Rows of the last axis, which are long where it matters (channels).
  const std::int64_t width = ours.rank() > 0 ? ours[-1] : 1;
  const std::int64_t step = ours.rank() > 0 ? strides[axes.back()] : 0;
  std::vector<std::int64_t> index(axes.size(), 0);
  for (std::int64_t i = 0; i < ours.numel(); i += width) {
    std::int64_t r = 0;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) r += index[axis] * strides[axes[axis]];
    for (std::int64_t k = 0; k < width; ++k) f(i + k, r + k * step);
    for (int axis = ours.rank() - 2; axis >= 0 && ++index[axis] == ours[axis]; --axis) {
      index[axis] = 0;
    }
  }
}

Tensor permuted(const std::vector<float>& reference, const Shape& ours, RefLayout layout,
                DType dtype) {
  Tensor t = Tensor::empty(ours, DType::f32);
  float* data = t.data<float>();
  for_each_pair(ours, layout, [&](std::int64_t i, std::int64_t r) { data[i] = reference[r]; });
  return t.to(dtype);
}

bool is_named(std::string_view name, std::string_view suffix) { return name.ends_with(suffix); }

struct Statistics {
  double mean = 0, deviation = 0, min = 0, max = 0, l2 = 0;
};

Statistics statistics_of(const std::vector<double>& values) {
  Statistics s;
  if (values.empty()) return s;
  const double n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) {
    sum += v;
    squares += v * v;
  }
  s.mean = sum / n;
  double spread = 0;
  for (const double v : values) spread += (v - s.mean) * (v - s.mean);
  s.deviation = std::sqrt(spread / n);
  s.l2 = std::sqrt(squares);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  s.min = *low;
  s.max = *high;
  return s;
}

void expect_statistics(const Json& golden, const std::vector<double>& values, double relative,
                       const std::string& what) {
  const Statistics s = statistics_of(values);
  const double scale =
      std::max(std::abs(golden.at("min").get<double>()), std::abs(golden.at("max").get<double>()));
  // The stored figures have about seven digits.
  const double near = (relative + 1e-6) * scale;
  EXPECT_NEAR(s.mean, golden.at("mean").get<double>(), near) << what << ": mean";
  EXPECT_NEAR(s.deviation, golden.at("std").get<double>(), near) << what << ": std";
  EXPECT_NEAR(s.min, golden.at("min").get<double>(), near) << what << ": min";
  EXPECT_NEAR(s.max, golden.at("max").get<double>(), near) << what << ": max";
  const double l2 = golden.at("l2").get<double>();
  EXPECT_NEAR(s.l2, l2, near * std::sqrt(static_cast<double>(values.size()))) << what << ": l2";
  double worst = 0;
  std::size_t worst_index = 0;
  for (const Json& sample : golden.at("samples")) {
    const std::size_t index = sample.at(0).get<std::size_t>();
    ASSERT_LT(index, values.size()) << what;
    const double error = std::abs(values[index] - sample.at(1).get<double>());
    if (!(error <= worst)) {
      worst = error;
      worst_index = index;
    }
  }
  EXPECT_LE(worst, relative * scale + 1e-7 * scale)
      << what << ": sample at flat index " << worst_index << ", largest magnitude " << scale;
}

void collect_numbers(const Json& list, std::vector<double>& out) {
  if (list.is_array()) {
    for (const Json& item : list) collect_numbers(item, out);
  } else {
    out.push_back(list.is_boolean() ? (list.get<bool>() ? 1.0 : 0.0) : list.get<double>());
  }
}

}  // namespace

std::uint64_t fnv1a(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

double fill_u(std::uint64_t name_hash, std::uint64_t index) {
  std::uint64_t z = name_hash + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) / 16777216.0 * 2.0 - 1.0;
}

std::vector<float> fill_uniform(std::string_view name, const Shape& reference_shape) {
  const std::uint64_t h = fnv1a(name);
  std::vector<float> values(static_cast<std::size_t>(reference_shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(fill_u(h, i));
  return values;
}

std::vector<float> fill_values(std::string_view name, const Shape& reference_shape) {
  const std::uint64_t h = fnv1a(name);
  std::vector<float> values(static_cast<std::size_t>(reference_shape.numel()));
  const int rank = reference_shape.rank();
  const double gain = rank >= 2 ? std::sqrt(3.0 / (static_cast<double>(reference_shape.numel()) /
                                                   static_cast<double>(reference_shape[0])))
                                : 0.0;
  // v = base + slope * (absolute ? |u| : u)
  double base = 0, slope = gain;
  const bool absolute = is_named(name, "running_var");
  if (absolute) {
    base = 1;
    slope = 0.5;
  } else if (is_named(name, "running_mean")) {
    slope = 0.1;
  } else if (is_named(name, "num_batches_tracked")) {
    slope = 0;
  } else if (rank <= 1) {
    base = is_named(name, "weight") ? 1 : 0;
    slope = is_named(name, "weight") ? 0.2 : 0.1;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double u = fill_u(h, i);
    values[i] = static_cast<float>(base + slope * (absolute ? std::abs(u) : u));
  }
  return values;
}

Shape our_shape(const Shape& reference_shape, RefLayout layout) {
  Shape shape;
  for (const int axis : axes_of(layout, reference_shape.rank())) {
    shape.push_back(reference_shape[axis]);
  }
  return shape;
}

Shape reference_shape(const Shape& our_shape, RefLayout layout) {
  Shape shape = our_shape;
  const std::vector<int> axes = axes_of(layout, our_shape.rank());
  for (int i = 0; i < our_shape.rank(); ++i) shape[axes[i]] = our_shape[i];
  return shape;
}

Tensor golden_input(std::string_view name, const Shape& reference_shape, RefLayout layout,
                    DType dtype) {
  return permuted(fill_uniform(name, reference_shape), our_shape(reference_shape, layout), layout,
                  dtype);
}

Tensor golden_weight(std::string_view name, const Shape& our_shape, RefLayout layout, DType dtype) {
  return permuted(fill_values(name, reference_shape(our_shape, layout)), our_shape, layout, dtype);
}

void fill_state(std::vector<std::pair<std::string, Tensor>> state,
                const std::function<bool(const std::string&)>& is_transposed) {
  for (auto& [name, tensor] : state) {
    const RefLayout layout = tensor.rank() != 4    ? RefLayout::as_is
                             : is_transposed(name) ? RefLayout::transposed_conv
                                                   : RefLayout::channels_second;
    tensor.copy_from(golden_weight(name, tensor.shape(), layout));
  }
}

std::vector<double> reference_values(const Tensor& ours, RefLayout layout) {
  const Tensor doubles = ours.detach().to(DType::f64);
  const double* data = doubles.data<double>();
  std::vector<double> values(static_cast<std::size_t>(doubles.numel()));
  for_each_pair(doubles.shape(), layout,
                [&](std::int64_t i, std::int64_t r) { values[r] = data[i]; });
  return values;
}

std::vector<double> spread_samples(const Tensor& ours, RefLayout layout, int count) {
  const Tensor flat = ours.detach();
  const Shape reference = reference_shape(ours.shape(), layout);
  const std::vector<int> axes = axes_of(layout, ours.rank());
  const auto n = static_cast<std::uint64_t>(ours.numel());
  std::vector<double> samples;
  for (int k = 0; k < count; ++k) {
    auto rest = static_cast<std::int64_t>(static_cast<std::uint64_t>(k) * 2654435761u % n);
    Shape index = reference;
    for (int axis = reference.rank() - 1; axis >= 0; --axis) {
      index[axis] = rest % reference[axis];
      rest /= reference[axis];
    }
    std::int64_t i = 0;
    for (int axis = 0; axis < ours.rank(); ++axis) i = i * ours.dim(axis) + index[axes[axis]];
    samples.push_back(ours.dtype() == DType::f64
                          ? flat.values<double>()[static_cast<std::size_t>(i)]
                          : static_cast<double>(flat.values<float>()[static_cast<std::size_t>(i)]));
  }
  return samples;
}

double l2_norm(const Tensor& tensor) {
  const Tensor doubles = tensor.detach().to(DType::f64);
  double sum = 0;
  for (const double v : doubles.values<double>()) sum += v * v;
  return std::sqrt(sum);
}

void expect_golden(const Json& golden, const Tensor& result, RefLayout layout, double relative,
                   const std::string& what) {
  Shape expected_shape;
  for (const Json& d : golden.at("shape")) expected_shape.push_back(d.get<std::int64_t>());
  const Shape shape = reference_shape(result.shape(), layout);
  ASSERT_EQ(shape.str(), expected_shape.str()) << what;
  const std::vector<double> values = reference_values(result, layout);
  if (!golden.contains("values")) {
    expect_statistics(golden, values, relative, what);
    return;
  }
  const std::vector<double> expected = flat_numbers(golden.at("values"));
  ASSERT_EQ(values.size(), expected.size()) << what;
  double scale = 0;
  for (const double v : expected) scale = std::max(scale, std::abs(v));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], relative * scale + 1e-7 * scale)
        << what << ": flat index " << i;
  }
}

std::vector<double> flat_numbers(const Json& list) {
  std::vector<double> out;
  collect_numbers(list, out);
  return out;
}

}  // namespace akimbo::test_support
