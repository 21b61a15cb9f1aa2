#include "datasets/synth/labels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "datasets/synth/synth.h"

namespace akimbo::synth {
namespace {

SynthOptions options() {
  SynthOptions o{.seed = 11};
  o.scene = {.width = 200, .height = 150, .max_people = 4};
  return o;
}

std::int64_t shoelace(const Json& polygon) {
  std::int64_t doubled = 0;
  for (std::size_t i = 0; i < polygon.size(); i += 2) {
    const std::size_t j = (i + 2) % polygon.size();
    doubled += polygon[i].get<int>() * polygon[j + 1].get<int>() -
               polygon[j].get<int>() * polygon[i + 1].get<int>();
  }
  return doubled / 2;
}

// Pixels inside, whichever way the segmentation is written.
std::int64_t area_of(const Json& segmentation) {
  std::int64_t area = 0;
  if (segmentation.is_array()) {
    for (const Json& polygon : segmentation) area += shoelace(polygon);
  } else {
    for (std::size_t i = 1; i < segmentation.at("counts").size(); i += 2) {
      area += segmentation.at("counts")[i].get<std::int64_t>();
    }
  }
  return area;
}

Mask mask_of(int x0, int y0, const std::vector<std::string>& rows) {
  Mask m{.x0 = x0,
         .y0 = y0,
         .width = static_cast<int>(rows[0].size()),
         .height = static_cast<int>(rows.size())};
  for (const std::string& row : rows) {
    for (const char c : row) {
      m.inside.push_back(c == '#');
      m.area += c == '#';
    }
  }
  return m;
}

TEST(SynthLabels, PolygonOfASquare) {
  EXPECT_EQ(segmentation_of(mask_of(3, 2, {"##", "##"}), 10, 8),
            Json::parse("[[3,2,5,2,5,4,3,4]]"));
}

TEST(SynthLabels, PixelsThatTouchAtACornerAreApart) {
  EXPECT_EQ(segmentation_of(mask_of(0, 0, {"#.", ".#"}), 10, 8),
            Json::parse("[[0,0,1,0,1,1,0,1],[1,1,2,1,2,2,1,2]]"));
}

TEST(SynthLabels, HolesAreWrittenAsRuns) {
  const Json ring = segmentation_of(mask_of(1, 1, {"###", "#.#", "###"}), 5, 4);
  // Column by column of 4: one empty, then three with the top row empty.
  EXPECT_EQ(ring, Json::parse(R"({"counts":[5,3,1,1,1,1,1,3,4],"size":[4,5]})"));
}

TEST(SynthLabels, RunsReachThePicturesEnd) {
  const Json ring = segmentation_of(mask_of(0, 0, {"###", "#.#", "###"}), 3, 3);
  EXPECT_EQ(ring, Json::parse(R"({"counts":[0,4,1,4],"size":[3,3]})"));
}

TEST(SynthLabels, AreaIsTheMasksArea) {
  int num_people = 0;
  for (int i = 0; i < 12; ++i) {
    const SynthPicture picture = make_picture(options(), i);
    for (const PersonLabel& person : picture.people) {
      ++num_people;
      std::int64_t inside = 0;
      for (const std::uint8_t pixel : person.mask.inside) inside += pixel;
      EXPECT_EQ(inside, person.mask.area);
      EXPECT_EQ(area_of(segmentation_of(person.mask, 200, 150)), person.mask.area);
    }
  }
  EXPECT_GT(num_people, 12);
}

TEST(SynthLabels, KeypointsLieInThePictureAndVisibleOnesOnTheirPerson) {
  int seen[3] = {0, 0, 0};
  for (int i = 0; i < 30; ++i) {
    const SynthPicture picture = make_picture(options(), i);
    for (const PersonLabel& person : picture.people) {
      for (const KeypointLabel& k : person.keypoints) {
        ++seen[static_cast<int>(k.visibility)];
        EXPECT_GE(k.x_px, 0);
        EXPECT_GE(k.y_px, 0);
        EXPECT_LE(k.x_px, 199);
        EXPECT_LE(k.y_px, 149);
        if (k.visibility != Visibility::visible) continue;
        // A surface of this person is at the keypoint or next to it, about as far as the keypoint.
        const int px = static_cast<int>(k.x_px + 0.5f), py = static_cast<int>(k.y_px + 0.5f);
        float nearest = 1e9f;
        for (int y = std::max(0, py - 1); y <= std::min(149, py + 1); ++y) {
          for (int x = std::max(0, px - 1); x <= std::min(199, px + 1); ++x) {
            if (!person.mask.at(x, y)) continue;
            nearest = std::min(
                nearest, std::abs(picture.rendering.depth.z[picture.rendering.depth.index(x, y)] -
                                  0.001f * k.camera_mm.z));
          }
        }
        EXPECT_LT(nearest, 0.3f);
      }
    }
  }
  EXPECT_GT(seen[2], seen[1]);
  EXPECT_GT(seen[1], 50);
  EXPECT_GT(seen[0], 10);
}

TEST(SynthLabels, WhoFacesAwayShowsNoFace) {
  // One person, upright, seen from the front and from behind.
  SynthPicture picture = make_picture(options(), 0);
  Scene& scene = picture.scene;
  scene.camera.rotation = {{1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
  scene.camera.position = {0, 1, 0};
  const auto visibility = [&](float yaw_rad, int keypoint) {
    scene.people = {make_body({}, {}, 0, -4, yaw_rad)};
    scene.primitives.clear();
    scene.materials.clear();
    add_figure(scene.people[0], {}, 0, scene.primitives, scene.materials);
    const DepthBuffer depth = rasterize(scene.camera, scene.primitives);
    return label_people(scene, depth).at(0).keypoints[static_cast<std::size_t>(keypoint)];
  };
  for (const int face : {0, 1, 2}) {
    EXPECT_EQ(visibility(0, face).visibility, Visibility::visible) << face;
    EXPECT_EQ(visibility(kPi, face).visibility, Visibility::hidden) << face;
  }
  for (const int body : {5, 6, 11, 12, 13, 14, 15, 16}) {
    EXPECT_EQ(visibility(0, body).visibility, Visibility::visible) << body;
    EXPECT_EQ(visibility(kPi, body).visibility, Visibility::visible) << body;
  }
  // Facing the camera, the person's left is on the right of the picture.
  EXPECT_GT(visibility(0, 5).x_px, visibility(0, 6).x_px);
  EXPECT_LT(visibility(kPi, 5).x_px, visibility(kPi, 6).x_px);
  // Seen from the left side, the right shoulder is behind the chest.
  EXPECT_EQ(visibility(-kPi / 2, 5).visibility, Visibility::visible);
  EXPECT_EQ(visibility(-kPi / 2, 6).visibility, Visibility::hidden);
}

}  // namespace
}  // namespace akimbo::synth
