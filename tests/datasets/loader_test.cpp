#include "datasets/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "datasets/meta.h"
#include "datasets/readers/coco_format.h"
#include "engine/core/error.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_folder.h"

namespace akimbo::datasets {
namespace {

// Ten people on five noisy pictures, small crops.
class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    people_ = {"test.json", 17, {}, {}};
    for (int i = 0; i < 5; ++i) {
      Image image(40, 50, 3);
      RandomStream random(static_cast<std::uint64_t>(i));
      for (std::uint8_t& p : image.pixels) p = static_cast<std::uint8_t>(random.bits());
      const std::string name = std::to_string(i) + ".png";
      write_png(folder_.path() / name, image);
      people_.images.push_back({i, name, 50, 40});
    }
    for (int i = 0; i < 10; ++i) {
      PersonRecord person{.image_index = i / 2, .annotation_id = 100 + i};
      person.box_image = {5.0 + i, 6, 12, 20};
      person.region = box_to_center_scale(person.box_image, 0.75);
      person.joints.assign(17, Joint{{10.0 + i, 12}, 1});
      people_.people.push_back(person);
    }
  }
  [[nodiscard]] TopDownDataset dataset() const {
    return {people_,
            ImageSource::open(folder_.path()),
            skeleton_by_name("coco"),
            {.codec = {{24, 32}, {6, 8}, 1}, .augment = AugmentOptions{}, .seed = 9}};
  }
  // All elements of an epoch, batch by batch.
  static std::vector<float> elements(const TopDownDataset& dataset, const BatchOrder& order) {
    BatchLoader loader(dataset, order);
    std::vector<float> all;
    while (loader.has_next()) {
      const Batch batch = loader.next();
      for (const Tensor* t : {&batch.input, &batch.target, &batch.weight}) {
        const auto values = t->values<float>();
        all.insert(all.end(), values.begin(), values.end());
      }
    }
    return all;
  }

  test_support::TemporaryFolder folder_;
  PersonSet people_;
};

TEST_F(LoaderTest, KeepsTheLastPartialBatch) {
  const TopDownDataset set = dataset();
  BatchLoader loader(set, {.batch_size = 4, .workers = 2});
  EXPECT_EQ(loader.num_batches(), 3);
  std::vector<std::int64_t> sizes, ids;
  while (loader.has_next()) {
    const Batch batch = loader.next();
    EXPECT_EQ(batch.input.shape(),
              (Shape{static_cast<std::int64_t>(batch.samples.size()), 32, 24, 3}));
    EXPECT_EQ(batch.target.shape()[3], 17);
    sizes.push_back(batch.input.dim(0));
    for (const SampleMeta& sample : batch.samples) ids.push_back(sample.annotation_id);
  }
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{4, 4, 2}));
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(ids[i], 100 + static_cast<int>(i));
  EXPECT_THROW((void)loader.next(), ArgumentError);
  EXPECT_GE(loader.waited_seconds(), 0);
}

TEST_F(LoaderTest, ContentDoesNotDependOnWorkersOrPrefetch) {
  const TopDownDataset set = dataset();
  BatchOrder order{.batch_size = 3, .shuffle = true, .seed = 5, .epoch = 2, .workers = 0};
  const std::vector<float> alone = elements(set, order);
  for (const int workers : {1, 2, 5}) {
    for (const int prefetch : {1, 4}) {
      order.workers = workers;
      order.prefetch = prefetch;
      EXPECT_EQ(elements(set, order), alone) << workers << " " << prefetch;
    }
  }
  order.epoch = 3;
  EXPECT_NE(elements(set, order), alone);
}

TEST_F(LoaderTest, ShufflesBySeedAndEpoch) {
  BatchOrder order{.shuffle = true, .seed = 1, .epoch = 0};
  const auto first = epoch_order(100, order);
  EXPECT_EQ(epoch_order(100, order), first);
  EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()).size(), 100u);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  order.epoch = 1;
  EXPECT_NE(epoch_order(100, order), first);
  order = {.shuffle = true, .seed = 2, .epoch = 0};
  EXPECT_NE(epoch_order(100, order), first);
}

