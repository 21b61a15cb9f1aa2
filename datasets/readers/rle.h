// Binary masks as run lengths, the form in which COCO files keep crowd regions and segmentations:
// column by column, alternating runs of zeros and ones, zeros first. All results are those of the
// official mask routines.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace akimbo::datasets {

struct RleMask {
  int height = 0;
  int width = 0;
  std::vector<std::uint32_t> counts;
  friend bool operator==(const RleMask&, const RleMask&) = default;
};

// The compressed text of a file's "counts" and back. Throws FileError for other characters, a text
// that ends inside a number, or a negative run.
[[nodiscard]] std::vector<std::uint32_t> rle_counts_from_string(std::string_view text);
[[nodiscard]] std::string rle_string(std::span<const std::uint32_t> counts);

// Number of ones.
[[nodiscard]] std::uint64_t rle_area(std::span<const std::uint32_t> counts);

// The inside of a polygon x0, y0, x1, y1, .. in pixels; the union of several masks of one size.
[[nodiscard]] RleMask rle_from_polygon(std::span<const double> xy, int height, int width);
[[nodiscard]] RleMask rle_union(std::span<const RleMask> masks);

// Row-major [H, W], 0 or 1. Throws FileError when the runs do not fill the mask.
[[nodiscard]] std::vector<std::uint8_t> rle_bitmap(const RleMask& mask);
[[nodiscard]] RleMask rle_from_bitmap(std::span<const std::uint8_t> bitmap, int height, int width);

// x, y, width, height of the smallest box around the ones; a run over a column border counts as the
// whole height. Zeros for an empty mask.
[[nodiscard]] std::array<double, 4> rle_box(const RleMask& mask);

// Shared ones over ones of either; for a crowd (`b`) over the ones of `a`.
[[nodiscard]] double rle_iou(const RleMask& a, const RleMask& b, bool b_is_crowd = false);
// The same of boxes x, y, width, height.
[[nodiscard]] double box_iou(const std::array<double, 4>& a, const std::array<double, 4>& b,
                             bool b_is_crowd = false);

}  // namespace akimbo::datasets
