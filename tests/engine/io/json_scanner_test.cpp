#include "engine/io/json_scanner.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::io {
namespace {

double number_of(std::string_view text) { return JsonScanner(text, "t").number(); }

TEST(JsonScanner, NumbersAreTheNearestDoubles) {
  for (const char* text : {"0",
                           "-0",
                           "7",
                           "-12.5",
                           "0.1",
                           "0.3333333333333333",
                           "251.38227844238281",
                           "1e5",
                           "1E-7",
                           "-2.5e+3",
                           "9007199254740992",
                           "9007199254740993",
                           "9007199254740993.5",
                           "123456789012345678",
                           "12345678901234567890",
                           "0.0000000000000000000000012345",
                           "999999999999999999",
                           "5e-324",
                           "1.7976931348623157e308",
                           "0.12345678901234567890123"}) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(number_of(text)),
              std::bit_cast<std::uint64_t>(std::strtod(text, nullptr)))
        << text;
  }
}

TEST(JsonScanner, RandomNumbersGoThroughTheirTextUnchanged) {
  std::uint64_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const double value = static_cast<float>(state >> 40) / static_cast<float>(1 + (state & 0xffff));
    const std::string text = fmt::format("{}", value);
    ASSERT_EQ(number_of(text), value) << text;
  }
}

TEST(JsonScanner, IntegersAreExact) {
  EXPECT_EQ(JsonScanner("10128340000", "t").integer(), 10128340000);
  EXPECT_EQ(JsonScanner("9223372036854775807", "t").integer(), 9223372036854775807);
  EXPECT_EQ(JsonScanner("3.0", "t").integer(), 3);
  EXPECT_EQ(JsonScanner("1e3", "t").integer(), 1000);
  EXPECT_THROW(static_cast<void>(JsonScanner("3.5", "t").integer()), FileError);
  EXPECT_THROW(static_cast<void>(JsonScanner("9223372036854775808", "t").integer()), FileError);
  EXPECT_THROW(static_cast<void>(JsonScanner("\"3\"", "t").integer()), FileError);
}

TEST(JsonScanner, TextsAreDecoded) {
  const std::string text = R"("a\"b\\c\/\n\t\u00e9\u20ac\ud83d\ude00")";
  EXPECT_EQ(JsonScanner(text, "t").string(), Json::parse(text).get<std::string>());
  for (const char* bad :
       {"\"abc", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud83d\\u0041\"", "\"\\"}) {
    EXPECT_THROW(static_cast<void>(JsonScanner(bad, "t").string()), FileError) << bad;
  }
}

TEST(JsonScanner, MembersAndElementsInOrder) {
  JsonScanner scanner(R"( {"a": [1, 2, []], "skip": {"x": [null, true, "}"]}, "b": false} )", "t");
  std::vector<std::string> keys;
  int num_elements = 0;
  scanner.object([&](std::string_view key) {
    keys.emplace_back(key);
    if (key == "a") {
      scanner.array([&] {
        ++num_elements;
        scanner.skip();
      });
    } else if (key == "b") {
      EXPECT_FALSE(scanner.boolean());
    } else {
      scanner.skip();
    }
  });
  scanner.finish();
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "skip", "b"}));
  EXPECT_EQ(num_elements, 3);
}

TEST(JsonScanner, MalformedTextsAreRefused) {
  for (const char* bad : {"",       "{",    "[1",       "[1,", "[1 2]", "{\"a\"}",     "{\"a\" 1}",
                          "{a: 1}", "[1,]", "tru",      "nul", "+1",    "-",           ".5",
                          "1.",     "NaN1", "Infinity", "[",   "\"",    "{\"a\": 1,}", "\xff"}) {
    EXPECT_THROW(
        {
          JsonScanner scanner(bad, "t");
          scanner.skip();
          scanner.finish();
        },
        FileError)
        << bad;
  }
  const std::string deep(100000, '[');
  EXPECT_THROW(JsonScanner(deep, "t").skip(), FileError);
  EXPECT_THROW(static_cast<void>(number_of("1e999")), FileError);
  try {
    static_cast<void>(JsonScanner("NaN", "my.json").number());
    FAIL();
  } catch (const FileError& e) {
    EXPECT_NE(std::string(e.what()).find("my.json: byte 0 of 3: NaN"), std::string::npos);
  }
}

TEST(JsonScanner, AnyCutOfATextIsRefused) {
  const std::string text = R"({"a": [1.5, -2e3, "x\u00e9"], "b": {"c": null}})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    JsonScanner scanner(std::string_view(text).substr(0, size), "t");
    EXPECT_THROW(scanner.skip(), FileError) << size;
  }
}

}  // namespace
}  // namespace akimbo::io
