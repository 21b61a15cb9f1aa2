// Pictures per second of `akimbo synth`, whole and by stage, on one thread (pictures are made
// independently, so threads multiply it). Run with --benchmark_format=json for a record.
#include <benchmark/benchmark.h>

#include "datasets/synth/background.h"
#include "datasets/synth/synth.h"

namespace akimbo::synth {
namespace {

// Width, height and the most people; the first is the default of `akimbo synth`.
void sizes(benchmark::internal::Benchmark* b) {
  b->Args({320, 240, 3})->Args({384, 288, 3})->Args({640, 480, 6});
  b->Unit(benchmark::kMillisecond)->MinTime(2);
}

SynthOptions options_of(const benchmark::State& state) {
  SynthOptions options{.seed = 1};
  options.scene = {.width = static_cast<int>(state.range(0)),
                   .height = static_cast<int>(state.range(1)),
                   .max_people = static_cast<int>(state.range(2))};
  return options;
}

// Scene, picture, labels and JPEG: all but the disk.
void whole_picture(benchmark::State& state) {
  const SynthOptions options = options_of(state);
  int index = 0;
  for (auto _ : state) {
    const SynthPicture picture = make_picture(options, index);
    std::string jpeg = encode_picture(options, index++, picture.rendering.image);
    benchmark::DoNotOptimize(jpeg);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(whole_picture)->Apply(sizes);

void solids_only(benchmark::State& state) {
  const SynthOptions options = options_of(state);
  std::uint64_t index = 0;
  for (auto _ : state) {
    const Scene scene = make_scene(options.scene, options.seed, index++);
    DepthBuffer depth = rasterize(scene.camera, scene.primitives);
    benchmark::DoNotOptimize(depth);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(solids_only)->Apply(sizes);

void background_only(benchmark::State& state) {
  const SynthOptions options = options_of(state);
  std::uint64_t index = 0;
  for (auto _ : state) {
    const Scene scene = make_scene(options.scene, options.seed, index);
    Random random(options.seed, index++, Purpose::background);
    std::vector<Vec3> picture = paint_background(scene, random);
    benchmark::DoNotOptimize(picture);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(background_only)->Apply(sizes);

}  // namespace
}  // namespace akimbo::synth

BENCHMARK_MAIN();
