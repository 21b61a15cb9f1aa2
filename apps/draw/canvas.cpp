#include "apps/draw/canvas.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace akimbo::draw {
namespace {

void require_rgb(const Image& image) {
  if (image.channels != 3) {
    throw_error<ArgumentError>("[draw] the picture has {} channels; convert it with as_rgb()",
                               image.channels);
  }
}

void blend(std::uint8_t* pixel, Colour colour, double share) {
  const double parts[3] = {double(colour.r), double(colour.g), double(colour.b)};
  for (int c = 0; c < 3; ++c) {
    pixel[c] = static_cast<std::uint8_t>(pixel[c] + (parts[c] - pixel[c]) * share + 0.5);
  }
}

// First whole number not below `value`, and one past the last not above, inside [0, limit].
int clamped(double value, int limit) {
  return static_cast<int>(std::clamp(value, 0.0, static_cast<double>(limit)));
}

// Paints every pixel of the box by how much of it the shape covers; `distance` is the signed
// distance to the shape's edge (negative inside), taken as exact within half a pixel of it.
template <typename Distance>
void paint_shape(Image& image, double x0, double y0, double x1, double y1, Paint paint,
                 const Distance& distance) {
  require_rgb(image);
  if (!std::isfinite(x0 + y0 + x1 + y1)) return;  // a keypoint that is nowhere
  const int left = clamped(std::floor(x0 - 1), image.width);
  const int right = clamped(std::ceil(x1 + 2), image.width);
  const int top = clamped(std::floor(y0 - 1), image.height);
  const int bottom = clamped(std::ceil(y1 + 2), image.height);
  for (int y = top; y < bottom; ++y) {
    std::uint8_t* pixel = image.row(y) + static_cast<std::ptrdiff_t>(3) * left;
    for (int x = left; x < right; ++x, pixel += 3) {
      const double cover = std::clamp(0.5 - distance(Point{double(x), double(y)}), 0.0, 1.0);
      if (cover > 0) blend(pixel, paint.colour, cover * paint.alpha);
    }
  }
}

double box_distance(Point p, const std::array<double, 4>& box_xywh) {
  const auto& [x, y, w, h] = box_xywh;
  const double dx = std::abs(p.x - (x + 0.5 * w)) - 0.5 * w;
  const double dy = std::abs(p.y - (y + 0.5 * h)) - 0.5 * h;
  return std::max(dx, dy);
}

}  // namespace

void draw_line(Image& image, Point a, Point b, double width, Paint paint) {
  const double r = 0.5 * width, dx = b.x - a.x, dy = b.y - a.y;
  const double squared = dx * dx + dy * dy;
  paint_shape(image, std::min(a.x, b.x) - r, std::min(a.y, b.y) - r, std::max(a.x, b.x) + r,
              std::max(a.y, b.y) + r, paint, [&](Point p) {
                double t = squared > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / squared : 0;
                t = std::clamp(t, 0.0, 1.0);
                return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy) - r;
              });
}

void draw_disc(Image& image, Point center, double radius, Paint paint) {
  paint_shape(image, center.x - radius, center.y - radius, center.x + radius, center.y + radius,
              paint, [&](Point p) { return std::hypot(p.x - center.x, p.y - center.y) - radius; });
}

void draw_circle(Image& image, Point center, double radius, double width, Paint paint) {
  const double outer = radius + 0.5 * width;
  paint_shape(image, center.x - outer, center.y - outer, center.x + outer, center.y + outer, paint,
              [&](Point p) {
                return std::abs(std::hypot(p.x - center.x, p.y - center.y) - radius) - 0.5 * width;
              });
}

void draw_box(Image& image, std::array<double, 4> box_xywh, double width, Paint paint) {
  const auto& [x, y, w, h] = box_xywh;
  const double r = 0.5 * width;
  paint_shape(image, x - r, y - r, x + w + r, y + h + r, paint,
              [&](Point p) { return std::abs(box_distance(p, box_xywh)) - r; });
}

void fill_box(Image& image, std::array<double, 4> box_xywh, Paint paint) {
  const auto& [x, y, w, h] = box_xywh;
  paint_shape(image, x, y, x + w, y + h, paint, [&](Point p) { return box_distance(p, box_xywh); });
}

