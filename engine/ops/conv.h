// 2-D convolution and transposed convolution, with gradients, and forms for inference with scale,
// shift, residual and ReLU fused in. Maps are [N,H,W,C]; a weight has the summed channel last.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/tensor.h"

namespace akimbo::ops {

struct Conv2dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
};

struct ConvTranspose2dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t output_padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
};

// x [N,H,W,C], w [O,kh,kw,C/groups], bias [O] or undefined; returns [N,H',W',O] with
// H' = (H + 2 padding - dilation (kh - 1) - 1) / stride + 1. On a GPU x and w may be bf16 or f16;
// the bias and the gradients of w and bias are f32 then.
// `channel_sums`, if not null, receives what a batch norm of the result is to be given as
// BatchNormOptions::channel_sums: sums [P,2,O] that a GPU takes while it writes the result.
// Undefined on the CPU.
[[nodiscard]] Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias = {},
                            const Conv2dOptions& options = {}, Tensor* channel_sums = nullptr);

// x [N,H,W,I], w [O,kh,kw,I/groups], bias [O] or undefined; returns [N,H',W',O] with
// H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
[[nodiscard]] Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& bias = {},
                                      const ConvTranspose2dOptions& options = {},
                                      Tensor* channel_sums = nullptr);

// y = relu(conv * scale[o] + shift[o] + residual); undefined members are left out.
struct ConvEpilogue {
  Tensor scale;     // [O]
  Tensor shift;     // [O]
  Tensor residual;  // shape of the result
  bool relu = false;
};

// A weight in the order that the kernels read, kept from call to call by the layer that owns the
// weight. It packs again when the weight was written to or replaced, or the options changed. Costs
// as much memory as the weight. One user at a time.
class PackedConvWeight {
 public:
  PackedConvWeight();
  ~PackedConvWeight();
  PackedConvWeight(PackedConvWeight&&) noexcept;
  PackedConvWeight& operator=(PackedConvWeight&&) noexcept;
  // Forgets all: training changes weights, and has better use for the memory.
  void clear();
  // w in another dtype.
  const Tensor& converted(const Tensor& w, DType dtype);
  // For maps of so many pixels (the smaller of x and y, all images). Undefined if the device does
  // not pack.
  const Tensor& update(const Tensor& w, const Conv2dOptions& options, std::int64_t pixels);
  const Tensor& update(const Tensor& w, const ConvTranspose2dOptions& options, std::int64_t pixels);

 private:
  struct Source;  // what packed_ was made of, and how
  template <typename Numel>
  const Tensor& update(const Source& now, Numel* packed_numel);

  std::unique_ptr<Source> source_;
  Tensor packed_;
  Tensor converted_from_, converted_;
  std::uint64_t converted_version_ = 0;
};

// Without gradient, whatever the inputs. `packed` may be null: then the weight is packed each time.
// A 16-bit x takes an f32 weight too, and computes with a copy of x's dtype.
[[nodiscard]] Tensor conv2d_inference(const Tensor& x, const Tensor& w,
                                      const ConvEpilogue& epilogue = {},
                                      const Conv2dOptions& options = {},
                                      PackedConvWeight* packed = nullptr);
[[nodiscard]] Tensor conv_transpose2d_inference(const Tensor& x, const Tensor& w,
                                                const ConvEpilogue& epilogue = {},
                                                const ConvTranspose2dOptions& options = {},
                                                PackedConvWeight* packed = nullptr);

}  // namespace akimbo::ops
