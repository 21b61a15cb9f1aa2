#include "datasets/readers/image_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "datasets/readers/image_codecs.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/io/file.h"
#include "tests/support/checksum.h"
#include "tests/support/shared_data.h"

namespace akimbo {
namespace {

namespace fs = std::filesystem;

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Image gradient(int height, int width, int channels) {
  Image image(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * channels; ++x) {
      image.row(y)[x] = static_cast<std::uint8_t>((3 * x + 5 * y) & 255);
    }
  }
  return image;
}

std::string message_of(const std::string& bytes, const std::string& where,
                       const ImageDecodeOptions& options = {}) {
  try {
    (void)decode_image(bytes_of(bytes), where, options);
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}

// A 24-bit BMP, rows bottom up, padded to four bytes.
std::string bmp_of(const Image& image) {
  const int stride = (image.width * 3 + 3) / 4 * 4;
  std::string out(54 + static_cast<std::size_t>(stride) * image.height, '\0');
  const auto put = [&](std::size_t at, std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) out[at + i] = static_cast<char>(value >> (8 * i));
  };
  out[0] = 'B';
  out[1] = 'M';
  put(2, static_cast<std::uint32_t>(out.size()), 4);
  put(10, 54, 4);
  put(14, 40, 4);
  put(18, static_cast<std::uint32_t>(image.width), 4);
  put(22, static_cast<std::uint32_t>(image.height), 4);
  put(26, 1, 2);
  put(28, 24, 2);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        out[54 + static_cast<std::size_t>(stride) * (image.height - 1 - y) + 3 * x + c] =
            static_cast<char>(image.row(y)[3 * x + 2 - c]);
      }
    }
  }
  return out;
}

TEST(ImageFile, PngRoundTripIsExact) {
  for (const auto& [h, w] : {std::pair{1, 1}, {7, 13}, {64, 3}}) {
    const Image image = gradient(h, w, 3);
    const Image back = decode_image(bytes_of(encode_png(image)), "a.png");
    EXPECT_EQ(back.width, w);
    EXPECT_EQ(back.height, h);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(ImageFile, GreyBecomesRgb) {
  const Image grey = gradient(9, 11, 1);
  for (const std::string& bytes : {encode_png(grey), encode_jpeg(grey, 100)}) {
    const Image back = decode_image(bytes_of(bytes), "grey");
    ASSERT_EQ(back.channels, 3);
    for (std::size_t i = 0; i < grey.pixels.size(); ++i) {
      EXPECT_NEAR(back.pixels[3 * i], grey.pixels[i], 40);
      EXPECT_EQ(back.pixels[3 * i], back.pixels[3 * i + 1]);
      EXPECT_EQ(back.pixels[3 * i], back.pixels[3 * i + 2]);
    }
  }
}

TEST(ImageFile, BmpIsReadAndItsTruncationNoticed) {
  const Image image = gradient(5, 6, 3);
  std::string bytes = bmp_of(image);
  EXPECT_EQ(decode_image(bytes_of(bytes), "a.bmp").pixels, image.pixels);
  bytes.resize(bytes.size() - 20);
  EXPECT_NE(message_of(bytes, "cut.bmp").find("cut.bmp: the file is truncated"), std::string::npos);
}

TEST(ImageFile, JpegRoundTripIsClose) {
  Image image(40, 30, 3);
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 30; ++x) {
      image.row(y)[3 * x] = static_cast<std::uint8_t>(4 * x);
      image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(3 * y);
      image.row(y)[3 * x + 2] = 200;
    }
  }
  const std::string bytes = encode_jpeg(image, 98);
  const Image back = decode_image(bytes_of(bytes), "a.jpg");
  ASSERT_EQ(back.pixels.size(), image.pixels.size());
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    EXPECT_NEAR(back.pixels[i], image.pixels[i], 8);
  }
  const ImageSize size = read_image_size(bytes_of(bytes), "a.jpg");
  EXPECT_EQ(size.width, 30);
  EXPECT_EQ(size.height, 40);
}

TEST(ImageFile, ReducedJpegHasRoundedUpSides) {
  const std::string bytes = encode_jpeg(gradient(33, 21, 3));
  for (const int s : {1, 2, 4, 8}) {
    const Image small = decode_image(bytes_of(bytes), "a.jpg", {.scale_denominator = s});
    EXPECT_EQ(small.width, (21 + s - 1) / s);
    EXPECT_EQ(small.height, (33 + s - 1) / s);
  }
  EXPECT_THROW((void)decode_image(bytes_of(bytes), "a.jpg", {.scale_denominator = 3}),
               ArgumentError);
}

