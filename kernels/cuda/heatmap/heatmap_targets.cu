// Maps that are written: Gaussian targets, and the way back of a mirrored pass. One pass each, a
// thread per channel as map_scan.cuh has it.
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/cuda/arithmetic.cuh"
#include "kernels/cuda/heatmap/map_scan.cuh"
#include "kernels/heatmap.h"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

// Lists of the host travel in the kernel's parameters, so that a captured graph keeps them.
constexpr int kMaxKeypoints = 512;
template <typename E>
struct HostList {
  E values[kMaxKeypoints];
};

template <typename E, typename S>
HostList<E> host_list(const char* kernel, const char* what, std::span<const S> from) {
  if (from.size() > kMaxKeypoints) {
    throw std::logic_error(std::string("[") + kernel + "] " + what + " of " +
                           std::to_string(from.size()) + " keypoints; the CUDA kernel takes " +
                           std::to_string(kMaxKeypoints) + ": use the CPU, or split the channels");
  }
  HostList<E> list{};
  for (std::size_t k = 0; k < from.size(); ++k) list.values[k] = static_cast<E>(from[k]);
  return list;
}

struct Gaussian {
  double stride_x, stride_y;
  int radius;
  float divisor;  // 2 sigma^2
  bool subpixel;
};

// The first cell of the square of a keypoint along one axis. Truncation, not floor, as in the
// references; the steps round as on the CPU.
__device__ __forceinline__ int square_begin(double joint, double stride, int radius, int size) {
  const double cell = add(joint / stride, 0.5);
  // Far outside any map, or NaN.
  return fabs(cell) < 1e8 ? static_cast<int>(cell) - radius : size;
}

struct Square {
  int left, top;
  bool outside;
};

__device__ __forceinline__ Square square_of(const double* joint, const Gaussian& g, int height,
                                            int width) {
  const int side = 2 * g.radius + 1;
  const int left = square_begin(joint[0], g.stride_x, g.radius, width);
  const int top = square_begin(joint[1], g.stride_y, g.radius, height);
  return {left, top, left >= width || top >= height || left + side < 0 || top + side < 0};
}

// exp in double rounded once: within one f32 rounding of the CPU's f32 exp.
__device__ __forceinline__ float gaussian_at(float dx, float dy, float divisor) {
  const float exponent = -add(multiply(dx, dx), multiply(dy, dy)) / divisor;
  return static_cast<float>(exp(static_cast<double>(exponent)));
}

// joints [N,K,2], weight [N,K], target [N,P,K].
template <typename T>
__global__ void __launch_bounds__(256)
    heatmap_encode_kernel(const double* __restrict__ joints, const float* __restrict__ weight,
                          MapScan scan, int height, Gaussian g, T* __restrict__ target) {
  const MapThread t = map_thread<1>(scan);
  if (!t.active) return;
  const std::int64_t keypoint = t.image * scan.channels + t.channel;
  const Square square = square_of(joints + 2 * keypoint, g, height, scan.width);
  const bool drawn = !square.outside && weight[keypoint] > 0.5f;
  const int side = 2 * g.radius + 1;
  // The Gaussian's middle: of the square, or the joint itself.
  const double middle_x = g.subpixel ? joints[2 * keypoint] / g.stride_x : square.left + g.radius;
  const double middle_y =
      g.subpixel ? joints[2 * keypoint + 1] / g.stride_y : square.top + g.radius;
  T* to = target + (t.image * scan.pixels + t.first) * scan.channels + t.channel;
  const std::int64_t stride = static_cast<std::int64_t>(scan.rows) * scan.channels;
  MovingCell cell(t.first, scan.rows, scan.width);
  for (std::int64_t pixel = t.first; pixel < t.end; pixel += scan.rows, cell.advance()) {
    const int dx = cell.x - square.left, dy = cell.y - square.top;
    const bool inside = drawn && dx >= 0 && dx < side && dy >= 0 && dy < side;
    const float value = inside ? gaussian_at(static_cast<float>(cell.x - middle_x),
                                             static_cast<float>(cell.y - middle_y), g.divisor)
                               : 0.0f;
    *to = from_float<T>(value);
    to += stride;
  }
}

