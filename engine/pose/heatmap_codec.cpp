#include "engine/pose/heatmap_codec.h"

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/heatmap.h"

namespace akimbo {
double HeatmapCodec::stride_x() const {
  return static_cast<double>(input_size.width) / heatmap_size.width;
}

double HeatmapCodec::stride_y() const {
  return static_cast<double>(input_size.height) / heatmap_size.height;
}

double HeatmapCodec::aspect() const {
  return static_cast<double>(input_size.width) / input_size.height;
}

void HeatmapCodec::check(const char* where) const {
  const bool positive = input_size.width > 0 && input_size.height > 0 && heatmap_size.width > 0 &&
                        heatmap_size.height > 0 && sigma > 0 && sigma < 1000;
  if (!positive) {
    throw_error<ArgumentError>(
        "[{}] input {}x{}, heatmap {}x{}, sigma {}: all must be positive (sigma below 1000)", where,
        input_size.width, input_size.height, heatmap_size.width, heatmap_size.height, sigma);
  }
}

namespace {

kernels::HeatmapEncodeParams params_of(const HeatmapCodec& codec,
                                       std::span<const float> loss_weights) {
  return {.stride_x = codec.stride_x(),
          .stride_y = codec.stride_y(),
          .sigma = codec.sigma,
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
