// Boxes, crops and the maps between the frames of image, crop and heatmap.
//
// The pixel-centre convention of the whole project: the centre of pixel (column i, row j) has the
// coordinates (i, j), so a picture W wide spans -0.5 to W - 0.5. As in the published code, a crop
// of size (w, h) has its centre at (w/2, h/2), half a pixel right of and below the true middle of
// the pixel grid; encoding and decoding agree on it. The stride between crop and heatmap is a plain
// factor: crop x = 4 * heatmap x.
#pragma once

#include <array>

namespace akimbo {

struct Point {
  double x = 0;
  double y = 0;
};

struct Size2 {
  int width = 0;
  int height = 0;
  friend bool operator==(const Size2&, const Size2&) = default;
};

struct BoxXywh {
  double x = 0, y = 0;  // top-left corner, image pixels
  double width = 0, height = 0;
};

// The sides of a crop are given in units of 200 px: scale 1.2 is 240 px.
inline constexpr double kPixelStd = 200.0;

// A crop region: its centre in image pixels and its sides / 200. The COCO records of the references
// keep these numbers in f32 and compute the sides in f32; those of MPII are f64. `single` says
// which, because the last bits of the crop matrix depend on it.
struct CenterScale {
  Point center;
  double scale_x = 0;
  double scale_y = 0;
  bool single = true;

  // Rounds the numbers to f32 if they are kept so. To be called after changing them.
  void round();
};

// Rows m[0..2] and m[3..5]: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5.
using Affine = std::array<double, 6>;

// The box grown on its short side to `aspect` = width / height of the network input, then by
// `padding`; f32 as the COCO records are. A centre x of -1 marks an absent box in some data sets:
// it gets no padding, as in the references.
[[nodiscard]] CenterScale box_to_center_scale(const BoxXywh& box_image, double aspect,
                                              double padding = 1.25);

enum class AffineDirection { image_to_crop, crop_to_image };

// The similarity that maps the crop region, turned by `rotation_deg` (positive turns the content
// counter-clockwise on the screen), to an output of that size. Only scale_x counts; the height
// follows from the output's aspect. Bit-identical to the references: three point pairs in f32, the
// 6x6 system solved in f64 in their order of elimination.
[[nodiscard]] Affine crop_affine(const CenterScale& region, double rotation_deg, Size2 output,
                                 AffineDirection direction = AffineDirection::image_to_crop);

[[nodiscard]] Point transform(const Affine& affine, Point point);
// The algebraic inverse; zeros where the map is singular. For back-projection as the references do
// it, ask crop_affine for crop_to_image instead.
[[nodiscard]] Affine inverse(const Affine& affine);
// The map of first, then second.
[[nodiscard]] Affine compose(const Affine& second, const Affine& first);

}  // namespace akimbo
