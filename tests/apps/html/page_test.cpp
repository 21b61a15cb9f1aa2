#include "apps/html/page.h"

#include <gtest/gtest.h>

#include <cmath>

#include "apps/html/plot.h"
#include "datasets/readers/image_file.h"

namespace akimbo::html {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(HtmlPage, TextIsEscaped) {
  EXPECT_EQ("&lt;a href=&quot;x&quot;&gt; &amp; &#39;", escape("<a href=\"x\"> & '"));
  Page page("<script>");
  page.section("a<b", table({"<i>"}, {{"<u>"}}) + facts({{"<k>", "<v>"}}));
  const std::string text = page.text();
  for (const char* tag : {"<script>", "<i>", "<u>", "<k>", "<v>", "a<b"}) {
    EXPECT_FALSE(has(text, tag)) << tag;
  }
}

TEST(HtmlPage, NothingIsFetched) {
  Page page("pictures");
  page.section("one", figure(picture(Image(4, 6, 3), "black"), "caption"));
  const std::string text = page.text();
  EXPECT_FALSE(has(text, "http"));
  EXPECT_FALSE(has(text, "url("));
  EXPECT_TRUE(has(text, "prefers-color-scheme: dark"));
}

// The picture inside the page is the JPEG of that picture.
TEST(HtmlPage, PicturesAreBase64) {
  const Image image(4, 6, 3);
  const std::string text = picture(image, "\"");
  EXPECT_TRUE(has(text, "width=\"6\" height=\"4\" alt=\"&quot;\""));
  const std::string code = text.substr(text.find("base64,") + 7);
  const std::string bytes = encode_jpeg(image, 88);
  // FF D8 FF E0: the beginning of every JPEG with a JFIF header.
  EXPECT_EQ("/9j/4", code.substr(0, 5));
  const std::size_t length = code.find('"');
  EXPECT_EQ((bytes.size() + 2) / 3 * 4, length);
  EXPECT_EQ(bytes.size() % 3 != 0, code[length - 1] == '=');
}

TEST(HtmlPlot, CurvesLieWhereTheirValuesAre) {
  const std::string svg = line_plot(
      {.x_label = "x",
       .y_label = "y",
       .curves = {{"one", {0, 0.5, 1}, {0, 1, std::nan("")}}, {"two", {0, 1}, {2, 0.5}}}});
  // The plot spans 52 to 544 px and 250 (below) to 12 px; what is not finite is left out, what is
  // too high ends at the top.
  EXPECT_TRUE(has(svg, "points=\"52.0,250.0 298.0,12.0 \"")) << svg;
  EXPECT_TRUE(has(svg, "points=\"52.0,12.0 544.0,131.0 \"")) << svg;
  EXPECT_TRUE(has(svg, ">one</text>"));
}

TEST(HtmlPlot, BarsAreAsLongAsTheirValues) {
  BarPlot plot{.categories = {"a"}, .series = {{"s", {0.5}}, {"t", {0.25}}}};
  // Room for one letter: from 18.6 px on, 491.4 px for 1.
  EXPECT_TRUE(has(bar_plot(plot), "x=\"18.6\" y=\"9.5\" width=\"245.7\""));
  plot.stacked = true;
  EXPECT_TRUE(has(bar_plot(plot), "x=\"264.3\" y=\"9.5\" width=\"122.8\"")) << bar_plot(plot);
  plot.series[0].values[0] = -1;  // none
  EXPECT_TRUE(has(bar_plot(plot), "x=\"18.6\" y=\"9.5\" width=\"122.8\""));
}

}  // namespace
}  // namespace akimbo::html
