// Anti-aliased shapes, text, colour maps and tiling on pictures of three channels. Coordinates are
// in pixels with the centre of the first pixel at (0, 0); what lies outside the picture is cut off.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/io/image.h"

namespace akimbo::draw {

struct Colour {
  std::uint8_t r = 0, g = 0, b = 0;
  friend bool operator==(const Colour&, const Colour&) = default;
};

struct Point {
  double x = 0, y = 0;
};

// What shapes are painted with; alpha 1 covers what was there.
struct Paint {
  Colour colour;
  double alpha = 1;
};

// A line with round ends.
void draw_line(Image& image, Point a, Point b, double width, Paint paint);
void draw_disc(Image& image, Point center, double radius, Paint paint);
void draw_circle(Image& image, Point center, double radius, double width, Paint paint);
// The outline of a box, `width` thick, centred on its border.
void draw_box(Image& image, std::array<double, 4> box_xywh, double width, Paint paint);
void fill_box(Image& image, std::array<double, 4> box_xywh, Paint paint);

// Letters of the built-in font are 5 by 7 dots, 6 apart; each dot is `dot` pixels a side. Small
// letters are drawn as capitals, what the font lacks as a box. `corner` is the top left.
void draw_text(Image& image, Point corner, std::string_view text, int dot, Paint paint);
[[nodiscard]] int text_width(std::string_view text, int dot);
[[nodiscard]] int text_height(int dot);
// Text on a dark plate, moved so that it lies inside the picture where it can.
void draw_tag(Image& image, Point corner, std::string_view text, int dot, Colour colour);

// The JET map of 256 colours, from dark blue over green to dark red, as OpenCV has it.
[[nodiscard]] Colour jet(std::uint8_t level);

// Blends a map [map_height, map_width] (0 to 1), stretched to the picture, over it in JET's
// colours: the higher the value, the more it covers, up to `alpha`.
void overlay_heatmap(Image& image, std::span<const float> map, int map_height, int map_width,
                     double alpha);

// Pictures side by side, `columns` to a row, `gap` pixels of `ground` around each. Smaller ones are
// centred in cells of the largest one's size. An empty list gives an empty picture.
[[nodiscard]] Image tile(const std::vector<Image>& images, int columns, int gap, Colour ground);

// Three channels from one; three stay.
[[nodiscard]] Image as_rgb(const Image& image);

}  // namespace akimbo::draw