TEST_F(LoaderTest, GoesOnInTheMiddleOfAnEpoch) {
  const TopDownDataset set = dataset();
  BatchOrder order{.batch_size = 3, .shuffle = true, .seed = 5, .workers = 2};
  const std::vector<float> whole = elements(set, order);
  order.first_batch = 2;
  const std::vector<float> rest = elements(set, order);
  ASSERT_LT(rest.size(), whole.size());
  EXPECT_TRUE(std::equal(rest.rbegin(), rest.rend(), whole.rbegin()));
}

TEST_F(LoaderTest, AWorkersErrorReachesTheConsumer) {
  people_.images[2].name = "missing.png";
  const TopDownDataset set = dataset();
  for (const int workers : {0, 1, 3}) {
    BatchLoader loader(set, {.batch_size = 2, .workers = workers});
    EXPECT_EQ(loader.next().samples[0].annotation_id, 100);
    EXPECT_EQ(loader.next().samples[0].annotation_id, 102);
    try {
      (void)loader.next();
      FAIL();
    } catch (const FileError& e) {
      EXPECT_NE(std::string(e.what()).find("annotation 104"), std::string::npos) << e.what();
    }
  }
}

TEST_F(LoaderTest, EndsCleanlyWithBatchesLeft) {
  const TopDownDataset set = dataset();
  for (int i = 0; i < 20; ++i) {
    BatchLoader loader(set, {.batch_size = 1, .workers = 3, .prefetch = 4});
    if (i % 2 == 0) (void)loader.next();
  }
  EXPECT_THROW(BatchLoader(set, {.batch_size = 0}), ArgumentError);
}

TEST(LoaderReal, PhotographsBecomeBatches) {
  const auto root = test_support::shared_path("data/real/coco");
  if (!root) GTEST_SKIP() << test_support::kNoSharedData;
  for (const WarpMode warp : {WarpMode::opencv, WarpMode::fast}) {
    const TopDownDataset set(read_coco_people(*root / "test_coco.json", {}),
                             ImageSource::open(*root), skeleton_by_name("coco"), {.warp = warp});
    BatchLoader loader(set, {.batch_size = 12, .workers = 2});
    const Batch batch = loader.next();
    EXPECT_FALSE(loader.has_next());
    EXPECT_EQ(batch.input.shape(), (Shape{12, 256, 192, 3}));
    double sum = 0, peaks = 0;
    for (const float v : batch.input.values<float>()) sum += v;
    for (const float v : batch.target.values<float>()) peaks += v == 1.0f ? 1 : 0;
    double visible = 0;
    for (const float w : batch.weight.values<float>()) visible += w;
    // Ordinary photographs: about the mean of the statistics, darker for black borders.
    EXPECT_LT(std::abs(sum / static_cast<double>(batch.input.numel())), 1.0);
    EXPECT_EQ(peaks, visible);
    EXPECT_GT(visible, 12 * 5);
  }
}

TEST(ImageCache, KeepsWithinItsLimitAndForgetsTheOldest) {
  ImageCache cache(3 * 300);
  int decoded = 0;
  const auto get = [&](std::int64_t index) {
    return cache.get({index, 1}, [&] {
      ++decoded;
      return Image(10, 10, 3);
    });
  };
  for (const int i : {0, 1, 2, 0, 3, 0}) EXPECT_EQ(get(i)->width, 10);
  EXPECT_EQ(decoded, 4);  // 0 was used again, so 1 went out for 3
  EXPECT_LE(cache.bytes(), 900);
  (void)get(1);
  EXPECT_EQ(decoded, 5);
  EXPECT_THROW((void)cache.get({9, 1}, []() -> Image { throw FileError("bad"); }), FileError);
  EXPECT_EQ(cache.get({9, 1}, [] { return Image(1, 1, 3); })->width, 1);
}

}  // namespace
}  // namespace akimbo::datasets
