#include "engine/ops/heatmap.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/ops/checks.h"
#include "kernels/heatmap.h"

namespace akimbo::ops {
namespace {

void check_maps(const char* op, const Tensor& x) {
  require_floating(op, "x", x);
  require_rank(op, "x", x, 4, "[N,H,W,K]");
  if (x.dim(1) * x.dim(2) == 0) {
    throw_error<ArgumentError>("[{}] x {} has maps without cells; wanted 1 x 1 or larger", op,
                               x.shape().str());
  }
}

Tensor soft_argmax(const char* op, const Tensor& x, std::int64_t keypoints, std::int64_t axes) {
  const Device device = x.device();
  // Of 16-bit maps too the coordinates are f32: bf16 could not count the cells.
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  Tensor coords = Tensor::empty({x.dim(0), keypoints, axes}, dtype, device);
  Tensor norm = Tensor::empty({x.dim(0), keypoints, 2}, dtype, device);
  AKIMBO_KERNEL(device, soft_argmax_forward)
  (exec_of(device), view_of(x), mutable_view_of(coords), mutable_view_of(norm));
  if (autograd::any_needs_grad({x})) {
    autograd::attach(op, coords, {x},
                     [sx = autograd::Saved(x), scoords = autograd::Saved(coords), norm](
                         const Tensor& grad_y, const autograd::Needs&) {
                       const Tensor& x = sx.get();
                       const Device device = x.device();
                       Tensor grad_x = Tensor::empty(x.shape(), x.dtype(), device);
                       AKIMBO_KERNEL(device, soft_argmax_input_grad)
                       (exec_of(device), view_of(x), view_of(scoords.get()), view_of(norm),
                        view_of(grad_y), mutable_view_of(grad_x));
                       return std::vector<Tensor>{grad_x};
                     });
  }
  return coords;
}

}  // namespace

Tensor soft_argmax_2d(const Tensor& x) {
  check_maps("soft_argmax_2d", x);
  return soft_argmax("soft_argmax_2d", x, x.dim(3), 2);
}

Tensor soft_argmax_3d(const Tensor& x, std::int64_t depth) {
  check_maps("soft_argmax_3d", x);
  if (depth < 1 || x.dim(3) % depth != 0) {
    throw_error<ArgumentError>(
        "[soft_argmax_3d] x {} has {} channels, which depth {} does not "
        "divide; wanted K * depth channels",
        x.shape().str(), x.dim(3), depth);
  }
  return soft_argmax("soft_argmax_3d", x, x.dim(3) / depth, 3);
}

HeatmapMaxima heatmap_argmax(const Tensor& x) {
  check_maps("heatmap_argmax", x);
  const Device device = x.device();
  HeatmapMaxima result{
      .score = Tensor::empty({x.dim(0), x.dim(3)}, x.dtype(), device),
      .location = Tensor::empty({x.dim(0), x.dim(3), 2}, DType::i32, device),
  };
  AKIMBO_KERNEL(device, heatmap_argmax)
  (exec_of(device), view_of(x), mutable_view_of(result.score), mutable_view_of(result.location));
  return result;
}

HeatmapPeaks heatmap_peaks(const Tensor& x, const HeatmapPeakOptions& options) {
  check_maps("heatmap_peaks", x);
  if (options.window < 1 || options.window % 2 == 0 || options.top < 1) {
    throw_error<ArgumentError>(
        "[heatmap_peaks] window {} and top {}; wanted an odd window and top >= 1", options.window,
        options.top);
  }
  const Device device = x.device();
  const Shape maps{x.dim(0), x.dim(3)};
  HeatmapPeaks result{
      .score = Tensor::empty({maps[0], maps[1], options.top}, x.dtype(), device),
      .location = Tensor::empty({maps[0], maps[1], options.top, 2}, DType::i32, device),
      .count = Tensor::empty(maps, DType::i32, device),
  };
  AKIMBO_KERNEL(device, heatmap_peaks)
  (exec_of(device), view_of(x), {.window = options.window, .threshold = options.threshold},
   mutable_view_of(result.score), mutable_view_of(result.location), mutable_view_of(result.count));
  return result;
}

}  // namespace akimbo::ops
