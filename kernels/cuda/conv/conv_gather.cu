// The gather product (conv_gather.h): runs a problem with a chosen tile, and adds up split sums.
#include "kernels/cuda/conv/conv_gather.h"

#include <algorithm>
#include <optional>

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv/conv_finish.cuh"
#include "kernels/cuda/conv/conv_gather_products.h"
#include "kernels/cuda/conv/conv_wgmma.h"
#include "kernels/cuda/conv/conv_wgmma_products.h"

namespace akimbo::kernels::cuda {
namespace {

using device::Compute;

constexpr int kThreads = 256;

// y[i] = finish(partial[0, i] + partial[1, i] + ...), in this order.
template <typename T>
__global__ void conv_add_splits_kernel(const float* partial, int splits, std::int64_t numel,
                                       int channels, device::Finish<T> finish, T* y) {
  for (std::int64_t i = device::global_thread(); i < numel; i += device::num_global_threads()) {
    float sum = 0;
    for (int split = 0; split < splits; ++split) sum += partial[split * numel + i];
    y[i] = finish(sum, i % channels, i);
  }
}

template <typename T>
void add_splits(const Exec& exec, const device::GatherArguments& a, std::int64_t numel,
                int channels) {
  const device::Finish<T> finish{static_cast<const float*>(a.result.scale),
                                 static_cast<const float*>(a.result.shift),
                                 static_cast<const T*>(a.result.residual), a.result.relu};
  const std::int64_t blocks = std::min<std::int64_t>(device::blocks_for(numel, kThreads), 1 << 16);
  device::launch(exec, "conv_add_splits_kernel", {.grid = {blocks}, .block = {kThreads}},
                 conv_add_splits_kernel<T>, a.partial, a.splits, numel, channels, finish,
                 static_cast<T*>(a.result.y));
}

// What runs where wgmma does not.
GatherTile mma_tile_of(GatherTile tile) {
  switch (tile) {
    case GatherTile::wgmma_m128n256:
    case GatherTile::wgmma_m128n128: return GatherTile::m128n128;
    case GatherTile::wgmma_m256n64: return GatherTile::m256n64;
    case GatherTile::wgmma_m128n64: return GatherTile::m128n64;
    case GatherTile::wgmma_m128n32: return GatherTile::m128n32;
    default: return tile;
  }
}

GatherLauncher* launcher_of(Product product) {
  switch (product) {
    case Product::f32: return launch_gather_f32;
    case Product::tf32: return launch_gather_tf32;
    case Product::bf16: return launch_gather_bf16;
    case Product::f16: return launch_gather_f16;
  }
  return nullptr;
}

WgmmaGatherLauncher* wgmma_launcher_of(Product product) {
  return product == Product::bf16 ? launch_wgmma_gather_bf16 : launch_wgmma_gather_f16;
}

// Whether every row that the loaders read in pieces of 16 bytes starts at a multiple of 16 bytes.
bool pieces_are_aligned(const GatherProblem& p, std::int64_t element_bytes) {
  const std::int64_t row = p.filter_order == Order::k_contiguous ? p.channels : p.outputs;
  return device::is_aligned(p.source, p.channels * element_bytes) &&
         device::is_aligned(p.filter, row * element_bytes);
}

// Whether outputs of `row_bytes` per pixel are written, and the residual read, in such pieces.
bool rows_are_aligned(const GatherResult& result, std::int64_t row_bytes) {
  return device::is_aligned(result.y, row_bytes) && device::is_aligned(result.residual);
}

// Numbers the tiles through all phases; returns how many there are along m.
std::int64_t number_tiles(GatherProblem& p, int tile_m) {
  std::int64_t tiles = 0;
  for (int i = 0; i < p.num_phases; ++i) {
    p.phases[i].first_tile = static_cast<int>(tiles);
    tiles += device::blocks_for(p.phases[i].pixels, tile_m);
  }
  return tiles;
}

}  // namespace

void run_gather(const Exec& exec, Product product, const GatherProblem& problem,
                const GatherResult& result, const GatherChoice& choice) {
  const GatherChoice without_wgmma{mma_tile_of(choice.tile), choice.splits};
  const bool wgmma = is_wgmma(choice.tile);
  if (wgmma && !(wgmma_takes(product, problem) && rows_are_aligned(result, problem.outputs * 2))) {
    return run_gather(exec, product, problem, result, without_wgmma);
  }
  const std::int64_t channels = std::int64_t{problem.groups} * problem.outputs;
  const std::int64_t numel =
      std::int64_t{problem.images} * problem.rows.out_extent * problem.cols.out_extent * channels;
  if (numel == 0) return;
  const std::int64_t bytes = product == Product::f32 || product == Product::tf32 ? 4 : 2;
  const bool elements = !pieces_are_aligned(problem, bytes);
  const TileExtents tile = extents_of(elements ? GatherTile::m64n64 : choice.tile);

  device::GatherArguments a{.problem = problem, .result = result, .splits = choice.splits};
  const std::int64_t tiles_m = number_tiles(a.problem, tile.m);
  a.tiles_n = static_cast<int>(device::blocks_for(problem.outputs, tile.n));
  a.aligned = rows_are_aligned(result, problem.outputs * bytes);
  std::optional<Scratch<float>> partial, tile_sums;
  if (a.splits > 1) {
    partial.emplace(exec, static_cast<std::size_t>(a.splits * numel));
    a.partial = partial->data();
  } else if (result.channel_sums != nullptr) {
    tile_sums.emplace(exec, static_cast<std::size_t>(tiles_m * 2 * channels));
    a.tile_sums = tile_sums->data();
  }
  if (!wgmma) {
    launcher_of(product)(exec, a, choice.tile, tiles_m * a.tiles_n, elements);
  } else if (wgmma_launcher_of(product)(exec, a, choice.tile, tiles_m * a.tiles_n)) {
    note_wgmma_launch();
  } else {
    return run_gather(exec, product, problem, result, without_wgmma);
  }

  if (a.splits > 1) {
    if (product == Product::bf16) {
      add_splits<BFloat16>(exec, a, numel, static_cast<int>(channels));
    } else if (product == Product::f16) {
      add_splits<Float16>(exec, a, numel, static_cast<int>(channels));
    } else {
      add_splits<float>(exec, a, numel, static_cast<int>(channels));
    }
  }
  if (a.tile_sums != nullptr) {
    column_sums(exec, {a.tile_sums, DType::f32, {tiles_m, 2 * channels}},
                {result.channel_sums, DType::f32, {result.sum_parts, 2 * channels}});
  }
}

}  // namespace akimbo::kernels::cuda
