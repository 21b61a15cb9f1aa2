// Self-contained HTML pages: one file, no script that is needed to read it, nothing fetched from
// elsewhere, readable on light and on dark ground as the reader's system asks.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/image.h"

namespace akimbo::html {

// Text as it may stand between tags and in attributes.
[[nodiscard]] std::string escape(std::string_view text);

// <img> with the picture inside it, as JPEG. `alt` says what it shows.
[[nodiscard]] std::string picture(const Image& image, std::string_view alt, int quality = 88);

// A picture, drawing or plot (HTML) with a caption (HTML) below it.
[[nodiscard]] std::string figure(const std::string& content, const std::string& caption);

// Figures side by side, as many as fit; `min_width_px` of each.
[[nodiscard]] std::string gallery(const std::vector<std::string>& figures, int min_width_px);

// One below the other.
[[nodiscard]] std::string stack(const std::vector<std::string>& pieces);

// Pieces of HTML side by side in one row, equally wide.
[[nodiscard]] std::string row(const std::vector<std::string>& pieces);

// Cells are text and are escaped; numbers stand to the right.
[[nodiscard]] std::string table(const std::vector<std::string>& header,
                                const std::vector<std::vector<std::string>>& rows);

// Names and values (text), one below the other.
[[nodiscard]] std::string facts(const std::vector<std::pair<std::string, std::string>>& list);

class Page {
 public:
  explicit Page(std::string title);
  // HTML below a heading (text).
  void section(const std::string& heading, const std::string& content);
  // The whole page.
  [[nodiscard]] std::string text() const;

 private:
  std::string title_, body_;
};

}  // namespace akimbo::html
