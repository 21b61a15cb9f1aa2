#include "kernels/cpu/conv_widen.h"

#include <algorithm>

#include "kernels/common/parallel.h"

namespace akimbo::kernels::cpu {

bool widening_pays(const Shape& weight, const Conv2dParams& params) {
  return params.groups == 1 && params.dilation == 1 && weight[2] > 1 && weight[3] <= 8;
}

template <typename T>
WidenedInput<T>::WidenedInput(const Exec& exec, ConstView x, const Conv2dParams& params)
    : shape_{x.dim(0), x.dim(1) + 2 * params.padding, x.dim(2) + 2 * params.padding, x.dim(3)},
      data_(exec, static_cast<std::size_t>(shape_.numel())) {
  const std::int64_t row = shape_[2] * shape_[3], border = params.padding * shape_[3];
  const std::int64_t grain = (1 << 15) / std::max<std::int64_t>(1, row) + 1;
  parallel_for(shape_[0] * shape_[1], grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T* to = data_.data() + i * row;
      const std::int64_t image = i / shape_[1], y = i % shape_[1] - params.padding;
      if (y < 0 || y >= x.dim(1)) {
        std::fill_n(to, row, T(0));
        continue;
      }
      const std::int64_t count = x.dim(2) * x.dim(3);
      std::fill_n(to, border, T(0));
      std::copy_n(x.data<T>() + (image * x.dim(1) + y) * count, count, to + border);
      std::fill_n(to + border + count, border, T(0));
    }
  });
}

template class WidenedInput<float>;
template class WidenedInput<double>;

}  // namespace akimbo::kernels::cpu
