#include "apps/convert/layouts.h"

#include <array>
#include <cstring>
#include <string>

namespace akimbo::convert {
namespace {

using Order = std::array<int, 4>;

// Axis k of the result is axis order[k] of the source.
constexpr Order kOhwiOfOihw = {0, 2, 3, 1};
constexpr Order kOihwOfOhwi = {0, 3, 1, 2};
constexpr Order kOhwiOfIohw = {1, 2, 3, 0};
constexpr Order kIohwOfOhwi = {3, 0, 1, 2};

template <std::size_t kBytes>
void permute_elements(const std::byte* from, std::byte* to, const std::array<std::int64_t, 4>& dims,
                      const std::array<std::int64_t, 4>& steps) {
  for (std::int64_t a = 0; a < dims[0]; ++a) {
    for (std::int64_t b = 0; b < dims[1]; ++b) {
      for (std::int64_t c = 0; c < dims[2]; ++c) {
        const std::byte* row =
            from + (a * steps[0] + b * steps[1] + c * steps[2]) * static_cast<std::int64_t>(kBytes);
        for (std::int64_t d = 0; d < dims[3]; ++d) {
          std::memcpy(to, row + d * steps[3] * static_cast<std::int64_t>(kBytes), kBytes);
          to += kBytes;
        }
      }
    }
  }
}

Tensor permute(const Tensor& source, const Order& order) {
  if (source.rank() != 4) return source;
  const std::array<std::int64_t, 4> source_steps = {source.dim(1) * source.dim(2) * source.dim(3),
                                                    source.dim(2) * source.dim(3), source.dim(3),
                                                    1};
  Shape shape;
  std::array<std::int64_t, 4> dims{};
  std::array<std::int64_t, 4> steps{};
  for (std::size_t k = 0; k < 4; ++k) {
    dims[k] = source.dim(order[k]);
    steps[k] = source_steps[static_cast<std::size_t>(order[k])];
    shape.push_back(dims[k]);
  }
  Tensor result = Tensor::empty(shape, source.dtype());
  if (result.numel() == 0) return result;
  const auto* from = static_cast<const std::byte*>(source.raw());
  auto* to = static_cast<std::byte*>(result.raw());
  switch (dtype_bytes(source.dtype())) {
    case 1: permute_elements<1>(from, to, dims, steps); break;
    case 2: permute_elements<2>(from, to, dims, steps); break;
    case 4: permute_elements<4>(from, to, dims, steps); break;
    default: permute_elements<8>(from, to, dims, steps); break;
  }
  return result;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool is_transposed_conv_weight(std::string_view name) {
  constexpr std::string_view kList = "deconv_layers.";
  const std::size_t begin = name.rfind(kList);
  if (begin == std::string_view::npos || (begin > 0 && name[begin - 1] != '.')) return false;
  std::string_view rest = name.substr(begin + kList.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || !is_digits(rest.substr(0, dot))) return false;
  rest.remove_prefix(dot);
  return rest == ".weight" || rest == ".0.0.weight";
}

Tensor to_engine_layout(std::string_view name, const Tensor& tensor) {
  return permute(tensor, is_transposed_conv_weight(name) ? kOhwiOfIohw : kOhwiOfOihw);
}

Tensor to_torch_layout(std::string_view name, const Tensor& tensor) {
  return permute(tensor, is_transposed_conv_weight(name) ? kIohwOfOhwi : kOihwOfOhwi);
}

}  // namespace akimbo::convert