Colour jet(std::uint8_t level) {
  // OpenCV's table: ramps of 4 levels a step; its one unevenness (blue at 159) is kept.
  const int i = level;
  const auto ramp = [](int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); };
  const int red = i < 96 ? 0 : i < 160 ? 2 + 4 * (i - 96) : i < 224 ? 255 : 252 - 4 * (i - 224);
  const int green = i < 96 ? 4 * (i - 32) : i < 160 ? 255 : 252 - 4 * (i - 160);
  const int blue = i < 32 ? 128 + 4 * i : i < 96 ? 255 : i == 159 ? 1 : 254 - 4 * (i - 96);
  return {ramp(red), ramp(green), ramp(blue)};
}

void overlay_heatmap(Image& image, std::span<const float> map, int map_height, int map_width,
                     double alpha) {
  require_rgb(image);
  if (map_height < 1 || map_width < 1 ||
      map.size() != static_cast<std::size_t>(map_height) * map_width) {
    throw_error<ArgumentError>("[overlay_heatmap] {} values for a map of {} rows and {} columns",
                               map.size(), map_height, map_width);
  }
  const double step_x = double(map_width) / image.width, step_y = double(map_height) / image.height;
  for (int y = 0; y < image.height; ++y) {
    const double fy = std::clamp((y + 0.5) * step_y - 0.5, 0.0, map_height - 1.0);
    const int y0 = static_cast<int>(fy), y1 = std::min(y0 + 1, map_height - 1);
    for (int x = 0; x < image.width; ++x) {
      const double fx = std::clamp((x + 0.5) * step_x - 0.5, 0.0, map_width - 1.0);
      const int x0 = static_cast<int>(fx), x1 = std::min(x0 + 1, map_width - 1);
      const auto at = [&](int row, int column) {
        return double(map[static_cast<std::size_t>(row) * map_width + column]);
      };
      const double top = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * (fx - x0);
      const double bottom = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * (fx - x0);
      const double raw = top + (bottom - top) * (fy - y0);
      const double value = raw > 0 ? std::min(raw, 1.0) : 0.0;  // NaN shows as 0
      blend(image.row(y) + static_cast<std::ptrdiff_t>(3) * x,
            jet(static_cast<std::uint8_t>(value * 255)), alpha * std::sqrt(value));
    }
  }
}

Image as_rgb(const Image& image) {
  if (image.channels == 3) return image;
  if (image.channels != 1) {
    throw_error<ArgumentError>("[as_rgb] the picture has {} channels; 1 or 3 can be drawn on",
                               image.channels);
  }
  Image rgb(image.height, image.width, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    std::fill_n(rgb.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, image.pixels[i]);
  }
  return rgb;
}

Image tile(const std::vector<Image>& images, int columns, int gap, Colour ground) {
  if (images.empty()) return {};
  int cell_width = 0, cell_height = 0;
  for (const Image& image : images) {
    cell_width = std::max(cell_width, image.width);
    cell_height = std::max(cell_height, image.height);
  }
  columns = std::clamp(columns, 1, static_cast<int>(images.size()));
  const int rows = (static_cast<int>(images.size()) + columns - 1) / columns;
  Image sheet(rows * (cell_height + gap) + gap, columns * (cell_width + gap) + gap, 3);
  for (std::size_t i = 0; i < sheet.pixels.size(); i += 3) {
    sheet.pixels[i] = ground.r, sheet.pixels[i + 1] = ground.g, sheet.pixels[i + 2] = ground.b;
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Image rgb = as_rgb(images[i]);
    const int row = static_cast<int>(i) / columns, column = static_cast<int>(i) % columns;
    const int left = gap + column * (cell_width + gap) + (cell_width - rgb.width) / 2;
    const int top = gap + row * (cell_height + gap) + (cell_height - rgb.height) / 2;
    for (int y = 0; y < rgb.height; ++y) {
      std::copy_n(rgb.row(y), static_cast<std::size_t>(3) * rgb.width,
                  sheet.row(top + y) + static_cast<std::ptrdiff_t>(3) * left);
    }
  }
  return sheet;
}

}  // namespace akimbo::draw
