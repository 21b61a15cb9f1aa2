// Moving elements on the CPU.
#include "kernels/gather.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kGrainNumel = 1 << 15;

struct Axis {
  std::int64_t extent, x_stride, y_stride;
};

// The axes without those of extent 1, neighbours joined where both walks run through, so that the
// innermost loop is as long as can be.
std::vector<Axis> joined_axes(const StridedWalk& x, const Shape& extents, const StridedWalk& y) {
  std::vector<Axis> axes;
  for (int k = 0; k < extents.rank(); ++k) {
    const auto i = static_cast<std::size_t>(k);
    const Axis axis{extents[k], x.stride[i], y.stride[i]};
    if (axis.extent == 1) continue;
    if (!axes.empty() && axes.back().x_stride == axis.extent * axis.x_stride &&
        axes.back().y_stride == axis.extent * axis.y_stride) {
      axes.back() = {axes.back().extent * axis.extent, axis.x_stride, axis.y_stride};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 1});
  return axes;
}

template <typename T>
void copy_line(const T* x, T* y, const Axis& axis) {
  if (axis.x_stride == 1 && axis.y_stride == 1) {
    std::memcpy(y, x, static_cast<std::size_t>(axis.extent) * sizeof(T));
    return;
  }
  for (std::int64_t i = 0; i < axis.extent; ++i) y[i * axis.y_stride] = x[i * axis.x_stride];
}

template <typename T>
void copy_elements(const T* x, T* y, const std::vector<Axis>& axes) {
  const Axis line = axes.back();
  std::int64_t num_lines = 1;
  for (std::size_t k = 0; k + 1 < axes.size(); ++k) num_lines *= axes[k].extent;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainNumel / line.extent);
  parallel_for(num_lines, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::int64_t rest = i, x_at = 0, y_at = 0;
      for (std::size_t k = axes.size() - 1; k-- > 0;) {
        const std::int64_t position = rest % axes[k].extent;
        rest /= axes[k].extent;
        x_at += position * axes[k].x_stride;
        y_at += position * axes[k].y_stride;
      }
      copy_line(x + x_at, y + y_at, line);
    }
  });
}

// Calls f with an unsigned type as wide as the dtype.
template <typename F>
void visit_width(DType dtype, const F& f) {
  switch (dtype_bytes(dtype)) {
    case 1: f.template operator()<std::uint8_t>(); return;
    case 2: f.template operator()<std::uint16_t>(); return;
    case 4: f.template operator()<std::uint32_t>(); return;
    case 8: f.template operator()<std::uint64_t>(); return;
    default: unsupported_dtype(dtype);
  }
}

}  // namespace

void strided_copy(const Exec&, ConstView x, const StridedWalk& walk_x, const Shape& extents, View y,
                  const StridedWalk& walk_y) {
  if (extents.numel() == 0) return;
  const std::vector<Axis> axes = joined_axes(walk_x, extents, walk_y);
  visit_width(x.dtype, [&]<typename T>() {
    copy_elements(static_cast<const T*>(x.pointer) + walk_x.offset,
                  static_cast<T*>(y.pointer) + walk_y.offset, axes);
  });
}

void fill_forward(const Exec&, double value, View y) {
  visit_dtype(y.dtype, [&]<typename T>() {
    T element;
    if constexpr (std::is_arithmetic_v<T>) {
      element = static_cast<T>(value);
    } else {
      element = T(static_cast<float>(value));
    }
    parallel_for(y.numel(), kGrainNumel, [&](std::int64_t begin, std::int64_t end) {
      std::fill(y.data<T>() + begin, y.data<T>() + end, element);
    });
  });
}

void index_select_forward(const Exec&, ConstView x, ConstView index, View y) {
  if (y.numel() == 0) return;
  const std::int64_t inner = y.dim(2);
  const std::int64_t* indices = index.data<std::int64_t>();
  visit_width(x.dtype, [&]<typename T>() {
    const T* from = static_cast<const T*>(x.pointer);
    T* to = static_cast<T*>(y.pointer);
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainNumel / (y.dim(1) * inner));
    parallel_for(y.dim(0), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        for (std::int64_t b = 0; b < y.dim(1); ++b) {
          std::copy_n(from + (o * x.dim(1) + indices[b]) * inner, inner,
                      to + (o * y.dim(1) + b) * inner);
        }
      }
    });
  });
}

void index_select_input_grad(const Exec&, ConstView grad_y, ConstView index, View grad_x) {
  if (grad_x.numel() == 0) return;
  const std::int64_t inner = grad_x.dim(2);
  const std::int64_t* indices = index.data<std::int64_t>();
  visit_floating(grad_x.dtype, [&]<typename T>() {
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainNumel / (grad_x.dim(1) * inner));
    parallel_for(grad_x.dim(0), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        T* to = grad_x.data<T>() + o * grad_x.dim(1) * inner;
        std::fill_n(to, grad_x.dim(1) * inner, T(0));
        for (std::int64_t b = 0; b < grad_y.dim(1); ++b) {
          const T* from = grad_y.data<T>() + (o * grad_y.dim(1) + b) * inner;
          T* row = to + indices[b] * inner;
          for (std::int64_t i = 0; i < inner; ++i) row[i] += from[i];
        }
      }
    });
  });
}

}  // namespace akimbo::kernels::cpu
