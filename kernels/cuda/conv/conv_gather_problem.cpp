// Sets up gather products (conv_gather.h) and chooses their tiles. Host code only.
#include <algorithm>
#include <numeric>

#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/fastest.h"

namespace akimbo::kernels::cuda {
namespace {

// Pixel and sum indices are 32-bit in the kernels, with room for the steps past the end.
constexpr std::int64_t kMaxIndex = std::int64_t{1} << 29;
// Coordinates stay far from the loaders' "nowhere", 2^29.
constexpr std::int64_t kMaxCoordinate = std::int64_t{1} << 28;

struct AxisPlan {
  GatherAxis axis;
  std::vector<PhaseAxis> phases;
};

// i = j * stride - padding + tap * dilation, read at i.
AxisPlan small_to_big_axis(const AxisParams& p, int out_extent, int source_extent,
                           int filter_extent) {
  const GatherAxis axis{.out_stride = 1,
                        .source_stride = static_cast<int>(p.stride),
                        .tap_step = static_cast<int>(p.dilation),
                        .tap_stride = 1,
                        .out_extent = out_extent,
                        .source_extent = source_extent,
                        .filter_extent = filter_extent};
  return {axis,
          {{.count = out_extent,
            .source_offset = static_cast<int>(-p.padding),
            .taps = filter_extent}}};
}

// The same pixels, read at j. Output pixel i = b * stride + residue meets the taps with
// (residue + padding - tap * dilation) divisible by the stride: one in stride / gcd(stride,
// dilation).
AxisPlan big_to_small_axis(const AxisParams& p, int out_extent, int source_extent,
                           int filter_extent) {
  const std::int64_t every = p.stride / std::gcd(p.stride, p.dilation);
  AxisPlan plan{.axis = {.out_stride = static_cast<int>(p.stride),
                         .source_stride = 1,
                         .tap_step = static_cast<int>(-(every * p.dilation / p.stride)),
                         .tap_stride = static_cast<int>(every),
                         .out_extent = out_extent,
                         .source_extent = source_extent,
                         .filter_extent = filter_extent},
                .phases = {}};
  for (std::int64_t residue = 0; residue < std::min<std::int64_t>(p.stride, out_extent);
       ++residue) {
    PhaseAxis phase{.count = static_cast<int>((out_extent - residue + p.stride - 1) / p.stride),
                    .out_offset = static_cast<int>(residue),
                    .taps = 0};
    for (std::int64_t tap = 0; tap < std::min<std::int64_t>(every, filter_extent); ++tap) {
      const std::int64_t distance = residue + p.padding - tap * p.dilation;
      if (distance % p.stride != 0) continue;
      phase.first_tap = static_cast<int>(tap);
      phase.taps = static_cast<int>((filter_extent - tap + every - 1) / every);
      phase.source_offset = static_cast<int>(distance / p.stride);
    }
    plan.phases.push_back(phase);
  }
  return plan;
}

GatherPhase make_phase(const PhaseAxis& rows, const PhaseAxis& cols, std::int64_t images) {
  const std::int64_t pixels = std::int64_t{rows.count} * cols.count;
  return {.rows = rows,
          .cols = cols,
          .pixels = static_cast<int>(images * pixels),
          .by_image = device::FastDivisor(std::max<std::int64_t>(1, pixels)),
          .by_cols = device::FastDivisor(std::max(1, cols.count)),
          .by_taps_x = device::FastDivisor(std::max(1, cols.taps))};
}

int taps_of(const GatherPhase& phase) { return phase.rows.taps * phase.cols.taps; }

// Longest sums first, so that the last blocks to start are short.
std::vector<GatherPhase> make_phases(const AxisPlan& rows, const AxisPlan& cols,
                                     std::int64_t images) {
  std::vector<GatherPhase> phases;
  for (const PhaseAxis& r : rows.phases) {
    for (const PhaseAxis& c : cols.phases) phases.push_back(make_phase(r, c, images));
  }
  std::stable_sort(phases.begin(), phases.end(), [](const GatherPhase& a, const GatherPhase& b) {
    return taps_of(a) > taps_of(b);
  });
  return phases;
}

std::vector<GatherProblem> split_phases(const GatherProblem& common,
                                        const std::vector<GatherPhase>& phases) {
  std::vector<GatherProblem> problems;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    if (i % kMaxPhases == 0) problems.push_back(common);
    GatherProblem& p = problems.back();
    p.phases[p.num_phases++] = phases[i];
  }
  return problems;
}

}  // namespace

