#include "datasets/benchmark.h"

#include "engine/core/error.h"

namespace akimbo::datasets {

std::string markdown(const ScoreTable& table, const std::string& model) {
  std::string text = fmt::format("| {} |", table.corner), rule = "|---|";
  for (const std::string& column : table.columns) {
    text += fmt::format(" {} |", column);
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  for (const ScoreTable::Row& row : table.rows) {
    text += fmt::format("| {} |", row.name.empty() ? model : row.name);
    for (const double value : row.values) text += fmt::format(" {:.3f} |", value);
    text += "\n";
  }
  return text;
}

double Scores::figure(const std::string& name) const {
  for (const Figure& figure : figures) {
    if (figure.name == name) return figure.value;
  }
  throw_error<ArgumentError>("[scores] there is no figure {}", name);
}

}  // namespace akimbo::datasets
