#include "apps/html/page.h"

#include <fmt/format.h>

#include <cstdint>

#include "datasets/readers/image_file.h"

namespace akimbo::html {

namespace {

// --s0 .. --s7 are the colours of plotted series, apart for the colour-blind too (after Okabe and
// Ito), each dark or light enough for its ground.
constexpr const char* kStyle = R"(
:root { color-scheme: light dark;
  --ground: #ffffff; --panel: #f4f5f7; --text: #1b1f24; --dim: #5b6470; --line: #d5d9df;
  --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #b8568f; --s4: #a97c00; --s5: #3a9bd0;
  --s6: #6b5bd2; --s7: #7a7f87; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #15181c; --panel: #1e2228; --text: #e6e9ed; --dim: #9aa4b0; --line: #353b44;
  --s0: #4aa8e0; --s1: #f08a3c; --s2: #2bc79a; --s3: #e08abf; --s4: #e0b73a; --s5: #8fd0f5;
  --s6: #a79bf5; --s7: #a5abb3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 1280px; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
p { max-width: 75ch; }
.dim, figcaption { color: var(--dim); font-size: .87em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--dim); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.row { display: flex; gap: .5rem; align-items: flex-start; }
.row > * { flex: 1 1 0; min-width: 0; }
.gallery { display: grid; gap: 1rem; align-items: start; }
figure { margin: 0; padding: .6rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; min-width: 0; }
figure img, figure svg { display: block; width: 100%; height: auto; }
figcaption { margin-top: .4rem; overflow-wrap: anywhere; }
figcaption b { color: var(--text); }
svg text { font: 12px system-ui, "Segoe UI", sans-serif; fill: var(--text); }
svg .axis { stroke: var(--line); stroke-width: 1; fill: none; }
svg .dim { fill: var(--dim); }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
)";

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string picture(const Image& image, std::string_view alt, int quality) {
  return fmt::format(
      R"(<img loading="lazy" width="{}" height="{}" alt="{}" src="data:image/jpeg;base64,{}">)",
      image.width, image.height, escape(alt), base64(encode_jpeg(image, quality)));
}

std::string figure(const std::string& content, const std::string& caption) {
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", content, caption);
}

std::string gallery(const std::vector<std::string>& figures, int min_width_px) {
  std::string text = fmt::format(
      "<div class=\"gallery\" style=\"grid-template-columns: repeat(auto-fill, minmax(min({}px, "
      "100%), 1fr))\">\n",
      min_width_px);
  for (const std::string& item : figures) text += item;
  return text + "</div>\n";
}

std::string stack(const std::vector<std::string>& pieces) {
  std::string text = "<div class=\"gallery\">\n";
  for (const std::string& piece : pieces) text += piece;
  return text + "</div>\n";
}

std::string row(const std::vector<std::string>& pieces) {
  std::string text = "<div class=\"row\">\n";
  for (const std::string& piece : pieces) text += "<div>" + piece + "</div>\n";
  return text + "</div>\n";
}

std::string table(const std::vector<std::string>& header,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string text = "<div class=\"wide\"><table><thead><tr>";
  for (const std::string& cell : header) text += "<th>" + escape(cell) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    text += "<tr>";
    for (const std::string& cell : row) text += "<td>" + escape(cell) + "</td>";
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& list) {
  std::string text = "<dl>\n";
  for (const auto& [name, value] : list) {
    text += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value));
  }
  return text + "</dl>\n";
}

Page::Page(std::string title) : title_(std::move(title)) {}

void Page::section(const std::string& heading, const std::string& content) {
  body_ += fmt::format("<section><h2>{}</h2>\n{}</section>\n", escape(heading), content);
}

std::string Page::text() const {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style></head>\n<body>\n<h1>{0}</h1>\n{2}</body></html>\n",
      escape(title_), kStyle, body_);
}

}  // namespace akimbo::html
