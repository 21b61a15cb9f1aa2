// Whole networks on random weights and pictures: latency of one image, throughput of batches,
// training steps; each as it comes from the host and replayed as a graph (inference: of a plan),
// and training also in lanes, as `akimbo train` runs it. The differences are the time lost to
// launches, for inference what the plan fuses, and what running side by side gains. How long the
// device idles between the kernels of a replayed step is bounded from above: by their number times
// what a chain of kernels costs that have nothing to do.
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "bench/gpu/providers.h"
#include "bench/gpu/run.h"
#include "bench/gpu/targets.h"
#include "engine/autograd/node.h"
#include "engine/core/allocator.h"
#include "engine/core/dispatch.h"
#include "engine/core/graph.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/loss.h"
#include "engine/optim/optimizer.h"
#include "engine/plan/plan.h"
#include "kernels/elementwise.h"
#include "models/estimators/pose_hrnet.h"
#include "models/estimators/pose_resnet.h"

namespace akimbo::bench {
namespace {

struct NetworkCase {
  std::string name;
  std::unique_ptr<models::Network> (*make)(bool quick);
};

const NetworkCase kNetworks[] = {
    {"pose_resnet50",
     [](bool quick) -> std::unique_ptr<models::Network> {
       models::PoseResNetOptions options{.backbone = {.depth = quick ? 18 : 50}};
       if (quick) options.backbone.width = 4;
       if (quick) options.head.filters = {8, 8, 8};
       return std::make_unique<models::PoseResNet>(options);
     }},
    {"pose_hrnet_w32",
     [](bool quick) -> std::unique_ptr<models::Network> {
       models::PoseHRNetOptions options;
       if (quick) options.backbone = {.width = 4, .modules = {1, 1, 1}, .blocks = 1};
       return std::make_unique<models::PoseHRNet>(options);
     }},
};

struct Inputs {
  Tensor x, target, weight;
};

Inputs make_inputs(const Run& run, std::int64_t batch) {
  const std::int64_t h = run.settings.quick ? 32 : 256, w = run.settings.quick ? 32 : 192;
  return {random_tensor({batch, h, w, 3}, DType::f32, run.device, 1, -2, 2),
          random_tensor({batch, h / 4, w / 4, 17}, DType::f32, run.device, 2, 0, 1),
          Tensor::full({batch, 17}, 1, DType::f32, run.device)};
}

// Activations in bf16, weights and losses in f32, as training does.
Tensor forward(models::Network& network, const Tensor& x) {
  return ops::cast(network.forward(ops::cast(x, DType::bf16)), DType::f32);
}

std::string label(const NetworkCase& n, const char* what, std::int64_t batch) {
  return n.name + " " + what + ", batch " + std::to_string(batch);
}

double megabytes(std::size_t bytes) { return static_cast<double>(bytes) / 1048576; }

// Of one kernel after another in a graph, each of one element: its own work, little as it is, and
// the gap to the next.
double empty_kernel_us(Run& run) {
  const Tensor x = random_tensor({1}, DType::f32, run.device, 1);
  Tensor y = Tensor::empty({1}, DType::f32, run.device);
  return run.timer
      .kernel(1,
              [&](int) {
                AKIMBO_KERNEL(run.device, add_forward)
                (exec_of(run.device), view_of(x), view_of(x), mutable_view_of(y));
              })
      .median_us;
}

struct Recorded {
  std::function<void()> work;
  std::function<void()> before;  // each replay, or null
  bool training = false;
  std::function<void()> prepare = {};  // in lanes: what comes first
};

// Times the replays; the note gets the time that launches took and, of training, the bound of the
// device's idle time.
void measure_graph(Run& run, const Recorded& recorded, double eager_us, Row& row) {
  synchronize(run.device);
  release_cached_memory(run.device);
  reset_peak_memory(run.device);
  Graph graph(run.device);
  if (recorded.prepare) {
    graph.capture_side_by_side(recorded.prepare, recorded.work, {});
  } else {
    graph.capture(recorded.work);
  }
  row.own = run.timer.eager([&] {
    if (recorded.before) recorded.before();
    graph.replay();
  });
  row.peak_mib = megabytes(memory_report(run.device).peak_bytes);
  row.note = fmt::format("{:.0f} MiB", row.peak_mib);
  if (recorded.prepare) row.note += fmt::format(", {} lanes", graph.num_lanes());
  if (eager_us > 0) {
    row.note +=
        fmt::format(", eager lost {:.0f} % to launches", 100 * (1 - row.own.median_us / eager_us));
  }
  if (!recorded.training) return;
  const auto kernels = static_cast<double>(graph.num_nodes());
  row.device_idle = kernels * empty_kernel_us(run) / row.own.median_us;
  row.wanted_idle = kWantedIdle;
  row.note += fmt::format(", {:.0f} kernels, idle between them at most {:.2f} %", kernels,
                          100 * row.device_idle);
}

// Adds the eager row and the graph's.
void add_rows(Run& run, const std::string& section, const std::string& name, std::int64_t batch,
              const std::function<void()>& eager, const Recorded& recorded) {
  const auto images = static_cast<double>(batch);
  double eager_us = 0;
  Row row{.section = section, .name = name, .pass = "eager", .dtype = "bf16", .images = images};
  run.row(row, [&](Row& r) {
    eager();
    synchronize(run.device);
    reset_peak_memory(run.device);
    r.own = run.timer.eager(eager);
    r.peak_mib = megabytes(memory_report(run.device).peak_bytes);
    r.note = fmt::format("{:.0f} MiB", r.peak_mib);
    eager_us = r.own.median_us;
  });
  row.pass = "graph";
  run.row(row, [&](Row& r) { measure_graph(run, recorded, eager_us, r); });
}

void run_inference(Run& run, const std::string& section, const NetworkCase& n,
                   models::Network& network, std::int64_t batch) {
  network.train(false);
  const Inputs inputs = make_inputs(run, batch);
  const auto work = [&] {
    const autograd::NoGrad no_grad;
    (void)forward(network, inputs.x);
  };
  // As predict and eval run it: steps fused, branches side by side, replayed.
  const autograd::NoGrad no_grad;
  plan::Plan plan([&](const Tensor& x) { return network.outputs(x); }, inputs.x.shape(),
                  DType::bf16, run.device, network.named_parameters());
  const auto planned = [&] {
    (void)ops::cast(plan.run(ops::cast(inputs.x, DType::bf16)).front().second, DType::f32);
  };
  planned();
  add_rows(run, section, label(n, "inference", batch), batch, work, {planned, {}});
}

void run_training(Run& run, const std::string& section, const NetworkCase& n,
                  models::Network& network, std::int64_t batch) {
  network.train(true);
  const Inputs inputs = make_inputs(run, batch);
  optim::Adam adam(network.named_parameters());
  const auto compute = [&] {
    ops::joints_mse(forward(network, inputs.x), inputs.target, inputs.weight).backward();
    adam.apply_step();
  };
  const auto eager = [&] {
    adam.zero_grad();
    adam.begin_step();
    compute();
  };
  const auto recorded = [&] {
    adam.zero_grad();
    compute();
  };
  const auto before = [&] { adam.begin_step(); };
  const std::string name = label(n, "training", batch);
  add_rows(run, section, name, batch, eager, {recorded, before, true});
  // Ops that do not need each other side by side.
  Row lanes{.section = section,
            .name = name,
            .pass = "lanes",
            .dtype = "bf16",
            .images = static_cast<double>(batch)};
  run.row(lanes, [&](Row& r) {
    measure_graph(
        run, {recorded, before, true, [&] { ops::refresh_rounded(network.parameters()); }}, 0, r);
  });
}

}  // namespace

void run_networks(Run& run) {
  const std::string section = "networks, 256x192, bf16 activations";
  const bool quick = run.settings.quick;
  use_conv_provider(quick ? ConvProvider::own : ConvProvider::tuned);
  // Two images: batch norm needs more than one value.
  const std::vector<std::int64_t> batches =
      quick ? std::vector<std::int64_t>{2} : std::vector<std::int64_t>{1, 64, 256};
  for (const NetworkCase& n : kNetworks) {
    const auto each = [&](const char* what, const auto& run_one) {
      try {
        run_one();
      } catch (const std::exception& e) {
        run.report.add({.section = section,
                        .name = n.name + " " + what,
                        .note = std::string("failed: ") + e.what()});
      }
      release_cached_memory(run.device);
    };
    const std::unique_ptr<models::Network> network = n.make(quick);
    network->init(1);
    network->to(run.device);
    for (const std::int64_t batch : batches) {
      each("inference", [&] { run_inference(run, section, n, *network, batch); });
      // The emulator takes seconds for a step of HRNet, whose kernels ResNet's step runs too.
      if (quick && n.name != kNetworks[0].name) continue;
      if (batch > 1) each("training", [&] { run_training(run, section, n, *network, batch); });
    }
  }
  run.report.print(section);
}

}  // namespace akimbo::bench
