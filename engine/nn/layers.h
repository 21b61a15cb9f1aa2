// Layers with parameters. Names and order of parameters and buffers are PyTorch's, layouts ours.
// Parameters are f32 (f64 for gradient checks). Maps may be bf16 or f16 on a GPU: layers then
// compute with a 16-bit copy of the weight, and gradients come back in f32.
// A layer is used by one thread at a time: it keeps prepared forms of its parameters.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"
#include "engine/nn/module.h"
#include "engine/ops/conv.h"

namespace akimbo::nn {

// Parameters are zero (batch norms: the identity) until init.h or a checkpoint fills them.

struct Conv2dShape {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 1;
  bool bias = false;
};

class Conv2d final : public Module {
 public:
  Conv2d(const Conv2dShape& shape, const ops::Conv2dOptions& options = {});
  // x [N,H,W,I], returns [N,H',W',O]. `channel_sums` as in ops/conv.h: undefined, too, where no
  // gradient is wanted.
  [[nodiscard]] Tensor forward(const Tensor& x, Tensor* channel_sums = nullptr);
  // Without gradient, with what follows fused in. epilogue.shift must hold the bias already.
  [[nodiscard]] Tensor inference(const Tensor& x, const ops::ConvEpilogue& epilogue);

  Tensor weight;  // [O, k, k, I / groups]
  Tensor bias;    // [O] or undefined
  const ops::Conv2dOptions options;

 private:
  ops::PackedConvWeight packed_;
};

class ConvTranspose2d final : public Module {
 public:
  ConvTranspose2d(const Conv2dShape& shape, const ops::ConvTranspose2dOptions& options = {});
  // As Conv2d.
  [[nodiscard]] Tensor forward(const Tensor& x, Tensor* channel_sums = nullptr);
  [[nodiscard]] Tensor inference(const Tensor& x, const ops::ConvEpilogue& epilogue);

  Tensor weight;  // [O, k, k, I / groups]; PyTorch's is [I, O / groups, k, k]
  Tensor bias;    // [O] or undefined
  const ops::ConvTranspose2dOptions options;

 private:
  ops::PackedConvWeight packed_;
};

class BatchNorm2d final : public Module {
 public:
  explicit BatchNorm2d(std::int64_t channels, double eps = 1e-5, double momentum = 0.1);
  // Batch statistics in training mode (running values are updated), running ones in evaluation:
  // normalised x (+ residual) (ReLU).
  // `channel_sums` of x, if the convolution in front gave them, spare training a pass over x.
  [[nodiscard]] Tensor forward(const Tensor& x, bool relu = false, const Tensor& residual = {},
                               const Tensor& channel_sums = {});

  // What evaluation mode does to each channel: y = scale x + shift. `conv_bias` [C], if defined, is
  // of the layer in front and enters the shift. Kept until one of the tensors changes.
  struct Folded {
    Tensor scale, shift;  // [C]
  };
  [[nodiscard]] const Folded& folded(const Tensor& conv_bias = {});

  Tensor weight, bias;               // gamma, beta [C]
  Tensor running_mean, running_var;  // [C]
  Tensor num_batches_tracked;        // scalar, i64
  const double eps;
  const double momentum;

 private:
  struct Source {
    Tensor tensor;
    std::uint64_t version = 0;
  };
  Source sources_[5];
  Folded folded_;
};

class Linear final : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, bool with_bias = true);
  // x [..., I], returns [..., O].
  [[nodiscard]] Tensor forward(const Tensor& x);

  Tensor weight;  // [O, I]
  Tensor bias;    // [O] or undefined
};

// While one lives, layers of this thread add up the multiply-adds that they do (bias, batch norm
// and activations not counted; border padding counted as PyTorch tools do).
class MacCounter {
 public:
  MacCounter();
  ~MacCounter();
  MacCounter(const MacCounter&) = delete;
  MacCounter& operator=(const MacCounter&) = delete;
  [[nodiscard]] std::int64_t macs() const { return macs_; }
  // Called by layers.
  static void add(std::int64_t macs);

 private:
  MacCounter* previous_;
  std::int64_t macs_ = 0;
};

}  // namespace akimbo::nn
