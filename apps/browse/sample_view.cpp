#include "apps/browse/sample_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/draw/poses.h"
#include "apps/html/page.h"

namespace akimbo::apps {

namespace {

constexpr int kShownSide = 384;  // px of the longer side of every picture on the page

// Shown larger or smaller: `factor` source pixels become one.
Image resized(const Image& image, double factor) {
  const Size2 size{std::max(1, static_cast<int>(std::lround(image.width / factor))),
                   std::max(1, static_cast<int>(std::lround(image.height / factor)))};
  return warp_affine(image, {1 / factor, 0, 0, 0, 1 / factor, 0}, size, WarpMode::fast);
}

double shown_factor(int width, int height) {
  return std::max(width, height) / static_cast<double>(kShownSide);
}

draw::DrawnPose pose_of(const std::vector<datasets::Joint>& joints, const Affine& to_shown) {
  draw::DrawnPose pose;
  for (const datasets::Joint& joint : joints) {
    const Point p = transform(to_shown, joint.image);
    pose.keypoints.push_back({p.x, p.y, joint.visible > 0 ? 1.0 : 0.0});
  }
  return pose;
}

draw::Point shown(Point p) { return {p.x, p.y}; }

// The picture with the labels as they are in the file, and the border of the crop.
Image picture_before(const datasets::TopDownDataset& dataset, const datasets::SampleMeta& sample) {
  const auto picture = dataset.picture(sample.index);
  const Image image = draw::as_rgb(*picture);
  const double factor = shown_factor(image.width, image.height);
  const Affine to_shown = {1 / factor, 0, 0, 0, 1 / factor, 0};
  Image drawing = resized(image, factor);
  const auto& person = dataset.people().people.at(static_cast<std::size_t>(sample.index));
  draw::DrawnPose pose = pose_of(person.joints, to_shown);
  const BoxXywh& box = person.box_image;
  pose.box_xywh = {box.x / factor, box.y / factor, box.width / factor, box.height / factor};
  draw::draw_poses(drawing, {pose}, dataset.skeleton());
  const Affine to_image = inverse(sample.image_to_crop);
  const Size2 crop = dataset.options().codec.input_size;
  const double right = crop.width - 1.0, bottom = crop.height - 1.0;
  std::vector<draw::Point> corners;
  for (const Point corner : {Point{0, 0}, {right, 0}, {right, bottom}, {0, bottom}}) {
    Point p = transform(to_image, corner);
    if (sample.plan.mirrored) p.x = image.width - 1 - p.x;
    corners.push_back(shown(transform(to_shown, p)));
  }
  for (std::size_t i = 0; i < 4; ++i) {
    draw::draw_line(drawing, corners[i], corners[(i + 1) % 4], 2, {{255, 255, 255}, 0.9});
  }
  return drawing;
}

// The network's input back in 8 bits RGB.
Image crop_of(const datasets::TopDownDataset& dataset, const Tensor& input, std::int64_t row) {
  const datasets::TopDownOptions& options = dataset.options();
  const auto height = static_cast<int>(input.dim(1)), width = static_cast<int>(input.dim(2));
  Image image(height, width, 3);
  const float* values = input.data<float>() + row * height * width * 3;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t c = i % 3;
    const float value = 255 * (values[i] * options.deviation[c] + options.mean[c]);
    const std::size_t target = options.order == ChannelOrder::bgr ? i - c + (2 - c) : i;
    image.pixels[target] = static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
  }
  return image;
}

// The largest of all keypoints' targets in every cell.
std::vector<float> all_targets(const Tensor& target, std::int64_t row) {
  const std::int64_t cells = target.dim(1) * target.dim(2), K = target.dim(3);
  const float* values = target.data<float>() + row * cells * K;
  std::vector<float> map;
  for (std::int64_t i = 0; i < cells; ++i) {
    map.push_back(*std::max_element(values + i * K, values + (i + 1) * K));
  }
  return map;
}

std::string keypoint_table(const datasets::TopDownDataset& dataset,
                           const datasets::SampleMeta& sample, const float* weights) {
  const auto& before = dataset.people().people.at(static_cast<std::size_t>(sample.index)).joints;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t k = 0; k < sample.plan.joints.size(); ++k) {
    const datasets::Joint& joint = sample.plan.joints[k];
    const Point crop = transform(sample.image_to_crop, joint.image);
    const auto place = [](bool labelled, Point p) {
      return labelled ? fmt::format("{:.1f}, {:.1f}", p.x, p.y) : "-";
    };
    rows.push_back({dataset.skeleton().keypoints[k], place(before[k].visible > 0, before[k].image),
                    place(joint.visible > 0, crop), fmt::format("{:.3g}", weights[k])});
  }
  return "<details><summary class=\"dim\">keypoints and weights</summary>" +
         html::table({"keypoint", "in the picture", "in the crop", "weight"}, rows) + "</details>";
}

std::string caption_of(const datasets::SampleMeta& sample, double scale) {
  return fmt::format("<b>sample {}</b>, annotation {}, {}<br>scale {:.2f}, turned {:.1f}&deg;, {}",
                     sample.index, sample.annotation_id, html::escape(sample.path), scale,
                     sample.plan.rotation_deg + 0.0,  // -0 becomes 0
                     sample.plan.mirrored ? "mirrored" : "not mirrored");
}

}  // namespace

std::string sample_figure(const datasets::TopDownDataset& dataset, const datasets::Batch& batch,
                          std::int64_t row) {
  const datasets::SampleMeta& sample = batch.samples.at(static_cast<std::size_t>(row));
  const Image crop = crop_of(dataset, batch.input, row);
  const double factor = shown_factor(crop.width, crop.height);
  Image joints = resized(crop, factor), targets = joints;
  const Affine to_shown = compose({1 / factor, 0, 0, 0, 1 / factor, 0}, sample.image_to_crop);
  draw::draw_poses(joints, {pose_of(sample.plan.joints, to_shown)}, dataset.skeleton());
  draw::overlay_heatmap(targets, all_targets(batch.target, row),
                        static_cast<int>(batch.target.dim(1)),
                        static_cast<int>(batch.target.dim(2)), 0.8);
  const auto& person = dataset.people().people.at(static_cast<std::size_t>(sample.index));
  const float* weights = batch.weight.data<float>() + row * batch.weight.dim(1);
  const std::string pictures =
      html::row({html::picture(picture_before(dataset, sample), "the picture with its labels"),
                 html::picture(joints, "the crop with its keypoints"),
                 html::picture(targets, "the crop with its targets")});
  return html::figure(pictures,
                      caption_of(sample, sample.plan.region.scale_x / person.region.scale_x) +
                          keypoint_table(dataset, sample, weights));
}

}  // namespace akimbo::apps
