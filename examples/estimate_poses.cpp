// The keypoints of people in a picture, by the installed library and nothing else:
//
//   c++ -std=c++20 estimate_poses.cpp $(pkg-config --cflags --libs akimbo) -o estimate_poses
//   ./estimate_poses model.safetensors picture.ppm 120 40 180 420
//
// The numbers are boxes, four to a person: x, y, width, height in pixels. Without any the whole
// picture is one person's. `djpeg picture.jpg > picture.ppm` makes a PPM of a JPEG; in a program of
// your own, give akimbo the pixels that you have.
#include <akimbo/akimbo.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

struct Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  // RGB
};

// A binary PPM without comments.
Picture read_ppm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  Picture picture;
  int largest = 0;
  file >> magic >> picture.width >> picture.height >> largest;
  if (!file || magic != "P6" || largest != 255 || picture.width < 1 || picture.height < 1) {
    throw std::runtime_error(path + " is no binary PPM of 8 bits");
  }
  file.get();  // the one blank before the pixels
  picture.pixels.resize(std::size_t{3} * picture.width * picture.height);
  file.read(reinterpret_cast<char*>(picture.pixels.data()),
            static_cast<std::streamsize>(picture.pixels.size()));
  if (!file) throw std::runtime_error(path + " ends too early");
  return picture;
}

std::vector<akimbo::PersonBox> boxes_of(int argc, char** argv, const Picture& picture) {
  std::vector<akimbo::PersonBox> boxes;
  for (int i = 3; i + 3 < argc; i += 4) {
    boxes.push_back({std::atof(argv[i]), std::atof(argv[i + 1]), std::atof(argv[i + 2]),
                     std::atof(argv[i + 3])});
  }
  if (boxes.empty()) {
    boxes.push_back(
        {0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)});
  }
  return boxes;
}

void print(const akimbo::PoseEstimator& estimator, const akimbo::PersonPose& person) {
  std::printf("person, score %.3f\n", person.score);
  for (std::size_t k = 0; k < person.keypoints.size(); ++k) {
    const akimbo::Keypoint& point = person.keypoints[k];
    std::printf("  %-16s %8.2f %8.2f  %.3f\n", estimator.keypoint_names()[k].c_str(), point.x,
                point.y, point.score);
  }
}

int main(int argc, char** argv) {
  if (argc < 3 || (argc - 3) % 4 != 0) {
    std::fprintf(stderr, "usage: %s MODEL.safetensors PICTURE.ppm [X Y WIDTH HEIGHT]...\n",
                 argv[0]);
    return 2;
  }
  try {
    const auto estimator = akimbo::PoseEstimator::load(argv[1]);
    const Picture picture = read_ppm(argv[2]);
    const akimbo::PictureView view{picture.pixels.data(), picture.width, picture.height};
    for (const auto& person : estimator.estimate(view, boxes_of(argc, argv, picture))) {
      print(estimator, person);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