PlaneParams plane_of(const Conv2dParams& p) {
  const AxisParams axis{p.stride, p.padding, p.dilation};
  return {axis, axis, p.groups};
}

bool gather_fits(const Shape& source, const Shape& filter, const PlaneParams& params,
                 const Shape& y) {
  const auto pixels = [](const Shape& s) { return s[0] * s[1] * s[2]; };
  const auto reach = [&](const AxisParams& p, int axis) {
    return p.padding + p.dilation * filter[axis] + p.stride * std::max(y[axis], source[axis]);
  };
  return pixels(source) < kMaxIndex && pixels(y) < kMaxIndex && filter.numel() < kMaxIndex &&
         source[3] < kMaxIndex && reach(params.rows, 1) < kMaxCoordinate &&
         reach(params.cols, 2) < kMaxCoordinate && params.groups <= 65535;
}

std::vector<GatherProblem> make_gather(Direction direction, Order filter_order, ConstView source,
                                       ConstView filter, const PlaneParams& params, ConstView y) {
  const auto axis = [&](int i) {
    const AxisParams& p = i == 1 ? params.rows : params.cols;
    const int out = static_cast<int>(y.dim(i)), in = static_cast<int>(source.dim(i));
    const int taps = static_cast<int>(filter.dim(i));
    return direction == Direction::small_to_big ? small_to_big_axis(p, out, in, taps)
                                                : big_to_small_axis(p, out, in, taps);
  };
  const AxisPlan rows = axis(1), cols = axis(2);
  const int channels = static_cast<int>(source.dim(3) / params.groups);
  const GatherProblem common{
      .source = source.pointer,
      .filter = filter.pointer,
      .filter_order = filter_order,
      .rows = rows.axis,
      .cols = cols.axis,
      .images = static_cast<int>(y.dim(0)),
      .groups = static_cast<int>(params.groups),
      .channels = channels,
      .outputs = static_cast<int>(y.dim(3) / params.groups),
      .by_channels = device::FastDivisor(std::max(1, channels)),
  };
  return split_phases(common, make_phases(rows, cols, y.dim(0)));
}

GatherProblem make_product(Order b_order, ConstView a, ConstView b) {
  const std::int64_t m = a.dim(0), k = a.dim(1);
  const std::int64_t n = b.dim(b_order == Order::k_contiguous ? 0 : 1);
  return make_gather(Direction::small_to_big, b_order, {a.pointer, a.dtype, {1, 1, m, k}},
                     {b.pointer, b.dtype, {n, 1, 1, k}}, {}, {nullptr, a.dtype, {1, 1, m, n}})[0];
}

// ---- the choice of a tile ----

TileExtents extents_of(GatherTile tile) {
  switch (tile) {
    case GatherTile::wgmma_m128n256: return {128, 256};
    case GatherTile::wgmma_m256n64:
    case GatherTile::m256n64: return {256, 64};
    case GatherTile::wgmma_m128n128:
    case GatherTile::m128n128: return {128, 128};
    case GatherTile::wgmma_m128n64:
    case GatherTile::m128n64: return {128, 64};
    case GatherTile::wgmma_m128n32:
    case GatherTile::m128n32: return {128, 32};
    case GatherTile::m64n64: return {64, 64};
  }
  return {};
}

