#include "datasets/readers/rle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

constexpr double kUpsampling = 5.0;  // sub-pixel grid on which polygon edges are walked

struct Run {
  std::uint64_t begin, end;  // of ones, in column-major order
};

std::vector<Run> runs_of(const RleMask& mask) {
  std::vector<Run> runs;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < mask.counts.size(); ++i) {
    if (i % 2 == 1 && mask.counts[i] > 0) runs.push_back({at, at + mask.counts[i]});
    at += mask.counts[i];
  }
  return runs;
}

// `runs` sorted and apart from each other.
RleMask mask_of(const std::vector<Run>& runs, int height, int width) {
  RleMask mask{height, width, {}};
  std::uint64_t at = 0;
  for (const Run& run : runs) {
    mask.counts.push_back(static_cast<std::uint32_t>(run.begin - at));
    mask.counts.push_back(static_cast<std::uint32_t>(run.end - run.begin));
    at = run.end;
  }
  const std::uint64_t size = static_cast<std::uint64_t>(height) * static_cast<std::uint64_t>(width);
  if (at < size || mask.counts.empty()) {
    mask.counts.push_back(static_cast<std::uint32_t>(size - at));
  }
  return mask;
}

struct GridPoint {
  int u, v;
};

int to_grid(double value) {
  const double scaled = kUpsampling * value + 0.5;
  constexpr double kLimit = 1e9;  // beyond every picture, and safe to subtract
  return static_cast<int>(std::clamp(scaled, -kLimit, kLimit));
}

// Appends all grid points of the edge from a to b, both included.
void walk_edge(GridPoint a, GridPoint b, std::vector<GridPoint>& out) {
  const int dx = std::abs(b.u - a.u), dy = std::abs(a.v - b.v);
  const bool swapped = (dx >= dy && a.u > b.u) || (dx < dy && a.v > b.v);
  if (swapped) std::swap(a, b);
  const int length = std::max(dx, dy);
  double slope = 0.0;
  if (length > 0) {
    slope = dx >= dy ? static_cast<double>(b.v - a.v) / dx : static_cast<double>(b.u - a.u) / dy;
  }
  for (int step = 0; step <= length; ++step) {
    const int t = swapped ? length - step : step;
    if (dx >= dy) {
      out.push_back({a.u + t, static_cast<int>(a.v + slope * t + 0.5)});
    } else {
      out.push_back({static_cast<int>(a.u + slope * t + 0.5), a.v + t});
    }
  }
}

// Column-major positions at which the polygon's border crosses from one column to the next.
std::vector<std::uint64_t> crossings(const std::vector<GridPoint>& border, int height, int width) {
  std::vector<std::uint64_t> places;
  for (std::size_t j = 1; j < border.size(); ++j) {
    const GridPoint a = border[j - 1], b = border[j];
    if (a.u == b.u) continue;
    double x = b.u < a.u ? b.u : b.u - 1;
    x = (x + 0.5) / kUpsampling - 0.5;
    if (std::floor(x) != x || x < 0 || x > width - 1) continue;
    double y = std::min(a.v, b.v);
    y = std::ceil(std::clamp((y + 0.5) / kUpsampling - 0.5, 0.0, static_cast<double>(height)));
    places.push_back(static_cast<std::uint64_t>(x) * static_cast<std::uint64_t>(height) +
                     static_cast<std::uint64_t>(y));
  }
  return places;
}

}  // namespace

std::vector<std::uint32_t> rle_counts_from_string(std::string_view text) {
  std::vector<std::uint32_t> counts;
  std::size_t at = 0;
  while (at < text.size()) {
    std::int64_t value = 0;
    int shift = 0;
    bool more = true;
    while (more) {
      const int group = at < text.size() ? static_cast<unsigned char>(text[at]) - 48 : -1;
      if (group < 0 || group > 63 || shift > 35) {
        throw_error<FileError>(
            "[rle] byte {} of a run-length text of {} bytes is wrong; is the "
            "text cut off?",
            at, text.size());
      }
      ++at;
      value |= static_cast<std::int64_t>(group & 0x1f) << shift;
      shift += 5;
      more = (group & 0x20) != 0;
      if (!more && (group & 0x10) != 0) value -= std::int64_t{1} << shift;
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
      throw_error<FileError>("[rle] run {} has the length {}", counts.size(), value);
    }
    counts.push_back(static_cast<std::uint32_t>(value));
  }
  return counts;
}

