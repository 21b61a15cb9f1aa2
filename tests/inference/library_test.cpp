// The library as other programs see it: its interface, and the tree that `meson install` makes.
#include "akimbo/akimbo.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <thread>

#include "datasets/readers/image_file.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "inference/precision.h"
#include "tests/apps/tiny_run.h"

namespace akimbo {
namespace {

namespace fs = std::filesystem;
using testing_support::run_akimbo;
using testing_support::TinyRun;

PictureView view_of(const Image& image) {
  return {.pixels = image.pixels.data(), .width = image.width, .height = image.height};
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// One model and one picture for all of these.
class Library : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = std::make_unique<TinyRun>();
    ASSERT_EQ(0, tiny_->train("run", {"--set", "train.epochs=1"}).exit_code);
    picture_ = read_image(picture_path());
  }
  static void TearDownTestSuite() { tiny_.reset(); }
  static std::string model() { return tiny_->file("run/checkpoint_last.safetensors"); }
  static fs::path picture_path() {
    return fs::directory_iterator(tiny_->file("data/images/val"))->path();
  }

  static std::unique_ptr<TinyRun> tiny_;
  static Image picture_;
};
std::unique_ptr<TinyRun> Library::tiny_;
Image Library::picture_;

TEST_F(Library, GivesWhatTheProgramGives) {
  const std::string out = tiny_->file("out");
  ASSERT_EQ(0, run_akimbo({"predict", model(), picture_path(), "--out", out, "--flip"}).exit_code);
  const Json wanted = io::read_json(out + "/results.json").at(0).at("keypoints");
  const auto estimator = PoseEstimator::load(model(), {.device = "cpu", .flip = true});
  const PersonPose person = estimator.estimate(view_of(picture_));
  ASSERT_EQ(estimator.keypoint_names().size(), person.keypoints.size());
  ASSERT_EQ(wanted.size(), 3 * person.keypoints.size());
  for (std::size_t k = 0; k < person.keypoints.size(); ++k) {
    EXPECT_NEAR(wanted[3 * k].get<double>(), person.keypoints[k].x, 1e-3);
    EXPECT_NEAR(wanted[3 * k + 1].get<double>(), person.keypoints[k].y, 1e-3);
  }
  EXPECT_FALSE(estimator.limbs().empty());
  EXPECT_STREQ(AKIMBO_VERSION, version());
}

// The same picture in every form of pixel, and upside down through a negative step.
TEST_F(Library, TakesEveryPixelFormat) {
  const auto estimator = PoseEstimator::load(model(), {.device = "cpu"});
  Image grey = picture_;
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) grey.pixels[i] = grey.pixels[i / 3 * 3];
  const float wanted = estimator.estimate(view_of(grey)).score;
  const std::pair<PixelFormat, int> formats[] = {{PixelFormat::rgb, 3},
                                                 {PixelFormat::bgr, 3},
                                                 {PixelFormat::rgba, 4},
                                                 {PixelFormat::bgra, 4},
                                                 {PixelFormat::grey, 1}};
  for (const auto& [format, bytes] : formats) {
    const std::ptrdiff_t step = std::ptrdiff_t{grey.width} * bytes + 5;
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(step * grey.height), 77);
    for (int y = 0; y < grey.height; ++y) {
      std::uint8_t* row = pixels.data() + (grey.height - 1 - y) * step;
      for (int x = 0; x < grey.width * bytes; ++x) row[x] = grey.row(y)[x / bytes * 3];
    }
    const PersonPose person = estimator.estimate({.pixels = &pixels[(grey.height - 1) * step],
                                                  .width = grey.width,
                                                  .height = grey.height,
                                                  .format = format,
                                                  .row_bytes = -step});
    EXPECT_EQ(wanted, person.score) << bytes;
  }
  Image swapped = picture_;
  for (std::size_t i = 0; i < swapped.pixels.size(); i += 3) {
    std::swap(swapped.pixels[i], swapped.pixels[i + 2]);
  }
  PictureView bgr = view_of(swapped);
  bgr.format = PixelFormat::bgr;
  EXPECT_EQ(estimator.estimate(view_of(picture_)).score, estimator.estimate(bgr).score);
}

TEST_F(Library, SaysWhatTheDeviceDoesInstead) {
  const auto estimator = PoseEstimator::load(model(), {.device = "cpu", .precision = "bf16"});
  EXPECT_EQ(estimator.note().empty(), cpu_has_bf16());
  EXPECT_EQ(PoseEstimator::load(model(), {.device = "cpu"}).note(), "");
  EXPECT_NE(precision_note("bf16", kCpu, false).find("predicting in f32"), std::string::npos);
  EXPECT_EQ(precision_note("bf16", kCpu, true), "");
  EXPECT_EQ(precision_note("f32", kCpu, false), "");
  EXPECT_EQ(precision_note("bf16", {Device::Kind::cuda, 0}, false), "");
}

