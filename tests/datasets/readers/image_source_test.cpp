#include "datasets/readers/image_source.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "datasets/readers/zip_archive.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/checksum.h"
#include "tests/support/temporary_folder.h"

namespace akimbo::datasets {
namespace {

struct Member {
  std::string name;
  std::string bytes;
};

// A zip archive of stored members, written byte by byte from the format's description.
std::string zip_of(const std::vector<Member>& members) {
  std::string out, directory;
  const auto put = [](std::string& to, std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) to.push_back(static_cast<char>(value >> (8 * i)));
  };
  for (const Member& m : members) {
    const auto offset = static_cast<std::uint32_t>(out.size());
    std::string common;  // version to lengths, the same in both headers
    put(common, 20, 2);
    put(common, 0, 2);
    put(common, 0, 2);
    put(common, 0, 4);
    put(common, test_support::crc32(m.bytes.data(), m.bytes.size()), 4);
    put(common, static_cast<std::uint32_t>(m.bytes.size()), 4);
    put(common, static_cast<std::uint32_t>(m.bytes.size()), 4);
    put(common, static_cast<std::uint32_t>(m.name.size()), 2);
    put(common, 0, 2);
    put(out, 0x04034b50, 4);
    out += common + m.name + m.bytes;
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    directory += common;
    for (const int bytes : {2, 2, 2, 4}) put(directory, 0, bytes);
    put(directory, offset, 4);
    directory += m.name;
  }
  const auto start = static_cast<std::uint32_t>(out.size());
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, static_cast<std::uint32_t>(members.size()), 2);
  put(out, static_cast<std::uint32_t>(members.size()), 2);
  put(out, static_cast<std::uint32_t>(directory.size()), 4);
  put(out, start, 4);
  put(out, 0, 2);
  return out;
}

Image patterned(int seed) {
  Image image(6, 7, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i * 3 + static_cast<std::size_t>(seed) * 50);
  }
  return image;
}

class ImageSourceTest : public ::testing::Test {
 protected:
  ImageSourceTest() {
    const std::vector<Member> members = {{"a.png", encode_png(patterned(1))},
                                         {"val/b.png", encode_png(patterned(2))}};
    archive_ = folder_.path() / "images.zip";
    io::write_file_atomic(archive_, zip_of(members));
    write_png(folder_.path() / "a.png", patterned(1));
  }
  test_support::TemporaryFolder folder_;
  std::filesystem::path archive_;
};

TEST_F(ImageSourceTest, FolderAndArchiveGiveTheSamePicture) {
  const ImageSource folder = ImageSource::open(folder_.path());
  const ImageSource archive = ImageSource::open(archive_);
  EXPECT_EQ(folder.read("a.png").pixels, patterned(1).pixels);
  EXPECT_EQ(archive.read("a.png").pixels, patterned(1).pixels);
  EXPECT_EQ(archive.full_name("a.png"), archive_.string() + "@/a.png");
}

TEST_F(ImageSourceTest, TheReferencesPathsWork) {
  const std::string name = archive_.string();
  EXPECT_EQ(ImageSource::open(name + "@").read("a.png").pixels, patterned(1).pixels);
  EXPECT_EQ(ImageSource::open(name + "@/val").read("b.png").pixels, patterned(2).pixels);
  EXPECT_EQ(read_image_or_member(name + "@/val/b.png").pixels, patterned(2).pixels);
  EXPECT_EQ(read_image_or_member((folder_.path() / "a.png").string()).pixels, patterned(1).pixels);
}

// images/ is not there, images.zip is: what configs call "images".
TEST_F(ImageSourceTest, AnArchiveStandsForItsFolder) {
  const ImageSource source = ImageSource::open(folder_.path() / "images");
  EXPECT_EQ(source.read("a.png").pixels, patterned(1).pixels);
  std::filesystem::create_directory(folder_.path() / "images");
  write_png(folder_.path() / "images/a.png", patterned(3));
  EXPECT_EQ(ImageSource::open(folder_.path() / "images").read("a.png").pixels, patterned(3).pixels);
}

TEST_F(ImageSourceTest, MissingThingsAreNamed) {
  const ImageSource archive = ImageSource::open(archive_);
  try {
    (void)archive.read("none.png");
    FAIL();
  } catch (const FileError& e) {
    EXPECT_NE(std::string(e.what()).find("none.png in " + archive_.string()), std::string::npos)
        << e.what();
  }
  EXPECT_THROW((void)ImageSource::open(folder_.path() / "nowhere"), FileError);
  EXPECT_THROW((void)ImageSource::open(folder_.path() / "nowhere.zip@"), FileError);
  EXPECT_THROW((void)ImageSource::open(folder_.path() / "a.png"), FileError);  // no archive
}

TEST_F(ImageSourceTest, DamagedMembersAreNoticed) {
  std::string bytes = zip_of({{"a.bin", std::string(300, 'x')}});
  bytes[100] = 'y';  // inside the member
  io::write_file_atomic(archive_, bytes);
  EXPECT_THROW((void)ZipArchive(archive_).read("a.bin"), FileError);
  for (const std::size_t keep : {std::size_t{0}, std::size_t{10}, bytes.size() / 2}) {
    io::write_file_atomic(archive_, bytes.substr(0, keep));
    EXPECT_THROW(ZipArchive{archive_}, FileError) << keep;
  }
}

TEST_F(ImageSourceTest, ArchivesListTheirMembers) {
  const ZipArchive archive(archive_);
  EXPECT_EQ(archive.names(), (std::vector<std::string>{"a.png", "val/b.png"}));
  EXPECT_TRUE(archive.has("val/b.png"));
  EXPECT_FALSE(archive.has("b.png"));
}

TEST_F(ImageSourceTest, ManyThreadsReadAtOnce) {
  const ImageSource archive = ImageSource::open(archive_);
  std::vector<int> good(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const bool first = (i + static_cast<int>(t)) % 2 == 0;
        const Image image = archive.read(first ? "a.png" : "val/b.png");
        good[t] += image.pixels == patterned(first ? 1 : 2).pixels ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, (std::vector<int>(4, 50)));
}

}  // namespace
}  // namespace akimbo::datasets