std::string rle_string(std::span<const std::uint32_t> counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::int64_t value = counts[i];
    if (i > 2) value -= counts[i - 2];
    bool more = true;
    while (more) {
      const int group = static_cast<int>(value & 0x1f);
      value >>= 5;
      more = (group & 0x10) != 0 ? value != -1 : value != 0;
      text += static_cast<char>(48 + group + (more ? 0x20 : 0));
    }
  }
  return text;
}

std::uint64_t rle_area(std::span<const std::uint32_t> counts) {
  std::uint64_t area = 0;
  for (std::size_t i = 1; i < counts.size(); i += 2) area += counts[i];
  return area;
}

RleMask rle_from_polygon(std::span<const double> xy, int height, int width) {
  if (xy.size() < 2 || xy.size() % 2 != 0 || height < 0 || width < 0) {
    throw_error<ArgumentError>("[rle] a polygon of {} numbers for a mask of {} x {}", xy.size(),
                               height, width);
  }
  for (const double value : xy) {
    if (!std::isfinite(value)) throw_error<ArgumentError>("[rle] a polygon holds NaN or infinity");
  }
  // A vertex outside a sane range would walk millions of grid points.
  const double reach = 4.0 * (static_cast<double>(height) + width) + 1000.0;
  std::vector<GridPoint> corners;
  for (std::size_t i = 0; i + 1 < xy.size(); i += 2) {
    corners.push_back(
        {to_grid(std::clamp(xy[i], -reach, reach)), to_grid(std::clamp(xy[i + 1], -reach, reach))});
  }
  corners.push_back(corners.front());
  std::vector<GridPoint> border;
  for (std::size_t i = 1; i < corners.size(); ++i) walk_edge(corners[i - 1], corners[i], border);

  std::vector<std::uint64_t> places = crossings(border, height, width);
  places.push_back(static_cast<std::uint64_t>(height) * static_cast<std::uint64_t>(width));
  std::sort(places.begin(), places.end());
  std::uint64_t previous = 0;
  for (std::uint64_t& place : places) place -= std::exchange(previous, place);

  // A zero difference joins its neighbours; the first run stays even if it is empty.
  RleMask mask{height, width, {}};
  std::size_t j = 0;
  mask.counts.push_back(static_cast<std::uint32_t>(places[j++]));
  while (j < places.size()) {
    if (places[j] > 0) {
      mask.counts.push_back(static_cast<std::uint32_t>(places[j++]));
    } else if (++j < places.size()) {
      mask.counts.back() += static_cast<std::uint32_t>(places[j++]);
    }
  }
  return mask;
}

RleMask rle_union(std::span<const RleMask> masks) {
  if (masks.empty()) return {};
  std::vector<Run> all;
  for (const RleMask& mask : masks) {
    if (mask.height != masks[0].height || mask.width != masks[0].width) {
      throw_error<ArgumentError>("[rle] masks of different sizes have no union");
    }
    const std::vector<Run> runs = runs_of(mask);
    all.insert(all.end(), runs.begin(), runs.end());
  }
  std::sort(all.begin(), all.end(), [](const Run& a, const Run& b) { return a.begin < b.begin; });
  std::vector<Run> joined;
  for (const Run& run : all) {
    if (!joined.empty() && run.begin <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, run.end);
    } else {
      joined.push_back(run);
    }
  }
  return mask_of(joined, masks[0].height, masks[0].width);
}