TEST_F(Library, ThreadsTakeTurns) {
  const auto estimator = PoseEstimator::load(model(), {.device = "cpu"});
  const std::vector<PersonBox> boxes = {{0, 0, 50, 60}, {20, 10, 40, 80}, {5, 5, 90, 90}};
  const auto alone = estimator.estimate(view_of(picture_), boxes);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      const auto people = estimator.estimate(view_of(picture_), boxes);
      ASSERT_EQ(alone.size(), people.size());
      for (std::size_t p = 0; p < people.size(); ++p) EXPECT_EQ(alone[p].score, people[p].score);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(estimator.estimate(view_of(picture_), {}).empty());
}

TEST_F(Library, MistakesAreExplained) {
  EXPECT_THROW((void)PoseEstimator::load("/no/such.safetensors"), FileError);
  EXPECT_THROW((void)PoseEstimator::load(picture_path()), FileError);
  EXPECT_THROW((void)PoseEstimator::load(model(), {.device = "gpu7"}), ArgumentError);
  EXPECT_THROW((void)PoseEstimator::load(model(), {.threads = -1}), ConfigError);
  EXPECT_THROW((void)PoseEstimator::load(model(), {.precision = "f8"}), ConfigError);
  const auto estimator = PoseEstimator::load(model(), {.device = "cpu"});
  const auto says = [&](const PictureView& view, const PersonBox& box) {
    return message_of([&] { (void)estimator.estimate(view, {&box, 1}); });
  };
  const PersonBox good{0, 0, 10, 10};
  EXPECT_NE(says({}, good).find("null pointer"), std::string::npos);
  PictureView narrow = view_of(picture_);
  narrow.row_bytes = 10;
  EXPECT_NE(says(narrow, good).find("row_bytes is 10"), std::string::npos);
  EXPECT_NE(says(view_of(picture_), {0, 0, 0, 10}).find("has no area"), std::string::npos);
}

#if !defined(__SANITIZE_ADDRESS__)
// examples/estimate_poses.cpp against an installed tree, by pkg-config alone.
TEST_F(Library, ExampleBuildsAgainstTheInstalledTree) {
  const fs::path build = fs::current_path();
  if (!fs::exists(build / "inference/libakimbo.a")) {
    GTEST_SKIP() << "libakimbo was not built in " << build << "; run ninja there";
  }
  const std::string tree = tiny_->file("tree"), program = tiny_->file("example");
  const auto run = [&](const std::string& command) {
    const std::string log = tiny_->file("log");
    const int code = std::system((command + " >" + log + " 2>&1").c_str());
    EXPECT_EQ(0, code) << command << "\n" << io::read_file(log);
    return io::read_file(log);
  };
  run(fmt::format("DESTDIR={} meson install -C {} --no-rebuild --tags devel,runtime", tree,
                  build.string()));
  fs::path package;
  for (const auto& entry : fs::recursive_directory_iterator(tree)) {
    if (entry.path().filename() == "akimbo.pc") package = entry.path();
  }
  ASSERT_FALSE(package.empty());
  const fs::path library = package.parent_path().parent_path();
  // As if it had been configured for that place. A sysroot would move the paths of others as well.
  fs::path prefix = library;
  while (!fs::exists(prefix / "include")) prefix = prefix.parent_path();
  const std::string found = fmt::format("PKG_CONFIG_PATH={} pkg-config --define-variable=prefix={}",
                                        package.parent_path().string(), prefix.string());
  for (const char* how : {"", "--static"}) {
    fs::remove(program);
    if (*how != '\0') fs::remove(library / "libakimbo.so");  // so that the linker takes the archive
    run(fmt::format(
        "c++ -std=c++20 -O0 {}/examples/estimate_poses.cpp -o {} $({} --cflags --libs {} "
        "akimbo)",
        AKIMBO_SOURCE_ROOT, program, found, how));
    std::string ppm = fmt::format("P6\n{} {}\n255\n", picture_.width, picture_.height);
    ppm.append(picture_.pixels.begin(), picture_.pixels.end());
    io::write_file_atomic(tiny_->file("a.ppm"), ppm);
    const std::string text =
        run(fmt::format("LD_LIBRARY_PATH={} {} {} {} 5 5 80 80", library.string(), program, model(),
                        tiny_->file("a.ppm")));
    EXPECT_NE(text.find("left_ankle"), std::string::npos) << text;
  }
}
#endif

}  // namespace
}  // namespace akimbo
