// Samples per second from files to batches: decode, crop, normalise, targets; with the pictures
// decoded anew each time and with the cache. Rates are per second of the process's processor time.
//   loader_bench          writes its own JPEG files of 640x480 into the temporary folder
#include <benchmark/benchmark.h>

#include <filesystem>

#include "datasets/loader.h"
#include "datasets/meta.h"

namespace akimbo::datasets {
namespace {

namespace fs = std::filesystem;

constexpr int kNumImages = 16;

// Photographs are smooth with edges: blocks of colour with a gradient, quality 90.
PersonSet make_set(const fs::path& folder) {
  fs::create_directories(folder);
  PersonSet set{"bench", 17, {}, {}};
  RandomStream random(1);
  for (int i = 0; i < kNumImages; ++i) {
    Image image(480, 640, 3);
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < 3 * image.width; ++x) {
        const int block = ((x / 120 + i) * 37 + (y / 40) * 53) % 160;
        image.row(y)[x] = static_cast<std::uint8_t>(block + (x + y) / 40 + random.below(8));
      }
    }
    const std::string name = std::to_string(i) + ".jpg";
    write_jpeg(folder / name, image, 90);
    set.images.push_back({i, name, 640, 480});
    for (int p = 0; p < 2; ++p) {
      PersonRecord person{.image_index = i, .annotation_id = 2 * i + p};
      person.box_image = {100.0 + 150 * p, 60, 140, 320};
      person.region = box_to_center_scale(person.box_image, 0.75);
      person.joints.assign(17, Joint{{180.0 + 150 * p, 200}, 1});
      set.people.push_back(person);
    }
  }
  return set;
}

void load(benchmark::State& state, WarpMode warp, std::int64_t cache_bytes, bool on_disk = false,
          bool packed = false) {
  const fs::path folder = fs::temp_directory_path() / "akimbo_loader_bench";
  PersonSet people = make_set(folder);
  const auto disk = std::make_shared<DiskCache>(folder / "cache", std::int64_t{1} << 30);
  const TopDownDataset dataset(std::move(people), ImageSource::open(folder),
                               skeleton_by_name("coco"),
                               {.warp = warp,
                                .augment = AugmentOptions{},
                                .cache_bytes = cache_bytes,
                                .disk_cache = on_disk ? disk : nullptr});
  std::int64_t epoch = 0;
  for (auto _ : state) {
    BatchLoader loader(
        dataset,
        {.batch_size = 32, .shuffle = true, .epoch = epoch++, .workers = 2, .packed = packed});
    while (loader.has_next()) benchmark::DoNotOptimize(loader.next());
  }
  state.SetItemsProcessed(state.iterations() * dataset.size());
  fs::remove_all(folder);
}

BENCHMARK_CAPTURE(load, opencv_decoding, WarpMode::opencv, 0)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(load, fast_decoding, WarpMode::fast, 0)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(load, fast_from_disk_cache, WarpMode::fast, 0, true)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(load, opencv_cached, WarpMode::opencv, 1 << 28)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(load, fast_cached, WarpMode::fast, 1 << 28)->MeasureProcessCPUTime();

// What is left to the CPU where a GPU cuts the crops and draws the targets.
BENCHMARK_CAPTURE(load, packed_decoding, WarpMode::opencv, 0, false, true)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(load, packed_cached, WarpMode::opencv, 1 << 28, false, true)
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace akimbo::datasets

BENCHMARK_MAIN();