std::vector<std::uint8_t> rle_bitmap(const RleMask& mask) {
  const std::uint64_t size =
      static_cast<std::uint64_t>(mask.height) * static_cast<std::uint64_t>(mask.width);
  std::uint64_t total = 0;
  for (const std::uint32_t count : mask.counts) total += count;
  if (total != size) {
    throw_error<FileError>("[rle] runs of {} pixels in a mask of {} x {}", total, mask.height,
                           mask.width);
  }
  std::vector<std::uint8_t> bitmap(size, 0);
  const auto height = static_cast<std::uint64_t>(mask.height);
  const auto width = static_cast<std::uint64_t>(mask.width);
  for (const Run& run : runs_of(mask)) {
    for (std::uint64_t i = run.begin; i < run.end; ++i) {
      bitmap[i % height * width + i / height] = 1;
    }
  }
  return bitmap;
}

RleMask rle_from_bitmap(std::span<const std::uint8_t> bitmap, int height, int width) {
  if (bitmap.size() != static_cast<std::size_t>(height) * static_cast<std::size_t>(width)) {
    throw_error<ArgumentError>("[rle] a bitmap of {} pixels is not {} x {}", bitmap.size(), height,
                               width);
  }
  RleMask mask{height, width, {}};
  std::uint32_t length = 0;
  bool current = false;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const bool value = bitmap[static_cast<std::size_t>(y) * width + x] != 0;
      if (value != current) {
        mask.counts.push_back(std::exchange(length, 0));
        current = value;
      }
      ++length;
    }
  }
  mask.counts.push_back(length);
  return mask;
}

std::array<double, 4> rle_box(const RleMask& mask) {
  const std::vector<Run> runs = runs_of(mask);
  if (runs.empty() || mask.height == 0) return {0, 0, 0, 0};
  const auto height = static_cast<std::uint64_t>(mask.height);
  std::uint64_t x0 = mask.width, y0 = height, x1 = 0, y1 = 0;
  for (const Run& run : runs) {
    const std::uint64_t first = run.begin, last = run.end - 1;
    x0 = std::min(x0, first / height);
    x1 = std::max(x1, last / height);
    const bool several_columns = first / height < last / height;
    y0 = std::min(y0, several_columns ? 0 : first % height);
    y1 = std::max(y1, several_columns ? height - 1 : last % height);
  }
  return {static_cast<double>(x0), static_cast<double>(y0), static_cast<double>(x1 - x0 + 1),
          static_cast<double>(y1 - y0 + 1)};
}

double rle_iou(const RleMask& a, const RleMask& b, bool b_is_crowd) {
  if (a.height != b.height || a.width != b.width) {
    throw_error<ArgumentError>("[rle] masks of {} x {} and {} x {} have no overlap", a.height,
                               a.width, b.height, b.width);
  }
  const std::vector<Run> runs_a = runs_of(a), runs_b = runs_of(b);
  std::uint64_t shared = 0;
  for (std::size_t i = 0, j = 0; i < runs_a.size() && j < runs_b.size();) {
    const std::uint64_t begin = std::max(runs_a[i].begin, runs_b[j].begin);
    const std::uint64_t end = std::min(runs_a[i].end, runs_b[j].end);
    if (begin < end) shared += end - begin;
    if (runs_a[i].end < runs_b[j].end) {
      ++i;
    } else {
      ++j;
    }
  }
  if (shared == 0) return 0.0;
  const std::uint64_t area_a = rle_area(a.counts);
  const std::uint64_t whole = b_is_crowd ? area_a : area_a + rle_area(b.counts) - shared;
  return static_cast<double>(shared) / static_cast<double>(whole);
}

double box_iou(const std::array<double, 4>& a, const std::array<double, 4>& b, bool b_is_crowd) {
  const double width = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0.0;
  const double shared = width * height;
  return shared / (b_is_crowd ? a[2] * a[3] : a[2] * a[3] + b[2] * b[3] - shared);
}

}  // namespace akimbo::datasets
