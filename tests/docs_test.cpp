// The figures of docs/models, counted again on the networks that they are about.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "engine/io/file.h"
#include "engine/io/json.h"
#include "models/registry.h"

namespace akimbo {
namespace {

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const std::size_t begin = cell.find_first_not_of(' ');
    const std::size_t end = cell.find_last_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

// GMAC of height x width: every layer's maps grow with the input, whose sides are multiples of 32.
std::string gmac_of(const Json& section, int num_keypoints, int height, int width) {
  const auto network = models::build_network(section, num_keypoints);
  const double small = static_cast<double>(models::count_macs(*network, 64, 64));
  return fmt::format("{:.3f}", small * height * width / (64 * 64) / 1e9);
}

// "GMAC 256x192", "384x288" or "384x384, 16": the size and the key points of a column.
struct Column {
  int height = 0, width = 0, num_keypoints = 17;
};

Column column_of(std::string title) {
  Column column;
  if (title.starts_with("GMAC ")) title.erase(0, 5);
  if (title.ends_with(", 16")) column.num_keypoints = 16;
  EXPECT_EQ(std::sscanf(title.c_str(), "%dx%d", &column.height, &column.width), 2) << title;
  return column;
}

int check_page(const std::filesystem::path& path) {
  int num_rows = 0;
  std::istringstream page(io::read_file(path));
  std::vector<std::string> titles;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| model |")) titles = cells_of(line);
    if (!line.starts_with("| `{\"name\"")) continue;
    SCOPED_TRACE(line);
    const std::vector<std::string> cells = cells_of(line);
    EXPECT_EQ(cells.size(), titles.size());
    const Json section = Json::parse(cells[0].substr(1, cells[0].size() - 2));
    EXPECT_EQ(cells[1], with_commas(models::build_network(section, 17)->num_parameters()));
    EXPECT_EQ(cells[2], with_commas(models::build_network(section, 16)->num_parameters()));
    for (std::size_t i = 3; i < cells.size(); ++i) {
      if (cells[i].empty()) continue;
      const Column column = column_of(titles[i]);
      EXPECT_EQ(cells[i], gmac_of(section, column.num_keypoints, column.height, column.width))
          << titles[i];
    }
    ++num_rows;
  }
  return num_rows;
}

TEST(Docs, ModelPagesHoldTheNetworksFigures) {
  const std::filesystem::path folder = std::filesystem::path(AKIMBO_SOURCE_ROOT) / "docs/models";
  for (const std::string& name : models::network_names()) {
    EXPECT_GE(check_page(folder / (name + ".md")), 2) << name;
  }
}

}  // namespace
}  // namespace akimbo