TEST(ImageFile, TruncatedJpegIsAnErrorUnlessAccepted) {
  const std::string whole = encode_jpeg(gradient(200, 200, 3));
  for (const std::size_t keep : {whole.size() / 2, whole.size() - 40}) {
    const std::string cut = whole.substr(0, keep);
    EXPECT_NE(message_of(cut, "cut.jpg").find("cut.jpg is truncated"), std::string::npos) << keep;
    const Image lenient = decode_image(bytes_of(cut), "cut.jpg", {.accept_truncated = true});
    EXPECT_EQ(lenient.height, 200);
  }
  EXPECT_NE(message_of(whole.substr(0, 50), "cut.jpg").find("cut.jpg"), std::string::npos);
}

TEST(ImageFile, EveryTruncationAndEveryDamagedByteEndsInAPictureOrAFileError) {
  for (const std::string& whole : {encode_jpeg(gradient(17, 19, 3)),
                                   encode_png(gradient(17, 19, 3)), bmp_of(gradient(5, 6, 3))}) {
    for (std::size_t n = 0; n < whole.size(); n += 3) {
      (void)message_of(whole.substr(0, n), "x", {.max_pixels = 1 << 20});
      std::string damaged = whole;
      damaged[n] = static_cast<char>(damaged[n] ^ 0xa5);
      (void)message_of(damaged, "x", {.max_pixels = 1 << 20});
    }
  }
}

TEST(ImageFile, ForeignBytesAndHugeSizesAreRefused) {
  EXPECT_NE(message_of("", "empty.jpg").find("empty.jpg is empty"), std::string::npos);
  EXPECT_NE(message_of("GIF89a....", "a.gif").find("no picture that can be read"),
            std::string::npos);
  const std::string picture = encode_jpeg(gradient(20, 20, 3));
  EXPECT_NE(message_of(picture, "big.jpg", {.max_pixels = 399}).find("20x20"), std::string::npos);
  // A PNG header that claims 2^31-1 by 2^31-1 pixels must not reach the allocator.
  std::string huge = encode_png(gradient(2, 2, 3));
  for (const std::size_t at : {16u, 20u}) huge.replace(at, 4, "\x00\xff\xff\xff", 4);
  EXPECT_NE(message_of(huge, "huge.png"), "");
}

TEST(ImageFile, ThirtyMegapixelsWork) {
  const std::string bytes = encode_jpeg(Image(5000, 6000, 1), 50);
  const Image image = decode_image(bytes_of(bytes), "large.jpg", {.scale_denominator = 8});
  EXPECT_EQ(image.width, 750);
  EXPECT_EQ(read_image_size(bytes_of(bytes), "large.jpg").width, 6000);
  EXPECT_EQ(decode_image(bytes_of(bytes), "large.jpg").height, 5000);
}

TEST(ImageFile, MissingFileNamesThePath) {
  try {
    (void)read_image("/nonexistent/a.jpg");
    FAIL();
  } catch (const FileError& e) {
    EXPECT_NE(std::string(e.what()).find("/nonexistent/a.jpg"), std::string::npos);
  }
}

TEST(ImageFile, WritesByEndingAndRefusesOthers) {
  const fs::path folder = fs::temp_directory_path() / "akimbo_image_file_test";
  fs::create_directories(folder);
  const Image image = gradient(4, 5, 3);
  write_image(folder / "a.png", image);
  EXPECT_EQ(read_image(folder / "a.png").pixels, image.pixels);
  write_image(folder / "a.JPG", image);
  EXPECT_EQ(read_image(folder / "a.JPG").width, 5);
  EXPECT_THROW(write_image(folder / "a.gif", image), ArgumentError);
  EXPECT_THROW(write_png(folder / "b.png", Image()), ArgumentError);
  EXPECT_THROW((void)encode_jpeg(image, 0), ArgumentError);
  fs::remove_all(folder);
}

// A JPEG with an APP1 segment that holds the orientation tag alone.
std::string with_orientation(const std::string& jpeg, char orientation) {
  std::string exif("Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", 32);
  exif[25] = orientation;
  const std::string header{'\xff', '\xe1', '\0', static_cast<char>(exif.size() + 2)};
  return jpeg.substr(0, 2) + header + exif + jpeg.substr(2);
}

