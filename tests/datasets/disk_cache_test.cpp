#include "datasets/disk_cache.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "datasets/meta.h"
#include "datasets/readers/image_file.h"
#include "datasets/top_down.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/temporary_folder.h"

namespace akimbo::datasets {
namespace {

namespace fs = std::filesystem;
using test_support::TemporaryFolder;

constexpr std::int64_t kHeaderBytes = 40;

Image picture_of(int value, int height = 3, int width = 5) {
  Image image(height, width, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(value + 7 * i);
  }
  return image;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

TEST(DiskCache, GivesBackWhatWasKeptInLaterRunsToo) {
  const TemporaryFolder folder;
  const fs::path place = folder.path() / "made" / "here";
  for (int run = 0; run < 2; ++run) {
    DiskCache cache(place, 1 << 20);
    if (run == 0) {
      EXPECT_FALSE(cache.read("a", 1));
      cache.write("a", 1, picture_of(4));
    }
    const auto image = cache.read("a", 1);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->width, 5);
    EXPECT_EQ(image->pixels, picture_of(4).pixels);
    EXPECT_EQ(cache.bytes(), kHeaderBytes + 45);
    EXPECT_FALSE(cache.read("b", 1));
    EXPECT_FALSE(cache.read("a", 2)) << "the source has changed";
  }
  EXPECT_EQ(files_of(place).size(), 1u);
}

TEST(DiskCache, NothingDamagedIsGiven) {
  const TemporaryFolder folder;
  DiskCache cache(folder.path(), 1 << 20);
  cache.write("a", 1, picture_of(4));
  const fs::path file = files_of(folder.path()).front();
  const std::string whole = io::read_file(file);
  ASSERT_EQ(static_cast<std::int64_t>(whole.size()), kHeaderBytes + 45);
  const auto put = [&](const std::string& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  };
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(whole.substr(0, length));
    EXPECT_FALSE(cache.read("a", 1)) << length;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (at >= 36 && at < 40) continue;  // the unused bytes of the header
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    put(bytes);
    EXPECT_FALSE(cache.read("a", 1)) << at;
  }
  put(whole + "x");
  EXPECT_FALSE(cache.read("a", 1));
  put(whole);
  EXPECT_TRUE(cache.read("a", 1));
}

TEST(DiskCache, TheLeastRecentlyUsedGoFirst) {
  const TemporaryFolder folder;
  const std::int64_t entry = kHeaderBytes + 45;
  {
    DiskCache cache(folder.path(), 3 * entry);
    for (const char* name : {"a", "b", "c"}) cache.write(name, 1, picture_of(*name));
    EXPECT_TRUE(cache.read("a", 1));
    cache.write("d", 1, picture_of(9));
    EXPECT_EQ(cache.bytes(), 3 * entry);
    EXPECT_TRUE(cache.read("a", 1));
    EXPECT_FALSE(cache.read("b", 1));
    cache.write("d", 2, picture_of(10));  // in place of the stale one
    EXPECT_EQ(cache.bytes(), 3 * entry);
    cache.write("large", 1, picture_of(1, 100, 100));
    EXPECT_FALSE(cache.read("large", 1)) << "larger than the limit";
    EXPECT_TRUE(cache.read("a", 1)) << "and nothing went for it";
  }
  EXPECT_EQ(DiskCache(folder.path(), 2 * entry).bytes(), 2 * entry) << "a lower limit";
  EXPECT_EQ(files_of(folder.path()).size(), 2u);
}

TEST(DiskCache, LeavingsOfKilledRunsAreRemoved) {
  const TemporaryFolder folder;
  const fs::path old = folder.path() / "12.pixels.tmp-9-1",
                 fresh = folder.path() / "12.pixels.tmp-9-2";
  for (const fs::path& path : {old, fresh}) std::ofstream(path) << "half";
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(2));
  const DiskCache cache(folder.path(), 100);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh)) << "another process may be writing it";
}

TEST(DiskCache, AFolderThatCannotBeMadeIsNamed) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_THROW(DiskCache(folder.path() / "file" / "below", 100), FileError);
}

TEST(DiskCache, WhatCannotBeWrittenIsSaidOnceAndDoesNoHarm) {
  const TemporaryFolder folder;
  const fs::path place = folder.path() / "gone";
  DiskCache cache(place, 1 << 20);
  fs::remove_all(place);
  cache.write("a", 1, picture_of(4));
  EXPECT_NE(cache.problem().find("gone"), std::string::npos);
  EXPECT_FALSE(cache.read("a", 1));
}

TEST(DiskCache, ThreadsShareOne) {
  const TemporaryFolder folder;
  DiskCache cache(folder.path(), 6 * (kHeaderBytes + 45));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const std::string name(1, static_cast<char>('a' + (i * (t + 1)) % 9));
        cache.write(name, 1, picture_of(name[0]));
        const auto image = cache.read(name, 1);
        if (image) {
          EXPECT_EQ(image->pixels, picture_of(name[0]).pixels);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.bytes(), 6 * (kHeaderBytes + 45));
  EXPECT_EQ(cache.problem(), "");
}

// A data set reads from the cache what an earlier one has kept there, and notices new pictures.
TEST(DiskCache, DataSetsUseIt) {
  const TemporaryFolder folder;
  const fs::path jpeg = folder.path() / "a.jpg";
  write_jpeg(jpeg, picture_of(3, 40, 30));
  PersonSet set{"test", 17, {{1, "a.jpg", 30, 40}}, {}};
  set.people.push_back({.box_image = {0, 0, 30, 40}, .joints = std::vector<Joint>(17)});
  const auto open = [&] {
    return TopDownDataset(
        set, ImageSource::open(folder.path()), skeleton_by_name("coco"),
        {.disk_cache = std::make_shared<DiskCache>(folder.path() / "cache", 1 << 20)});
  };
  const auto first = open().picture(0)->pixels;
  const fs::path kept = files_of(folder.path() / "cache").front();
  const fs::file_time_type time = fs::last_write_time(jpeg);
  std::ofstream(jpeg, std::ios::binary | std::ios::in) << "no JPEG";  // of the same size
  fs::last_write_time(jpeg, time);
  EXPECT_EQ(open().picture(0)->pixels, first) << "not read from the cache";
  write_jpeg(jpeg, picture_of(90, 40, 30));
  EXPECT_NE(open().picture(0)->pixels, first) << "stale";
  EXPECT_TRUE(fs::exists(kept));
}

}  // namespace
}  // namespace akimbo::datasets
