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

// A network's parameters and its multiply-adds for one picture.
struct Counts {
  std::int64_t parameters = 0, macs_of_32x32 = 0;
  // Every layer's maps grow with the input, whose sides are multiples of 32.
  [[nodiscard]] std::string gmac(int height, int width) const {
    return fmt::format("{:.3f}", static_cast<double>(macs_of_32x32 * height * width) / 1024e9);
  }
};

Counts count(const Json& section, int num_keypoints) {
  const auto network = models::build_network(section, num_keypoints);
  return {network->num_parameters(), models::count_macs(*network, 32, 32)};
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
    const Counts coco = count(section, 17), mpii = count(section, 16);
    EXPECT_EQ(cells[1], with_commas(coco.parameters));
    EXPECT_EQ(cells[2], with_commas(mpii.parameters));
    for (std::size_t i = 3; i < cells.size(); ++i) {
      if (cells[i].empty()) continue;
      const Column column = column_of(titles[i]);
      const Counts& counts = column.num_keypoints == 16 ? mpii : coco;
      EXPECT_EQ(cells[i], counts.gmac(column.height, column.width)) << titles[i];
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