TEST(ImageFile, ExifOrientationIsIgnoredUnlessAsked) {
  const std::string jpeg = encode_jpeg(gradient(6, 9, 3), 100);
  const Image plain = decode_image(bytes_of(jpeg), "a.jpg");
  const std::string turned = with_orientation(jpeg, 6);
  EXPECT_EQ(decode_image(bytes_of(turned), "a.jpg").pixels, plain.pixels);
  const Image upright = decode_image(bytes_of(turned), "a.jpg", {.apply_exif_orientation = true});
  ASSERT_EQ(upright.width, 6);
  ASSERT_EQ(upright.height, 9);
  // A quarter turn clockwise: the left column, read upwards, is the top row.
  for (int x = 0; x < 6; ++x) EXPECT_EQ(upright.row(0)[3 * x], plain.row(5 - x)[0]);
}

TEST(ImageFile, OrientationsFormTheirGroup) {
  const Image image = gradient(3, 4, 3);
  for (const auto& [first, second] : {std::pair{2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 8}, {7, 7}}) {
    const Image there = codecs::apply_orientation(image, first);
    EXPECT_EQ(codecs::apply_orientation(there, second).pixels, image.pixels) << first;
  }
}

// One small file per kind, with the CRC-32 of what OpenCV (JPEG) or PIL (the rest) decode it to:
// tests/parity/make_image_fixtures.py.
struct Fixture {
  const char* name;
  std::uint32_t crc;
};
constexpr Fixture kFixtures[] = {
    {"alpha.png", 761731330u},         {"baseline_420.jpg", 3447204207u},
    {"baseline_444.jpg", 2005967188u}, {"cmyk.jpg", 3684119970u},
    {"grey.jpg", 3551543061u},         {"one_bit.png", 1583824458u},
    {"palette.png", 3727742992u},      {"plain.ppm", 761731330u},
    {"progressive.jpg", 3447204207u},  {"run_length.tga", 761731330u},
    {"sixteen_bit.png", 761731330u},
};

TEST(ImageFile, EveryKindOfFileDecodesAsElsewhere) {
  for (const Fixture& fixture : kFixtures) {
    const Image image = read_image(fs::path(AKIMBO_TEST_DATA) / "images" / fixture.name);
    EXPECT_EQ(image.width, 37) << fixture.name;
    EXPECT_EQ(image.height, 29) << fixture.name;
    EXPECT_EQ(test_support::crc32(image.pixels.data(), image.pixels.size()), fixture.crc)
        << fixture.name;
  }
}

TEST(ImageFile, EveryKindOfFileIsRefusedWhenCutOff) {
  for (const Fixture& fixture : kFixtures) {
    const std::string whole = io::read_file(fs::path(AKIMBO_TEST_DATA) / "images" / fixture.name);
    for (const std::size_t keep : {whole.size() / 3, whole.size() / 2, whole.size() * 9 / 10}) {
      EXPECT_NE(message_of(whole.substr(0, keep), fixture.name), "") << fixture.name << keep;
    }
  }
}

TEST(ImageFile, DamagedFilesEndInAPictureOrAFileError) {
  RandomStream random(11);
  for (const Fixture& fixture : kFixtures) {
    const std::string whole = io::read_file(fs::path(AKIMBO_TEST_DATA) / "images" / fixture.name);
    for (int i = 0; i < 200; ++i) {
      std::string damaged = whole;
      for (int k = 0; k < 1 + i % 4; ++k) {
        damaged[random.below(damaged.size())] = static_cast<char>(random.bits());
      }
      (void)message_of(damaged, fixture.name, {.max_pixels = 1 << 20});
    }
  }
}

TEST(ImageFile, RealPhotographsDecode) {
  const auto folder = test_support::shared_path("data/real/coco");
  if (!folder) GTEST_SKIP() << test_support::kNoSharedData;
  const Image image = read_image(*folder / "000000000785.jpg");
  EXPECT_EQ(image.width, 640);
  EXPECT_EQ(image.height, 425);
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(test_support::crc32(image.pixels.data(), image.pixels.size()), 306904332u);  // OpenCV's
}

}  // namespace
}  // namespace akimbo
