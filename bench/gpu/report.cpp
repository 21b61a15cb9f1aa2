#include "bench/gpu/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/core.h>

#include "bench/gpu/targets.h"

namespace akimbo::bench {
namespace {

Json json_of(const Timing& t) {
  return {
      {"median_us", t.median_us}, {"low_us", t.low_us}, {"high_us", t.high_us}, {"calls", t.calls}};
}

std::string own_kernel(const Row& row) {
  return row.wgmma && row.wgmma->median_us <= row.mma->median_us ? "wgmma" : "mma";
}

Json json_of(const Row& row, const Ceilings& ceilings) {
  Json json = {
      {"section", row.section}, {"name", row.name}, {"pass", row.pass}, {"dtype", row.dtype}};
  if (!row.note.empty()) json["note"] = row.note;
  if (row.error >= 0) json["relative_error"] = row.error;
  if (row.own.calls == 0) return json;
  json["own"] = json_of(row.own);
  if (row.mma) json["mma"] = json_of(*row.mma);
  if (row.wgmma) json["wgmma"] = json_of(*row.wgmma);
  if (row.wgmma) json["own_kernel"] = own_kernel(row);
  if (row.vendor) {
    json["vendor"] = json_of(*row.vendor);
    json["vendor_over_own"] = row.vendor->median_us / row.own.median_us;
  }
  if (row.tuned) json["tuned"] = json_of(*row.tuned);
  if (row.tuned && row.vendor) {
    json["vendor_over_tuned"] = row.vendor->median_us / row.tuned->median_us;
  }
  if (row.flops > 0) json["tflop_per_s"] = row.flops / row.own.median_us * 1e-6;
  if (row.bytes > 0) json["gb_per_s"] = row.bytes / row.own.median_us * 1e-3;
  if (row.images > 0) json["images_per_s"] = row.images / row.own.median_us * 1e6;
  if (row.peak_mib > 0) json["peak_mib"] = row.peak_mib;
  const double floor = floor_us(row, ceilings);
  if (floor > 0) {
    json["floor_us"] = floor;
    json["share_of_roofline"] = floor / row.own.median_us;
  }
  if (row.device_idle >= 0) json["device_idle_at_most"] = row.device_idle;
  if (const std::string word = verdict_of(row, ceilings); !word.empty()) json["target"] = word;
  return json;
}

std::string number(double value, const char* unit) {
  return value > 0 ? fmt::format("{:.1f} {}", value, unit) : std::string("-");
}

void print_row(const Row& row, const Ceilings& ceilings) {
  const std::string label = row.name + (row.pass.empty() ? "" : " " + row.pass);
  if (row.own.calls == 0) {
    fmt::print("  {:<46} {}\n", label, row.note);
    return;
  }
  const double us = row.own.median_us;
  const double floor = floor_us(row, ceilings);
  std::string rate = "-";
  if (row.images > 0) {
    rate = fmt::format("{:.0f} img/s", row.images / us * 1e6);
  } else if (row.flops > 0) {
    rate = number(row.flops / us * 1e-6, "TF/s");
  } else if (row.bytes > 0) {
    rate = number(row.bytes / us * 1e-3, "GB/s");
  }
  std::string words = row.wgmma ? "  " + own_kernel(row) : "";
  if (!row.note.empty()) words += "  " + row.note;
  if (const std::string verdict = verdict_of(row, ceilings); !verdict.empty()) {
    words += "  " + verdict;
  }
  fmt::print("  {:<46} {:>5} {:>11.2f} us [{:>9.2f}, {:>9.2f}] {:>13} {:>7} {:>9} {:>9}{}\n", label,
             row.dtype, us, row.own.low_us, row.own.high_us, rate,
             floor > 0 ? fmt::format("{:.2f}", floor / us) : "-",
             row.vendor ? fmt::format("{:.2f}x", row.vendor->median_us / us) : "-",
             row.tuned ? fmt::format("{:.2f} us", row.tuned->median_us) : "-", words);
}

}  // namespace

double floor_us(const Row& row, const Ceilings& ceilings) {
  double floor = 0;
  if (ceilings.copy_bytes_per_s > 0) floor = row.bytes / ceilings.copy_bytes_per_s * 1e6;
  if (ceilings.matmul_flop_per_s > 0) {
    floor = std::max(floor, row.flops / ceilings.matmul_flop_per_s * 1e6);
  }
  return floor;
}

double geometric_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += std::log(v);
  return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
}

double allowed_error(const std::string& dtype) {
  if (dtype == "bf16") return 1e-2;
  if (dtype == "f16") return 2e-3;
  return dtype == "tf32" ? 2e-3 : 1e-4;
}

void Report::add(Row row) {
  if (row.error > allowed_error(row.dtype) || std::isnan(row.error)) {
    row.note = fmt::format("WRONG: relative error {:.2g}", row.error);
  }
  rows_.push_back(std::move(row));
}

int Report::num_wrong() const {
  return static_cast<int>(std::count_if(rows_.begin(), rows_.end(), [](const Row& row) {
    return row.note.starts_with("WRONG") || row.note.starts_with("failed");
  }));
}

void Report::print(const std::string& section) const {
  fmt::print("\n{}\n  {:<46} {:>5} {:>14} {:>22} {:>13} {:>7} {:>9} {:>9}\n", section, "", "dtype",
             "median", "10-90 %", "rate", "of roof", "cuDNN/own", "tuned");
  std::vector<double> ratios, shares;
  for (const Row& row : rows_) {
    if (row.section != section) continue;
    print_row(row, ceilings);
    if (row.own.calls == 0) continue;
    if (row.vendor) ratios.push_back(row.vendor->median_us / row.own.median_us);
    if (floor_us(row, ceilings) > 0) shares.push_back(floor_us(row, ceilings) / row.own.median_us);
  }
  if (!shares.empty()) {
    fmt::print("  share of the roofline: geometric mean {:.2f}, least {:.2f}\n",
               geometric_mean(shares), *std::min_element(shares.begin(), shares.end()));
  }
  if (!ratios.empty()) {
    fmt::print("  cuDNN's time over ours: geometric mean {:.2f}, least {:.2f}\n",
               geometric_mean(ratios), *std::min_element(ratios.begin(), ratios.end()));
  }
  std::fflush(stdout);
}

void Report::print_targets() const {
  const std::vector<Verdict> verdicts = judge(rows_, ceilings);
  if (verdicts.empty()) return;
  fmt::print("\ntargets\n");
  for (const Verdict& v : verdicts) {
    fmt::print("  {:<66} {:>6.3f}, wanted {} {:<5} {}\n", v.what, v.got,
               v.at_most ? "at most" : "at least", v.wanted, v.reached() ? "pass" : "SHORT");
  }
}

Json Report::json() const {
  Json json = header;
  json["targets"] = Json::array();
  for (const Verdict& v : judge(rows_, ceilings)) {
    json["targets"].push_back({{"what", v.what},
                               {"got", v.got},
                               {"wanted", v.wanted},
                               {"at_most", v.at_most},
                               {"rows", v.num_rows},
                               {"reached", v.reached()}});
  }
  json["copy_gb_per_s"] = ceilings.copy_bytes_per_s * 1e-9;
  json["matmul_tflop_per_s"] = ceilings.matmul_flop_per_s * 1e-12;
  json["wrong"] = num_wrong();
  json["rows"] = Json::array();
  for (const Row& row : rows_) json["rows"].push_back(json_of(row, ceilings));
  return json;
}

}  // namespace akimbo::bench