// After the targets, which read the weights as they were.
__global__ void __launch_bounds__(256)
    heatmap_encode_weight_kernel(const double* __restrict__ joints, std::int64_t count,
                                 int num_keypoints, int height, int width, Gaussian g,
                                 bool has_loss_weights, HostList<float> loss_weights,
                                 float* __restrict__ weight) {
  const std::int64_t keypoint = global_thread();
  if (keypoint >= count) return;
  const bool outside = square_of(joints + 2 * keypoint, g, height, width).outside;
  float value = outside ? 0.0f : weight[keypoint];
  if (has_loss_weights) value *= loss_weights.values[keypoint % num_keypoints];
  weight[keypoint] = value;
}

// x, mirrored, y [N,P,K]; x may be null. A pixel's channels are read in the permutation's order:
// still the same few sectors.
template <typename T>
__global__ void __launch_bounds__(256)
    heatmap_unflip_kernel(const T* __restrict__ x, const T* __restrict__ mirrored, MapScan scan,
                          HostList<std::int16_t> permutation, bool shift, T* __restrict__ y) {
  using A = Compute<T>;
  const MapThread t = map_thread<1>(scan);
  if (!t.active) return;
  const int source_channel = permutation.values[t.channel];
  const T* source = mirrored + t.image * scan.pixels * scan.channels + source_channel;
  const std::int64_t first = t.image * scan.pixels * scan.channels + t.channel;
  MovingCell cell(t.first, scan.rows, scan.width);
#pragma unroll 4
  for (std::int64_t pixel = t.first; pixel < t.end; pixel += scan.rows, cell.advance()) {
    const int from = shift && cell.x > 0 ? cell.x - 1 : cell.x;
    const std::int64_t mirrored_pixel = pixel - cell.x + (scan.width - 1 - from);
    const A flipped = to_float(source[mirrored_pixel * scan.channels]);
    const std::int64_t at = first + pixel * scan.channels;
    y[at] = from_float<T>(x != nullptr ? (to_float(x[at]) + flipped) * A(0.5) : flipped);
  }
}

}  // namespace

void heatmap_encode(const Exec& exec, ConstView joints, const HeatmapEncodeParams& params,
                    View weight, View target) {
  const std::int64_t count = weight.numel();
  if (count == 0) return;
  const auto loss_weights = host_list<float>("heatmap_encode", "loss weights", params.loss_weights);
  const Gaussian g{params.stride_x, params.stride_y, static_cast<int>(params.sigma * 3),
                   static_cast<float>(2 * params.sigma * params.sigma), params.subpixel};
  const auto height = static_cast<int>(target.dim(1)), width = static_cast<int>(target.dim(2));
  if (target.numel() > 0) {
    visit_any_floating(target.dtype, [&]<typename T>() {
      const MapScan scan = make_map_scan(target, 1, 16);
      launch(exec, "heatmap_encode", scan.shape(target.dim(0)), heatmap_encode_kernel<T>,
             joints.data<double>(), weight.data<float>(), scan, height, g, target.data<T>());
    });
  }
  launch(exec, "heatmap_encode_weight", {.grid = {blocks_for(count, 256)}, .block = {256}},
         heatmap_encode_weight_kernel, joints.data<double>(), count,
         static_cast<int>(target.dim(3)), height, width, g, !params.loss_weights.empty(),
         loss_weights, weight.data<float>());
}

void heatmap_unflip(const Exec& exec, ConstView x, ConstView mirrored, const FlipParams& params,
                    View y) {
  if (y.numel() == 0) return;
  const auto permutation =
      host_list<std::int16_t>("heatmap_unflip", "a permutation", params.permutation);
  const MapScan scan = make_map_scan(y, 1, 16);
  visit_any_floating(y.dtype, [&]<typename T>() {
    launch(exec, "heatmap_unflip", scan.shape(y.dim(0)), heatmap_unflip_kernel<T>, x.data<T>(),
           mirrored.data<T>(), scan, permutation, params.shift, y.data<T>());
  });
}

}  // namespace akimbo::kernels::cuda
