#include "datasets/synth/synth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "datasets/readers/image_file.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::synth {
namespace {

using testing_support::ScratchFolder;

SynthOptions small(int num_images) {
  SynthOptions options{.num_images = num_images, .seed = 5};
  options.scene = {.width = 160, .height = 120, .max_people = 3};
  return options;
}

// Name to bytes, of every file below a folder.
std::map<std::string, std::string> files_of(const std::filesystem::path& dir) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (!entry.is_regular_file()) continue;
    files[std::filesystem::relative(entry.path(), dir)] = io::read_file(entry.path());
  }
  return files;
}

TEST(Synth, SameSeedSameBytesWhateverTheThreads) {
  const ScratchFolder a, b, c;
  SynthOptions options = small(12);
  options.num_threads = 1;
  write_synthetic_data(a.path(), options);
  options.num_threads = 3;
  write_synthetic_data(b.path(), options);
  const auto files = files_of(a.path());
  EXPECT_EQ(files.size(), 14u);
  EXPECT_EQ(files, files_of(b.path()));
  options.seed = 6;
  write_synthetic_data(c.path(), options);
  EXPECT_NE(files, files_of(c.path()));
}

TEST(Synth, PicturesDoNotDependOnHowManyThereAre) {
  const SynthPicture few = make_picture(small(4), 2), many = make_picture(small(400), 2);
  EXPECT_EQ(few.rendering.image.pixels, many.rendering.image.pixels);
}

// Of someone who faces the camera the left hip (11) is to the right of the right hip (12).
TEST(Synth, FacingIsTheShareThatShowsTheFront) {
  const auto num_front = [](double facing) {
    SceneOptions options{.max_people = 1, .facing = facing};
    int front = 0;
    for (int i = 0; i < 200; ++i) {
      const Scene scene = make_scene(options, 1, static_cast<std::uint64_t>(i));
      for (const Body& body : scene.people) {
        const double left = body.keypoints[11].x / std::abs(body.keypoints[11].z);
        const double right = body.keypoints[12].x / std::abs(body.keypoints[12].z);
        front += left > right;
      }
    }
    return front;
  };
  EXPECT_GT(num_front(1), 190);
  EXPECT_LT(num_front(0.5), 170);
  EXPECT_LT(num_front(0), 130);
}

TEST(Synth, WritesCocoFiles) {
  const ScratchFolder folder;
  SynthOptions options = small(10);
  options.num_val = 3;
  const SynthCounts counts = write_synthetic_data(folder.path(), options);
  EXPECT_TRUE(counts.complete);
  int num_people = 0;
  std::set<std::int64_t> ids;
  for (const auto& [split, num_images] : {std::pair{"train", 7}, {"val", 3}}) {
    const Json json = io::read_json(folder.path() / "annotations" /
                                    (std::string("person_keypoints_") + split + ".json"));
    EXPECT_EQ(json.at("images").size(), static_cast<std::size_t>(num_images));
    EXPECT_EQ(json.at("categories")[0].at("keypoints")[15], "left_ankle");
    for (const Json& image : json.at("images")) {
      const Image read =
          read_image(folder.path() / "images" / split / image.at("file_name").get<std::string>());
      EXPECT_EQ(read.width, image.at("width").get<int>());
      EXPECT_EQ(read.height, image.at("height").get<int>());
    }
    for (const Json& person : json.at("annotations")) {
      ++num_people;
      EXPECT_TRUE(ids.insert(person.at("id").get<std::int64_t>()).second);
      EXPECT_EQ(person.at("keypoints").size(), 51u);
      EXPECT_EQ(person.at("keypoints_3d").size(), 17u);
    }
  }
  EXPECT_EQ(counts.num_people, num_people);
}

TEST(Synth, PeopleAreProjectedByTheCamera) {
  const ScratchFolder folder;
  write_synthetic_data(folder.path(), small(10));
  const Json json = io::read_json(folder.path() / "annotations/person_keypoints_train.json");
  std::map<int, Json> cameras;
  for (const Json& image : json.at("images")) cameras[image.at("id")] = image.at("camera");
  int num_points = 0;
  for (const Json& person : json.at("annotations")) {
    const Json& camera = cameras.at(person.at("image_id"));
    for (std::size_t k = 0; k < 17; ++k) {
      if (person.at("keypoints")[3 * k + 2] == 0) continue;
      const Json& p = person.at("keypoints_3d")[k];
      for (std::size_t axis = 0; axis < 2; ++axis) {
        const double at =
            camera.at("f")[axis].get<double>() * p[axis].get<double>() / p[2].get<double>() +
            camera.at("c")[axis].get<double>();
        EXPECT_NEAR(at, person.at("keypoints")[3 * k + axis].get<double>(), 0.02);
        ++num_points;
      }
    }
  }
  EXPECT_GT(num_points, 200);
}

TEST(Synth, BadOptionsAreNamed) {
  SynthOptions none = small(0), tiny = small(1), crowd = small(1), val = small(2);
  tiny.scene.width = 10;
  crowd.scene.max_people = 0;
  val.num_val = 3;
  const ScratchFolder folder;
  EXPECT_THROWS_WITH(write_synthetic_data(folder.path(), none), ArgumentError, "0 images");
  EXPECT_THROWS_WITH(write_synthetic_data(folder.path(), tiny), ArgumentError, "10x120");
  SynthOptions turned = small(1);
  turned.scene.facing = 1.5;
  EXPECT_THROWS_WITH(write_synthetic_data(folder.path(), turned), ArgumentError, "share of 1.5");
  EXPECT_THROWS_WITH(write_synthetic_data(folder.path(), crowd), ArgumentError, "up to 0 people");
  EXPECT_THROWS_WITH(write_synthetic_data(folder.path(), val), ArgumentError, "3 for validation");
  io::write_file_atomic(folder.path() / "plain", "a file, not a folder");
  EXPECT_THROWS_WITH(write_synthetic_data(folder.path() / "plain", small(1)), FileError, "plain");
}

TEST(Synth, StopsWhenAsked) {
  const ScratchFolder folder;
  SynthOptions options = small(50);
  options.on_progress = [](int done) { return done < 3; };
  EXPECT_FALSE(write_synthetic_data(folder.path(), options).complete);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "annotations/person_keypoints_train.json"));
}

}  // namespace
}  // namespace akimbo::synth
