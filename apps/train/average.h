// A running mean as the references' logs show it: the last value and sum(value * n) / sum(n).
#pragma once

namespace akimbo::apps {

struct Average {
  double last = 0;
  double sum = 0;
  double count = 0;

  void add(double value, double n = 1) {
    last = value;
    sum += value * n;
    count += n;
  }
  [[nodiscard]] double mean() const { return count > 0 ? sum / count : 0; }
};

}  // namespace akimbo::apps
