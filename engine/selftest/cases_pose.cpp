// What a GPU makes of pictures and labels before a step: crops and targets. Pictures are drawn as
// whole numbers, the same for every dtype.
#include "engine/pose/device_crop.h"
#include "engine/pose/heatmap_codec.h"
#include "engine/selftest/case.h"

namespace akimbo::selftest {
namespace {

using Inputs = std::vector<Tensor>&;
using Outputs = Case::Outputs;

Image picture_of(const Tensor& pixels) {
  const Tensor here = pixels.to(kCpu);
  Image image(static_cast<int>(here.dim(0)), static_cast<int>(here.dim(1)), 3);
  const auto values = here.values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(values[i]);
  }
  return image;
}

// People of many sizes and turns, some of them half outside; more than one launch takes.
Outputs crops(const Tensor& pixels, WarpMode mode, Size2 output) {
  constexpr int kCrops = 30;
  const Image image = picture_of(pixels);
  const Cropper cropper({.output = output, .mode = mode});
  PackedCrops packed(cropper, kCrops);
  for (int i = 0; i < kCrops; ++i) {
    const double side = output.width * (0.3 + 0.05 * i) / kPixelStd;
    CenterScale region{{image.width * (0.03 * i), image.height * (1 - 0.03 * i)}, side, side};
    region.round();
    packed.pack(i, image, crop_affine(region, 12.0 * i, output), i % 2 == 1);
  }
  return {{"crops", DeviceCropper(cropper, pixels.device()).cut(packed)}};
}

Case crop_case(bool small, const std::string& name, WarpMode mode) {
  const Shape picture = small ? Shape{60, 47, 3} : Shape{480, 640, 3};
  const Size2 output = small ? Size2{15, 20} : Size2{192, 256};
  return {
      .name = name,
      .inputs = {{.name = "picture", .shape = picture, .low = 0, .high = 255, .kind = Kind::index}},
      .run = [=](Inputs in) { return crops(in[0], mode, output); },
      .halves = false,
      .backward = false};
}

Case target_case(bool small, const std::string& name, bool subpixel) {
  HeatmapCodec codec;
  codec.subpixel_targets = subpixel;
  if (small) codec = {{32, 40}, {8, 10}, 1, subpixel};
  const std::int64_t n = small ? 2 : 16;
  const double far = 1.2 * codec.input_size.width;
  return {
      .name = name,
      .inputs = {{.name = "joints",
                  .shape = {n, 17, 2},
                  .low = -0.2 * far,
                  .high = far,
                  .kind = Kind::index},
                 {.name = "weight", .shape = {n, 17}, .low = 0, .high = 1, .kind = Kind::index}},
      .run =
          [=](Inputs in) {
            const Device device = in[0].device();
            Tensor weight = in[1].to(kCpu).to(DType::f32).to(device);
            const Tensor joints = in[0].to(kCpu).to(DType::f64).to(device);
            const Tensor target = encode_heatmaps(codec, joints, weight);
            return Outputs{{"target", target}, {"weight", weight}};
          },
      .halves = false,
      .backward = false};
}

}  // namespace

std::vector<Case> pose_cases(bool small) {
  return {crop_case(small, "crops, bit-exact", WarpMode::opencv),
          crop_case(small, "crops, fast", WarpMode::fast),
          target_case(small, "heatmap targets", false),
          target_case(small, "heatmap targets, subpixel", true)};
}

}  // namespace akimbo::selftest
