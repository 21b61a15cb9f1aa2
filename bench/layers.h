// The convolutions of the networks that the project is measured on, each distinct one once.
#pragma once

#include <cstdint>
#include <span>

namespace akimbo::bench {

struct ConvLayer {
  const char* name;
  std::int64_t rows, cols;  // of the input
  std::int64_t inputs, outputs, kernel, stride;
  bool transposed = false;

  [[nodiscard]] std::int64_t padding() const { return transposed ? 1 : (kernel - 1) / 2; }
  [[nodiscard]] std::int64_t output_rows() const { return extent(rows); }
  [[nodiscard]] std::int64_t output_cols() const { return extent(cols); }
  // Of one image and pass.
  [[nodiscard]] double flops() const {
    const std::int64_t sums = transposed ? rows * cols : output_rows() * output_cols();
    return 2.0 * static_cast<double>(sums) * static_cast<double>(inputs * outputs) *
           static_cast<double>(kernel * kernel);
  }

 private:
  [[nodiscard]] std::int64_t extent(std::int64_t in) const {
    if (transposed) return (in - 1) * stride - 2 * padding() + kernel;
    return (in + 2 * padding() - kernel) / stride + 1;
  }
};

// pose_resnet50 and HRNet-W32, both for pictures of 256x192.
[[nodiscard]] std::span<const ConvLayer> resnet50_layers();
[[nodiscard]] std::span<const ConvLayer> hrnet_w32_layers();

}  // namespace akimbo::bench
