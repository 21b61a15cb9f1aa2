// Reference values: weights and inputs that are regenerated from names, and the comparison of a
// result with stored statistics and samples. The rule: element i of a tensor is a hash of (name,
// i), i running in row-major order of the REFERENCE's layout (PyTorch: OIHW, IOHW for transposed
// convolutions, NCHW for features).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/io/json.h"

namespace akimbo::test_support {

// How a tensor is laid out by the reference, ours being [.., kh, kw, I] and NHWC:
// as_is: the same; channels_second: OIHW weights, NCHW features; transposed_conv: IOHW weights.
enum class RefLayout { as_is, channels_second, transposed_conv };

// u of the rule: uniform in [-1, 1), exact in f32.
[[nodiscard]] double fill_u(std::uint64_t name_hash, std::uint64_t index);
[[nodiscard]] std::uint64_t fnv1a(std::string_view name);

// Values in reference order. `fill_values` follows the whole table (running_var, weights of
// batch norms, biases, scaled weights); `fill_uniform` is u itself (network inputs).
[[nodiscard]] std::vector<float> fill_values(std::string_view name, const Shape& reference_shape);
[[nodiscard]] std::vector<float> fill_uniform(std::string_view name, const Shape& reference_shape);

// The shape of a reference tensor in our layout, and back.
[[nodiscard]] Shape our_shape(const Shape& reference_shape, RefLayout layout);
[[nodiscard]] Shape reference_shape(const Shape& our_shape, RefLayout layout);

// u(name) of the reference shape as a tensor in OUR layout; f32 or f64 (rounded to f32 first).
[[nodiscard]] Tensor golden_input(std::string_view name, const Shape& reference_shape,
                                  RefLayout layout = RefLayout::channels_second,
                                  DType dtype = DType::f32);
// fill_values of a tensor whose shape in OUR layout is given, in our layout.
[[nodiscard]] Tensor golden_weight(std::string_view name, const Shape& our_shape, RefLayout layout,
                                   DType dtype = DType::f32);
// Fills every tensor of Module::state() by its name. Four-axis tensors are convolution weights,
// those for which is_transposed(name) is true are of transposed convolutions.
void fill_state(std::vector<std::pair<std::string, Tensor>> state,
                const std::function<bool(const std::string&)>& is_transposed);

// The elements in reference order, as double.
[[nodiscard]] std::vector<double> reference_values(const Tensor& ours, RefLayout layout);

// Sample k = 0.. of the rule of gradient files: flat index (k * 2654435761) mod n of the reference.
[[nodiscard]] std::vector<double> spread_samples(const Tensor& ours, RefLayout layout, int count);
// L2 norm of all elements, summed in double.
[[nodiscard]] double l2_norm(const Tensor& tensor);

// Compares with {"shape", "mean", "std", "min", "max", "l2", "samples": [[flat index, value]..]} or
// {"shape", "values": [..]}. `relative` is the tolerance as a share of the largest magnitude of the
// stored tensor. Failures are reported by GoogleTest with `what`.
void expect_golden(const Json& golden, const Tensor& result, RefLayout layout, double relative,
                   const std::string& what);

// Numbers of a nested JSON list, in row-major order.
[[nodiscard]] std::vector<double> flat_numbers(const Json& list);

}  // namespace akimbo::test_support
