#include "apps/html/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/html/page.h"

namespace akimbo::html {

namespace {

constexpr int kColours = 8;  // --s0 .. --s7
constexpr double kWidth = 560, kRight = 16;

std::string colour(std::size_t index) {
  return fmt::format("var(--s{})", index % static_cast<std::size_t>(kColours));
}

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const char* style_class = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n",
                     x, y, anchor, style_class, escape(text));
}

std::string line_between(double x0, double y0, double x1, double y1) {
  return fmt::format(
      "<line class=\"axis\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", x0, y0,
      x1, y1);
}

std::string svg(double height, const std::string& label, const std::string& content) {
  return fmt::format("<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
                     kWidth, height, escape(label), content);
}

// Names of the series with their colours, in rows from `y` down; `y` moves below them.
std::string legend(const std::vector<std::string>& names, double left, double& y) {
  std::string text;
  double x = left;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double width = 28 + 6.6 * static_cast<double>(names[i].size());
    if (x > left && x + width > kWidth - kRight) x = left, y += 18;
    text += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\n", x,
        y - 10, colour(i));
    text += text_at(x + 17, y, "start", names[i]);
    x += width;
  }
  y += 18;
  return text;
}

// From values to places on the page.
struct Frame {
  double left = 52, top = 12, bottom = 250;
  const LinePlot* plot = nullptr;
  [[nodiscard]] double x(double value) const {
    return left + (value - plot->x_low) / (plot->x_high - plot->x_low) * (kWidth - kRight - left);
  }
  [[nodiscard]] double y(double value) const {
    const double clamped = std::clamp(value, plot->y_low, plot->y_high);
    return bottom - (clamped - plot->y_low) / (plot->y_high - plot->y_low) * (bottom - top);
  }
};

std::string grid(const Frame& frame) {
  const LinePlot& plot = *frame.plot;
  std::string text;
  for (int i = 0; i <= 5; ++i) {
    const double x = plot.x_low + (plot.x_high - plot.x_low) * i / 5;
    const double y = plot.y_low + (plot.y_high - plot.y_low) * i / 5;
    text += line_between(frame.x(x), frame.top, frame.x(x), frame.bottom);
    text += line_between(frame.left, frame.y(y), kWidth - kRight, frame.y(y));
    text += text_at(frame.x(x), frame.bottom + 16, "middle", fmt::format("{:.3g}", x), "dim");
    text += text_at(frame.left - 6, frame.y(y) + 4, "end", fmt::format("{:.3g}", y), "dim");
  }
  text += text_at((frame.left + kWidth - kRight) / 2, frame.bottom + 34, "middle", plot.x_label);
  text += fmt::format(
      "<text transform=\"translate(14 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (frame.top + frame.bottom) / 2, escape(plot.y_label));
  return text;
}

std::string curve_of(const Frame& frame, const Curve& curve, std::size_t index) {
  std::string points, marks;
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i])) continue;
    const double x = frame.x(curve.x[i]), y = frame.y(curve.y[i]);
    points += fmt::format("{:.1f},{:.1f} ", x, y);
    if (!frame.plot->marks) continue;
    marks += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"><title>{}: {:.4g} at "
        "{:.4g}</title></circle>\n",
        x, y, colour(index), escape(curve.name), curve.y[i], curve.x[i]);
  }
  return fmt::format(
      "<polyline class=\"curve\" points=\"{}\" stroke=\"{}\"><title>{}</title></polyline>\n{}",
      points, colour(index), escape(curve.name), marks);
}

bool is_value(double value) { return std::isfinite(value) && value >= 0; }

struct Bar {
  double x, y, width, height;
};

std::string bar(const Bar& place, std::size_t index, const std::string& title) {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\">"
      "<title>{}</title></rect>\n",
      place.x, place.y, std::max(place.width, 0.0), place.height, colour(index), escape(title));
}

}  // namespace

std::string line_plot(const LinePlot& plot) {
  const Frame frame{.plot = &plot};
  std::string content = grid(frame);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    content += curve_of(frame, plot.curves[i], i);
    names.push_back(plot.curves[i].name);
  }
  double height = frame.bottom + 42;
  if (names.size() > 1) {
    height += 18;
    content += legend(names, frame.left, height);
  }
  return svg(height, plot.y_label + " over " + plot.x_label, content);
}

std::string bar_plot(const BarPlot& plot) {
  constexpr double kBar = 13, kGap = 7, kTop = 6;
  std::size_t longest = 0;
  for (const std::string& name : plot.categories) longest = std::max(longest, name.size());
  const double left = 12 + 6.6 * static_cast<double>(longest);
  const double scale = (kWidth - kRight - 34 - left) / plot.high;
  const auto bars_a_row = static_cast<double>(plot.stacked ? 1 : plot.series.size());
  const double row = bars_a_row * kBar + kGap;
  const double bottom = kTop + row * static_cast<double>(plot.categories.size());
  std::string content;
  for (int i = 0; i <= 5; ++i) {
    const double value = plot.high * i / 5, x = left + value * scale;
    content += line_between(x, kTop, x, bottom);
    content += text_at(x, bottom + 15, "middle", fmt::format("{:.3g}", value), "dim");
  }
  for (std::size_t c = 0; c < plot.categories.size(); ++c) {
    const double top = kTop + row * static_cast<double>(c) + kGap / 2;
    content += text_at(left - 6, top + bars_a_row * kBar / 2 + 4, "end", plot.categories[c]);
    double x = left, y = top;
    for (std::size_t s = 0; s < plot.series.size(); ++s) {
      const double value = plot.series[s].values[c];
      if (is_value(value)) {
        const std::string title =
            fmt::format("{}, {}: {:.4g}", plot.categories[c], plot.series[s].name, value);
        content += bar({x, y, std::min(value, plot.high) * scale, kBar}, s, title);
        if (plot.series.size() == 1) {
          content += text_at(x + std::min(value, plot.high) * scale + 4, y + kBar - 2, "start",
                             fmt::format("{:.3g}", value), "dim");
        }
        if (plot.stacked) x += value * scale;
      }
      if (!plot.stacked) y += kBar;
    }
  }
  double height = bottom + 22;
  if (plot.series.size() > 1) {
    std::vector<std::string> names;
    for (const BarSeries& series : plot.series) names.push_back(series.name);
    height += 16;
    content += legend(names, left, height);
  }
  return svg(height, "bars", content);
}

}  // namespace akimbo::html
