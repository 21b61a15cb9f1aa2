// Crops per second on one core: affine warp of a 640x480 picture to 256x192, normalised into a
// batch slot. bench/peers/race_crop.py races it against OpenCV on the same crops.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/core/threads.h"
#include "engine/pose/device_crop.h"

namespace akimbo {
namespace {

constexpr int kNumCrops = 64;

// A textured picture: what the interpolation sees is not constant.
Image make_picture() {
  Image image(480, 640, 3);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < 3 * image.width; ++x) {
      image.row(y)[x] = static_cast<std::uint8_t>((7 * x + 13 * y + x * y) & 255);
    }
  }
  return image;
}

// People of varied place, size and turn; race_crop.py has the same list.
Affine make_affine(int i) {
  const double side = 120 + (71 * i) % 480;
  CenterScale region{{100.0 + (37 * i) % 440, 80.0 + (53 * i) % 320}, side / 200, side / 150};
  region.round();
  return crop_affine(region, (29 * i) % 81 - 40, {192, 256});
}

void crop(benchmark::State& state, WarpMode mode) {
  set_num_threads(1);
  const Image image = make_picture();
  std::vector<Affine> affines;
  for (int i = 0; i < kNumCrops; ++i) affines.push_back(make_affine(i));
  const Cropper cropper({.mode = mode});
  // A batch's worth of slots: the output does not stay in the cache, as in training.
  std::vector<float> batch(cropper.slot_size() * 32);
  std::size_t next = 0;
  for (auto _ : state) {
    const std::size_t slot = next % 32 * cropper.slot_size();
    cropper.crop(image, affines[next % kNumCrops], false,
                 std::span(batch).subspan(slot, cropper.slot_size()));
    benchmark::DoNotOptimize(batch.data());
    ++next;
  }
  state.SetItemsProcessed(state.iterations());
}

// What a GPU leaves of a crop to the CPU.
void pack(benchmark::State& state) {
  const Image image = make_picture();
  std::vector<Affine> affines;
  for (int i = 0; i < kNumCrops; ++i) affines.push_back(make_affine(i));
  const Cropper cropper({});
  auto packed = std::make_unique<PackedCrops>(cropper, kNumCrops);
  std::int64_t next = 0;
  for (auto _ : state) {
    packed->pack(next, image, affines[static_cast<std::size_t>(next)], false);
    if (++next < kNumCrops) continue;
    next = 0;
    packed = std::make_unique<PackedCrops>(cropper, kNumCrops);
  }
  state.SetItemsProcessed(state.iterations());
}

void warp_only(benchmark::State& state) {
  set_num_threads(1);
  const Image image = make_picture();
  int next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(warp_affine(image, make_affine(next++ % kNumCrops), {192, 256}));
  }
  state.SetItemsProcessed(state.iterations());
}

// Rates are per second of processor time: the machine may be busy with other work.
BENCHMARK_CAPTURE(crop, opencv, WarpMode::opencv);
BENCHMARK_CAPTURE(crop, fast, WarpMode::fast);
BENCHMARK(pack)->MinWarmUpTime(0.5);  // the block's first use is the system's to pay
BENCHMARK(warp_only);

// All crops in 8 bits, for the race to compare with its own before it times anything.
int dump(const char* path) {
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) return EXIT_FAILURE;
  for (int i = 0; i < kNumCrops; ++i) {
    const Image out = warp_affine(make_picture(), make_affine(i), {192, 256});
    std::fwrite(out.pixels.data(), 1, out.pixels.size(), file);
  }
  return std::fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace akimbo

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--dump") return akimbo::dump(argv[2]);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return EXIT_SUCCESS;
}
