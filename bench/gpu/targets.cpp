#include "bench/gpu/targets.h"

#include <algorithm>
#include <functional>

#include <fmt/core.h>

namespace akimbo::bench {
namespace {

bool is_measured(const Row& row) { return row.own.calls > 0; }

double over_vendor(const Row& row) { return row.vendor->median_us / row.own.median_us; }
double over_tuned(const Row& row) { return row.vendor->median_us / row.tuned->median_us; }

using Picks = std::function<bool(const Row&)>;
using Value = std::function<double(const Row&)>;

class Judge {
 public:
  explicit Judge(const std::vector<Row>& rows) : rows_(rows) {}

  void mean(const std::string& what, double wanted, const Picks& picks, const Value& value) {
    const std::vector<double> values = of(picks, value);
    if (values.empty()) return;
    add({.what = what + ", geometric mean", .got = geometric_mean(values), .wanted = wanted},
        values);
  }
  void least(const std::string& what, double wanted, const Picks& picks, const Value& value,
             double noise = 0) {
    const std::vector<double> values = of(picks, value);
    if (values.empty()) return;
    add({.what = what + ", least",
         .got = *std::min_element(values.begin(), values.end()),
         .wanted = wanted,
         .noise = noise},
        values);
  }
  void most(const std::string& what, double wanted, const Picks& picks, const Value& value) {
    const std::vector<double> values = of(picks, value);
    if (values.empty()) return;
    add({.what = what + ", most",
         .got = *std::max_element(values.begin(), values.end()),
         .wanted = wanted,
         .at_most = true},
        values);
  }
  std::vector<Verdict> verdicts;

 private:
  std::vector<double> of(const Picks& picks, const Value& value) const {
    std::vector<double> values;
    for (const Row& row : rows_) {
      if (is_measured(row) && picks(row)) values.push_back(value(row));
    }
    return values;
  }
  void add(Verdict verdict, const std::vector<double>& values) {
    verdict.num_rows = static_cast<int>(values.size());
    verdicts.push_back(std::move(verdict));
  }

  const std::vector<Row>& rows_;
};

bool is_layer(const Row& row) { return row.wanted_over_vendor > 0 && row.vendor.has_value(); }
Picks layers_of(Kind kind) {
  return [kind](const Row& row) { return is_layer(row) && row.kind == kind; };
}

}  // namespace

std::string verdict_of(const Row& row, const Ceilings& ceilings) {
  if (!is_measured(row)) return {};
  const auto word = [](bool reached, double wanted) {
    return reached ? std::string("pass") : fmt::format("SHORT ({})", wanted);
  };
  if (is_layer(row))
    return word(over_vendor(row) >= row.wanted_over_vendor, row.wanted_over_vendor);
  if (row.wanted_share > 0) {
    const double share = floor_us(row, ceilings) / row.own.median_us;
    return word(share >= row.wanted_share, row.wanted_share);
  }
  if (row.wanted_idle > 0 && row.device_idle >= 0) {
    return word(row.device_idle <= row.wanted_idle, row.wanted_idle);
  }
  return {};
}

std::vector<Verdict> judge(const std::vector<Row>& rows, const Ceilings& ceilings) {
  Judge judge(rows);
  judge.mean("convolutions, cuDNN's time over ours", kWantedMean, is_layer, over_vendor);
  judge.mean("of 64 channels or fewer", kWantedNarrowMean, layers_of(Kind::narrow), over_vendor);
  judge.least("convolutions, cuDNN's time over ours", kWantedLeast, is_layer, over_vendor);
  judge.least(
      "convolutions, cuDNN's time over the tuned choice's", kWantedTuned,
      [](const Row& row) { return is_layer(row) && row.tuned; }, over_tuned, kTimingNoise);
  judge.mean("4x4 stride-2 deconvolutions", kWantedSpecial, layers_of(Kind::deconv), over_vendor);
  judge.mean("3-channel stems", kWantedSpecial, layers_of(Kind::stem), over_vendor);
  judge.least(
      "kernels bound by memory, share of the copy's bandwidth", kWantedShare,
      [](const Row& row) { return row.wanted_share > 0; },
      [&](const Row& row) { return floor_us(row, ceilings) / row.own.median_us; });
  judge.most(
      "training step, device idle between kernels", kWantedIdle,
      [](const Row& row) { return row.wanted_idle > 0 && row.device_idle >= 0; },
      [](const Row& row) { return row.device_idle; });
  return std::move(judge.verdicts);
}

}  // namespace akimbo::bench
