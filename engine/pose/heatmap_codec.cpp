#include "engine/pose/heatmap_codec.h"

#include <cmath>
#include <numbers>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/pose/heatmap_decode.h"
#include "kernels/heatmap.h"

namespace akimbo {
namespace {

double stride(int input, int heatmap, bool udp) {
  const int less = udp ? 1 : 0;
  return static_cast<double>(input - less) / (heatmap - less);
}

}  // namespace

double HeatmapCodec::stride_x() const { return stride(input_size.width, heatmap_size.width, udp); }

double HeatmapCodec::stride_y() const {
  return stride(input_size.height, heatmap_size.height, udp);
}

Affine HeatmapCodec::image_to_crop(const CenterScale& region, double rotation_deg) const {
  if (!udp) return crop_affine(region, rotation_deg, input_size);
  const double w = region.scale_x * kPixelStd, h = region.scale_y * kPixelStd;
  const double sx = (input_size.width - 1) / w, sy = (input_size.height - 1) / h;
  const double angle = std::numbers::pi * rotation_deg / 180;
  const double c = std::cos(angle), s = std::sin(angle);
  const Point center = region.center;
  return {sx * c,  sx * s, sx * (-c * center.x - s * center.y + w / 2),
          -sy * s, sy * c, sy * (s * center.x - c * center.y + h / 2)};
}

Affine HeatmapCodec::heatmap_to_image(const CenterScale& region) const {
  if (!udp) return akimbo::heatmap_to_image(region, heatmap_size);
  const double w = region.scale_x * kPixelStd, h = region.scale_y * kPixelStd;
  return {w / (heatmap_size.width - 1),  0,
          region.center.x - w / 2,       0,
          h / (heatmap_size.height - 1), region.center.y - h / 2};
}

double HeatmapCodec::aspect() const {
  return static_cast<double>(input_size.width) / input_size.height;
}

void HeatmapCodec::check(const char* where) const {
  const int least = udp ? 2 : 1;  // udp divides by the sides less one
  const bool positive = input_size.width >= least && input_size.height >= least &&
                        heatmap_size.width >= least && heatmap_size.height >= least && sigma > 0 &&
                        sigma < 1000;
  if (!positive) {
    throw_error<ArgumentError>(
        "[{}] input {}x{}, heatmap {}x{}, sigma {}: all must be positive (sigma below 1000; with "
        "udp, sides above 1)",
        where, input_size.width, input_size.height, heatmap_size.width, heatmap_size.height, sigma);
  }
}

namespace {

kernels::HeatmapEncodeParams params_of(const HeatmapCodec& codec,
                                       std::span<const float> loss_weights) {
  return {.stride_x = codec.stride_x(),
          .stride_y = codec.stride_y(),
          .sigma = codec.sigma,
          .subpixel = codec.subpixel_targets,
          .loss_weights = loss_weights};
}

}  // namespace

void encode_heatmaps(const HeatmapCodec& codec, std::span<const Point> joints_crop,
                     std::span<float> weight, std::span<float> target,
                     std::span<const float> loss_weights) {
  const std::size_t num_keypoints = joints_crop.size();
  const int w = codec.heatmap_size.width;
  const int h = codec.heatmap_size.height;
  if (weight.size() != num_keypoints ||
      (!loss_weights.empty() && loss_weights.size() != num_keypoints) ||
      target.size() != num_keypoints * static_cast<std::size_t>(w) * h) {
    throw_error<ArgumentError>(
        "[encode_heatmaps] {} joints with {} weights, {} loss weights and a target of {} elements; "
        "wanted as many weights as joints (loss weights may be absent) and a target [{},{},{}]",
        num_keypoints, weight.size(), loss_weights.size(), target.size(), h, w, num_keypoints);
  }
  static_assert(sizeof(Point) == 2 * sizeof(double), "joints are read as [K,2]");
  const auto keypoints = static_cast<std::int64_t>(num_keypoints);
  AKIMBO_KERNEL(kCpu, heatmap_encode)
  (exec_of(kCpu), {joints_crop.data(), DType::f64, Shape{1, keypoints, 2}},
   params_of(codec, loss_weights), {weight.data(), DType::f32, Shape{1, keypoints}},
   {target.data(), DType::f32, Shape{1, h, w, keypoints}});
}

Tensor encode_heatmaps(const HeatmapCodec& codec, const Tensor& joints_crop, Tensor& weight,
                       DType dtype, std::span<const float> loss_weights) {
  const bool right_joints = joints_crop.defined() && joints_crop.dtype() == DType::f64 &&
                            joints_crop.rank() == 3 && joints_crop.dim(2) == 2;
  const Shape maps = right_joints ? Shape{joints_crop.dim(0), joints_crop.dim(1)} : Shape{};
  if (!right_joints || !weight.defined() || weight.dtype() != DType::f32 ||
      weight.shape() != maps || weight.device() != joints_crop.device() ||
      (!loss_weights.empty() && static_cast<std::int64_t>(loss_weights.size()) != maps[1])) {
    throw_error<ArgumentError>(
        "[encode_heatmaps] joints {}, weight {} and {} loss weights; wanted joints f64 [N,K,2], "
        "weight f32 [N,K] on the same device, and K loss weights or none",
        joints_crop.defined() ? joints_crop.shape().str() : "undefined",
        weight.defined() ? weight.shape().str() : "undefined", loss_weights.size());
  }
  codec.check("encode_heatmaps");
  const Device device = joints_crop.device();
  Tensor target = Tensor::empty(
      {maps[0], codec.heatmap_size.height, codec.heatmap_size.width, maps[1]}, dtype, device);
  AKIMBO_KERNEL(device, heatmap_encode)
  (exec_of(device), view_of(joints_crop), params_of(codec, loss_weights), mutable_view_of(weight),
   mutable_view_of(target));
  return target;
}

}  // namespace akimbo
