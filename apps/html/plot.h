// Plots as inline SVG, in the colours of the page (page.h).
#pragma once

#include <string>
#include <vector>

namespace akimbo::html {

struct Curve {
  std::string name;
  std::vector<double> x, y;  // of one length; points that are not finite are left out
};

struct LinePlot {
  std::string x_label, y_label;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;
  std::vector<Curve> curves;
  bool marks = false;  // a dot at every point
};

// With axes, five grid lines each way and, for several curves, a legend.
[[nodiscard]] std::string line_plot(const LinePlot& plot);

struct BarSeries {
  std::string name;
  std::vector<double> values;  // one per category; below 0 or not finite: there is none
};

struct BarPlot {
  std::vector<std::string> categories;
  std::vector<BarSeries> series;
  double high = 1;       // the value at the right end
  bool stacked = false;  // one bar of all series' parts, else a bar each
};

// Horizontal bars, one row of them per category; values show under the pointer and, of a single
// series, at the end of the bar.
[[nodiscard]] std::string bar_plot(const BarPlot& plot);

}  // namespace akimbo::html
