// The COCO keypoint evaluator on a set of the size of val2017: 5,000 images, 104,000 results.
//
//   coco_eval_bench [Google Benchmark flags]           a set made here, in memory
//   coco_eval_bench --files ANNOTATIONS RESULTS        one run on files, one JSON line; for races
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "datasets/meta.h"
#include "datasets/metrics/coco_keypoints.h"
#include "engine/core/error.h"
#include "kernels/common/parallel.h"

namespace {

using namespace akimbo;
using namespace akimbo::datasets;

const CocoEvalOptions& options() {
  static const CocoEvalOptions value{.sigmas = skeleton_by_name("coco").sigmas};
  return value;
}

struct Texts {
  std::string labels, results;
};

// Splitmix64, enough for made-up poses.
struct Rng {
  std::uint64_t state = 1;
  double uniform(double low, double high) {
    state += 0x9E3779B97F4A7C15ull;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return low + (high - low) * static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
};

// 2.2 people an image, four in ten without labelled keypoints; 20.8 poses an image, most near
// nobody.
Texts make_texts() {
  constexpr int kImages = 5000, kPeople = 11004, kPoses = 104000;
  Rng rng;
  Texts texts;
  auto labels = std::back_inserter(texts.labels);
  auto results = std::back_inserter(texts.results);
  texts.labels += R"({"categories":[{"id":1}],"images":[)";
  for (int i = 1; i <= kImages; ++i) fmt::format_to(labels, "{}{{\"id\":{}}}", i > 1 ? "," : "", i);
  texts.labels += R"(],"annotations":[)";
  std::vector<std::vector<double>> people(kPeople);
  for (int p = 0; p < kPeople; ++p) {
    const double size = rng.uniform(20, 300), x = rng.uniform(0, 400), y = rng.uniform(0, 300);
    const bool labelled = rng.uniform(0, 1) < 0.58;
    for (int k = 0; k < 17; ++k) {
      const bool seen = labelled && rng.uniform(0, 1) < 0.7;
      const double px = x + rng.uniform(0, size), py = y + rng.uniform(0, size);
      people[p].insert(people[p].end(), {seen ? px : 0, seen ? py : 0, seen ? 2.0 : 0.0});
    }
    fmt::format_to(labels,
                   R"({}{{"id":{},"image_id":{},"category_id":1,"iscrowd":{},"area":{},)"
                   R"("bbox":[{},{},{},{}],"num_keypoints":{},"keypoints":[{}]}})",
                   p > 0 ? "," : "", p + 1, 1 + p % kImages, p % 50 == 0 ? 1 : 0, 0.5 * size * size,
                   x, y, size, size, labelled ? 12 : 0, fmt::join(people[p], ","));
  }
  texts.labels += "]}";
  texts.results += "[";
  for (int r = 0; r < kPoses; ++r) {
    const auto& person = people[r % kPeople];
    const bool near = r < 2 * kPeople;
    std::vector<float> pose;
    for (int k = 0; k < 17; ++k) {
      const double noise = rng.uniform(0, 12);
      const double x = near ? person[3 * k] + noise : rng.uniform(0, 640);
      const double y = near ? person[3 * k + 1] - noise : rng.uniform(0, 480);
      pose.insert(pose.end(), {static_cast<float>(x), static_cast<float>(y),
                               static_cast<float>(rng.uniform(0, 1))});
    }
    const std::vector<double> exact(pose.begin(), pose.end());
    fmt::format_to(results, R"({}{{"image_id":{},"category_id":1,"score":{},"keypoints":[{}]}})",
                   r > 0 ? "," : "", 1 + (near ? r % kPeople : r) % kImages, rng.uniform(0, 1),
                   fmt::join(exact, ","));
  }
  texts.results += "]";
  return texts;
}

const Texts& texts() {
  static const Texts value = make_texts();
  return value;
}

void parse_labels(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_coco_labels(texts().labels, 17, "labels"));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(texts().labels.size()));
}
BENCHMARK(parse_labels)->Unit(benchmark::kMillisecond)->UseRealTime();

void parse_results(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_coco_results(texts().results, 17, "results"));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(texts().results.size()));
}
BENCHMARK(parse_results)->Unit(benchmark::kMillisecond)->UseRealTime();

void evaluate(benchmark::State& state) {
  const CocoLabels labels = parse_coco_labels(texts().labels, 17, "labels");
  const CocoResults results = parse_coco_results(texts().results, 17, "results");
  kernels::set_num_threads(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(evaluate_coco_keypoints(labels, results, options()));
  }
  kernels::set_num_threads(0);
}
BENCHMARK(evaluate)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run_files(const char* annotations, const char* results_path) {
  CocoLabels labels;
  CocoResults results;
  CocoEvaluation evaluation;
  const double labels_s = seconds_of([&] { labels = read_coco_labels(annotations, 17); });
  const double results_s = seconds_of([&] { results = read_coco_results(results_path, 17); });
  const double evaluate_s =
      seconds_of([&] { evaluation = evaluate_coco_keypoints(labels, results, options()); });
  fmt::print(R"({{"read_labels_s":{},"read_results_s":{},"evaluate_s":{},"figures":[{}]}})"
             "\n",
             labels_s, results_s, evaluate_s, fmt::join(evaluation.figures, ","));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 4 && std::string_view(argv[1]) == "--files") return run_files(argv[2], argv[3]);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