double slice_cost(TileExtents t) {
  const double multiply = static_cast<double>(t.m) * t.n, fetch = 64.0 * (t.m + t.n);
  return std::max(multiply, fetch) + 0.2 * std::min(multiply, fetch);
}

std::vector<GatherTile> gather_tiles(Product product) {
  using enum GatherTile;
  switch (product) {
    case Product::f32: return {m128n128, m64n64};
    case Product::tf32: return {m128n128, m128n64, m64n64};
    case Product::bf16:
    case Product::f16: return {m128n128, m256n64, m128n64, m128n32, m64n64};
  }
  return {};
}

std::vector<GatherTile> wgmma_gather_tiles() {
  using enum GatherTile;
  return {wgmma_m128n256, wgmma_m128n128, wgmma_m256n64, wgmma_m128n64, wgmma_m128n32};
}

namespace {

// Blocks that the rule plans for. Fixed, not the device's own count, so that the cut of a sum, and
// with it the last bits of a result, are the same on every device.
constexpr std::int64_t kMultiprocessors = 132;
constexpr std::int64_t kSliceTerms = 32;
constexpr std::int64_t kMinSplitSlices = 4;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

struct Volume {
  std::int64_t tiles = 0;   // of all phases and groups
  std::int64_t slices = 0;  // of the longest sum
};

Volume volume_of(const GatherProblem& p, TileExtents t) {
  Volume v;
  for (int i = 0; i < p.num_phases; ++i) {
    v.tiles += ceil_div(p.phases[i].pixels, t.m);
    v.slices =
        std::max(v.slices, ceil_div(std::int64_t{taps_of(p.phases[i])} * p.channels, kSliceTerms));
  }
  v.tiles *= ceil_div(p.outputs, t.n) * p.groups;
  return v;
}

// Time in units of slice_cost: a multiprocessor works on its share of
// the blocks, and needs two at a time to be busy; each block pays some slices to start and to
// store; split sums are written and read once more, in f32, from memory shared by all.
double estimated_time(const GatherProblem& p, TileExtents t, std::int64_t splits) {
  constexpr double kStartSlices = 6, kTrafficCost = 0.25;
  const Volume v = volume_of(p, t);
  const std::int64_t rounds =
      std::max<std::int64_t>(2, ceil_div(v.tiles * splits, kMultiprocessors));
  const double slices = static_cast<double>(ceil_div(v.slices, splits)) + kStartSlices;
  double time = static_cast<double>(rounds) * slice_cost(t) * slices;
  if (splits > 1) {
    const double sums = static_cast<double>(v.tiles) * t.m * t.n;
    time += kTrafficCost * sums * static_cast<double>(2 * splits) * 64 / kMultiprocessors +
            8 * 64 * 64;  // one more launch
  }
  return time;
}

}  // namespace

std::vector<GatherChoice> gather_candidates(Product product, const GatherProblem& problem) {
  std::vector<GatherTile> tiles = gather_tiles(product);
  if (wgmma_is_on() && wgmma_takes(product, problem)) {
    for (const GatherTile tile : wgmma_gather_tiles()) tiles.push_back(tile);
  }
  std::vector<GatherChoice> candidates;
  for (const GatherTile tile : tiles) {
    const std::int64_t slices = volume_of(problem, extents_of(tile)).slices;
    for (const int splits : {1, 2, 3, 4, 6, 8, 12, 16}) {
      if (splits > 1 && slices < splits * kMinSplitSlices) break;
      candidates.push_back({tile, splits});
    }
  }
  return candidates;
}

GatherChoice choose_gather(Product product, const GatherProblem& problem) {
  return fastest(gather_candidates(product, problem), [&](const GatherChoice& choice) {
    const double time = estimated_time(problem, extents_of(choice.tile), choice.splits);
    return is_wgmma(choice.tile) ? time * wgmma_time_factor(problem.channels, slice_terms(problem))
                                 : time;
  });
}

}  // namespace akimbo::kernels::cuda
