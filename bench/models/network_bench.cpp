// Whole-network times: inference as a plan, and a training step (forward, backward, Adam).
//   network_bench --mode infer --batch 1
//   network_bench --mode train --batch 8 --model pose_hrnet:width=48 --threads 2 --repeats 10
// --exact sums convolutions directly, without Winograd; --bf16 rounds their factors (inference).
// Prints one JSON line: median and 10-90 % spread in ms, GFLOP/s, peak of the allocator. With
// --serve it warms up, prints "ready", and then runs once for every line on its standard input and
// prints the ms of that run, so that bench/peers/race_networks.py can alternate with a peer.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "engine/autograd/node.h"
#include "engine/core/allocator.h"
#include "engine/core/device.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "engine/nn/init.h"
#include "engine/ops/loss.h"
#include "engine/optim/optimizer.h"
#include "engine/plan/plan.h"
#include "models/registry.h"

namespace akimbo {
namespace {

struct Settings {
  std::string mode = "infer", model = "pose_resnet:depth=50";
  int batch = 1, height = 256, width = 192, threads = 2, repeats = 10;
  bool serve = false, exact = false, bf16 = false;
};

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--serve" || key == "--exact" || key == "--bf16") {
      (key == "--serve" ? s.serve : key == "--exact" ? s.exact : s.bf16) = true;
      continue;
    }
    if (i + 1 == argc) {
      std::fprintf(stderr, "%s needs a value\n", argv[i]);
      std::exit(2);
    }
    const std::string value = argv[++i];
    if (key == "--mode") s.mode = value;
    if (key == "--batch") s.batch = std::stoi(value);
    if (key == "--model") s.model = value;
    if (key == "--height") s.height = std::stoi(value);
    if (key == "--width") s.width = std::stoi(value);
    if (key == "--threads") s.threads = std::stoi(value);
    if (key == "--repeats") s.repeats = std::stoi(value);
  }
  return s;
}

Tensor random_tensor(const Shape& shape, const char* name) {
  Tensor t = Tensor::empty(shape);
  nn::init_uniform(t, -1, 1, {1, name});
  return t;
}

// "pose_resnet:depth=50" as a section of a config.
Json section_of(const std::string& model) {
  const std::size_t colon = model.find(':');
  Json section = {{"name", model.substr(0, colon)}};
  if (colon == std::string::npos) return section;
  const std::size_t equals = model.find('=', colon);
  section[model.substr(colon + 1, equals - colon - 1)] = Json::parse(model.substr(equals + 1));
  return section;
}

// One pass, the thing that is timed.
std::function<void()> make_work(const Settings& s, models::Network& network) {
  network.train(s.mode == "train");
  const Tensor x = random_tensor({s.batch, s.height, s.width, 3}, "x");
  if (s.mode == "infer") {
    const auto plan = std::make_shared<plan::Plan>(
        [&network](const Tensor& images) { return network.outputs(images); }, x.shape(), DType::f32,
        kCpu, network.named_parameters());
    return [plan, x] { (void)plan->run(x); };
  }
  const Tensor target = random_tensor({s.batch, s.height / 4, s.width / 4, 17}, "target");
  const Tensor weight = Tensor::full({s.batch, 17}, 1);
  auto adam = std::make_shared<optim::Adam>(network.named_parameters());
  return [&network, x, target, weight, adam] {
    adam->zero_grad();
    const Tensor loss = ops::joints_mse(network.forward(x), target, weight);
    loss.backward();
    adam->step();
    if (!std::isfinite(loss.item())) std::abort();
  };
}

struct Timing {
  double wall_ms, cpu_ms;  // cpu: of all threads; on a busy machine with one thread the fairer one
};

Timing time_of(const std::function<void()>& work) {
  const std::clock_t cpu_begin = std::clock();
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - begin;
  return {wall.count(), 1000.0 * static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC};
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

long peak_rss_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

int run(const Settings& s) {
  set_num_threads(s.threads);
  set_compute_mode(
      {.winograd_inference = !s.exact, .winograd_training = !s.exact, .bf16_inference = s.bf16});
  const auto built = models::build_network(section_of(s.model), 17);
  models::Network& network = *built;
  network.init(1);
  const double macs = static_cast<double>(models::count_macs(network, s.height, s.width));
  release_cached_memory(kCpu);
  const auto work = make_work(s, network);
  work();
  work();
  reset_peak_memory(kCpu);
  std::vector<double> times;
  if (s.serve) {
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line) && line == "go";) {
      const Timing timing = time_of(work);
      times.push_back(timing.wall_ms);
      std::cout << timing.wall_ms << ' ' << timing.cpu_ms << std::endl;
    }
    if (times.empty()) return 0;
  } else {
    for (int i = 0; i < s.repeats; ++i) times.push_back(time_of(work).wall_ms);
  }
  const double median = quantile(times, 0.5);
  const double passes = s.mode == "train" ? 3 : 1;
  const Json result = {
      {"mode", s.mode},
      {"batch", s.batch},
      {"model", s.model},
      {"input", {s.height, s.width}},
      {"threads", s.threads},
      {"median_ms", median},
      {"low_ms", quantile(times, 0.1)},
      {"high_ms", quantile(times, 0.9)},
      {"images_per_s", 1000 * s.batch / median},
      {"gflop_per_s", 2e-6 * macs * s.batch * passes / median},
      {"peak_tensor_mib", static_cast<double>(memory_report(kCpu).peak_bytes) / 1048576.0},
      {"peak_rss_mib", static_cast<double>(peak_rss_kib()) / 1024.0}};
  std::cout << result.dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace akimbo

int main(int argc, char** argv) { return akimbo::run(akimbo::parse(argc, argv)); }
