// Sums of a convolution's channels: one run of pixels per part, so that the order is fixed.
#include "kernels/cpu/conv_sums.h"

#include <algorithm>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {

void channel_sums(ConstView y, View sums) {
  if (!sums || sums.numel() == 0) return;
  const std::int64_t channels = y.dim(3), parts = sums.dim(0);
  const std::int64_t rows = y.dim(0) * y.dim(1) * y.dim(2), run = (rows + parts - 1) / parts;
  visit_floating(y.dtype, [&]<typename T>() {
    parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        std::vector<double> total(static_cast<std::size_t>(2 * channels));
        for (std::int64_t row = part * run; row < std::min(rows, (part + 1) * run); ++row) {
          const T* values = y.data<T>() + row * channels;
          for (std::int64_t c = 0; c < channels; ++c) {
            const double value = values[c];
            total[static_cast<std::size_t>(c)] += value;
            total[static_cast<std::size_t>(channels + c)] += value * value;
          }
        }
        std::copy(total.begin(), total.end(), sums.data<T>() + part * 2 * channels);
      }
    });
  });
}

}  // namespace akimbo::kernels::cpu
