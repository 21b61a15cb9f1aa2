#include "tests/datasets/metrics/coco_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <vector>

namespace akimbo::test_support {
namespace {

constexpr int kKeypoints = 17;

// splitmix64.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}
  int below(int n) {
    state_ += 0x9E3779B97F4A7C15ull;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return static_cast<int>(((z ^ (z >> 31)) >> 33) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_;
};

struct Person {
  std::array<double, 4> box{};
  double area = 0.0;
  bool is_crowd = false;
  std::vector<double> keypoints;
  int num_keypoints = 0;
};

Person make_person(Rng& rng, const std::optional<Person>& previous) {
  const bool copies = rng.below(12) == 0 && previous.has_value();
  const int x0 = rng.below(400), y0 = rng.below(300);
  const int width = 8 + rng.below(200), height = 8 + rng.below(200);
  const int kind = rng.below(8);
  constexpr std::array<double, 4> kEdges = {1024.0, 9216.0, 1023.75, 9216.25};
  Person person;
  person.box = {double(x0), double(y0), double(width), double(height)};
  person.area = kind < 4 ? kEdges[kind] : width * height * 0.5;
  person.is_crowd = rng.below(10) == 0;
  const bool unlabelled = rng.below(8) == 0;
  for (int k = 0; k < kKeypoints; ++k) {
    const bool hidden = rng.below(4) == 0;
    const int v = hidden || unlabelled ? 0 : 1 + rng.below(2);
    const double x = x0 + rng.below(4 * width + 1) / 4.0;
    const double y = y0 + rng.below(4 * height + 1) / 4.0;
    person.keypoints.insert(person.keypoints.end(), {v > 0 ? x : 0.0, v > 0 ? y : 0.0, double(v)});
    person.num_keypoints += v > 0 ? 1 : 0;
  }
  if (rng.below(20) == 0) person.num_keypoints = 0;
  if (copies) {
    const bool is_crowd = person.is_crowd;
    person = *previous;
    person.is_crowd = is_crowd;
  }
  return person;
}

std::vector<double> near_pose(Rng& rng, const std::array<double, 4>& box, const double* keypoints) {
  constexpr std::array<double, 6> kNoise = {0.0, 1.0 / 64, 1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 2};
  const double reach = std::max(box[2], box[3]) * kNoise[rng.below(6)];
  std::vector<double> pose;
  for (int k = 0; k < kKeypoints; ++k) {
    const bool labelled = keypoints[3 * k + 2] > 0;
    const double x = labelled ? keypoints[3 * k] : box[0] + box[2] / 2;
    const double y = labelled ? keypoints[3 * k + 1] : box[1] + box[3] / 2;
    const double dx = (rng.below(65) - 32) / 32.0 * reach;
    const double dy = (rng.below(65) - 32) / 32.0 * reach;
    pose.insert(pose.end(), {x + dx, y + dy, 1.0});
  }
  return pose;
}

std::vector<double> far_pose(Rng& rng) {
  std::vector<double> pose;
  for (int k = 0; k < kKeypoints; ++k) {
    const double x = rng.below(2560) / 4.0, y = rng.below(1920) / 4.0;
    pose.insert(pose.end(), {x, y, 1.0});
  }
  return pose;
}

std::string pose_text(Rng& rng, std::int64_t image, std::int64_t category,
                      const std::vector<double>& keypoints, int levels, bool boxes) {
  const double score = static_cast<double>(rng.below(levels + 1)) / levels;
  std::string text = fmt::format(R"({{"image_id":{},"category_id":{},"keypoints":[{}],"score":{})",
                                 image, category, fmt::join(keypoints, ","), score);
  if (boxes) {
    const int x = rng.below(400), y = rng.below(300), w = rng.below(150), h = rng.below(150);
    text += fmt::format(R"(,"bbox":[{},{},{},{}])", x, y, w, h);
  }
  return text + "}";
}

std::string list_of(const std::vector<std::string>& texts) {
  return fmt::format("[{}]", fmt::join(texts, ",\n"));
}

// Writes one data set piece by piece.
class CaseMaker {
 public:
  explicit CaseMaker(std::uint64_t seed)
      : rng_(seed),
        levels_(std::array{4, 100, 1000000}[seed % 3]),
        many_(seed % 5 == 0),
        empties_(seed % 4 == 1),
        boxes_(seed % 7 == 2),
        two_categories_(seed % 11 == 3),
        next_id_(seed % 13 == 4 ? 0 : 1) {}

  CocoCase make() {
    const int num_images = 1 + rng_.below(12);
    for (int i = 0; i < num_images; ++i) add_image(1 + i * 37 % 101);
    if (poses_.empty()) add_pose(1, 1, far_pose(rng_));
    const int turn = rng_.below(static_cast<int>(poses_.size()));
    std::rotate(poses_.begin(), poses_.begin() + turn, poses_.end());
    const char* categories = two_categories_ ? R"([{"id":1},{"id":2}])" : R"([{"id":1}])";
    return {fmt::format(R"({{"images":{},"annotations":{},"categories":{}}})", list_of(images_),
                        list_of(people_), categories),
            list_of(poses_)};
  }

 private:
  void add_image(int image) {
    images_.push_back(fmt::format(R"({{"id":{}}})", image));
    int num_people = rng_.below(4);
    if (empties_ && rng_.below(2) == 0) num_people = 0;
    std::optional<Person> previous;
    for (int p = 0; p < num_people; ++p) {
      const Person person = make_person(rng_, previous);
      previous = person;
      const int category = pick_category();
      add_person(image, category, person);
      const int num_poses = rng_.below(many_ ? 12 : 4);
      for (int i = 0; i < num_poses; ++i) {
        add_pose(image, category, near_pose(rng_, person.box, person.keypoints.data()));
      }
    }
    const int num_far = rng_.below(many_ ? 15 : 3);
    for (int i = 0; i < num_far; ++i) {
      const int category = pick_category();
      add_pose(image, category, far_pose(rng_));
    }
  }

  int pick_category() { return two_categories_ && rng_.below(3) == 0 ? 2 : 1; }

  void add_person(int image, int category, const Person& person) {
    people_.push_back(fmt::format(
        R"({{"id":{},"image_id":{},"category_id":{},"bbox":[{}],"area":{},"iscrowd":{},)"
        R"("num_keypoints":{},"keypoints":[{}]}})",
        next_id_++, image, category, fmt::join(person.box, ","), person.area,
        person.is_crowd ? 1 : 0, person.num_keypoints, fmt::join(person.keypoints, ",")));
  }

  void add_pose(int image, int category, const std::vector<double>& keypoints) {
    poses_.push_back(pose_text(rng_, image, category, keypoints, levels_, boxes_));
  }

  Rng rng_;
  int levels_;
  bool many_, empties_, boxes_, two_categories_;
  int next_id_;
  std::vector<std::string> images_, people_, poses_;
};

}  // namespace

CocoCase make_coco_case(std::uint64_t seed) { return CaseMaker(seed).make(); }

std::string make_real_results(const datasets::CocoLabels& labels) {
  Rng rng(1);
  std::vector<std::string> poses;
  for (std::size_t i = 0; i < labels.people.size(); ++i) {
    const auto& person = labels.people[i];
    for (int n = 0; n < 3; ++n) {
      const auto keypoints =
          near_pose(rng, person.box_xywh, labels.keypoints.data() + i * 3 * kKeypoints);
      poses.push_back(pose_text(rng, person.image_id, person.category_id, keypoints, 100, false));
    }
  }
  return list_of(poses);
}

}  // namespace akimbo::test_support
