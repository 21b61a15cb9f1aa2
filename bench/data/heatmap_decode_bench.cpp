// Decoding heatmaps of 64 x 48 x 17: flip average, arg-max, quarter offset, back to the image.
#include <benchmark/benchmark.h>

#include "engine/pose/heatmap_decode.h"

namespace {

using namespace akimbo;

constexpr std::int64_t kCrops = 256;

Tensor made_up_heatmaps() {
  Tensor maps = Tensor::empty({kCrops, 64, 48, 17});
  std::uint64_t state = 1;
  float* values = maps.data<float>();
  for (std::int64_t i = 0; i < maps.numel(); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    values[i] = static_cast<float>(state >> 40) * 0x1p-24f;
  }
  return maps;
}

void decode(benchmark::State& state) {
  const Tensor maps = made_up_heatmaps();
  const CenterScale region{{130, 150}, 0.9375, 1.25};
  for (auto _ : state) {
    const std::vector<Affine> matrices(kCrops, heatmap_to_image(region, {48, 64}));
    benchmark::DoNotOptimize(decode_heatmaps(maps, matrices));
  }
  state.SetItemsProcessed(state.iterations() * kCrops);
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond)->UseRealTime();

void flip_average(benchmark::State& state) {
  const Tensor maps = made_up_heatmaps();
  const std::vector<int> pairs = {0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15};
  for (auto _ : state) benchmark::DoNotOptimize(average_flipped(maps, maps, pairs, true));
  state.SetItemsProcessed(state.iterations() * kCrops);
}
BENCHMARK(flip_average)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
