// What the GPU benchmarks found: rows that become a table on the screen and JSON in a file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/gpu/timing.h"
#include "engine/io/json.h"

namespace akimbo::bench {

// Rates measured in the same run; 0 while they are not known.
struct Ceilings {
  double copy_bytes_per_s = 0;   // device to device, bytes read and written
  double matmul_flop_per_s = 0;  // of a large product in the dtype of the layers
};

// Layers whose means are asked for by themselves. narrow: neither side has more than 64 channels.
enum class Kind { other, narrow, stem, deconv };

struct Row {
  std::string section;  // rows of one section share a table
  std::string name, pass, dtype;
  Timing own;
  std::optional<Timing> vendor, tuned;
  // Where there are two kinds of our kernels: each; `own` is the faster.
  std::optional<Timing> mma, wgmma;
  double flops = 0, bytes = 0;  // that the work cannot do without
  double error = -1;            // relative, against the CPU; negative: not checked
  double images = 0;            // of whole networks: per call
  double peak_mib = 0;
  double device_idle = -1;  // share of a step, at most; negative: not known
  std::string note;         // why there is no figure
  Kind kind = Kind::other;
  // What the row is to reach (issue "CUDA backend", section 4); 0: nothing is asked.
  double wanted_over_vendor = 0, wanted_share = 0, wanted_idle = 0;
};

// The least time that the ceilings allow.
[[nodiscard]] double floor_us(const Row& row, const Ceilings& ceilings);
[[nodiscard]] double geometric_mean(const std::vector<double>& values);

class Report {
 public:
  Ceilings ceilings;
  Json header = Json::object();  // device, versions, how it was measured

  void add(Row row);
  // A table of the section's rows and, under it, the means of the ratios to the vendor's times.
  void print(const std::string& section) const;
  [[nodiscard]] Json json() const;
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  // What is asked of all rows together; judge() of targets.h.
  void print_targets() const;
  // Rows whose error is too large, or that failed.
  [[nodiscard]] int num_wrong() const;

 private:
  std::vector<Row> rows_;
};

// The largest relative error in the 2-norm that a result of that dtype may have.
[[nodiscard]] double allowed_error(const std::string& dtype);

}  // namespace akimbo::bench
