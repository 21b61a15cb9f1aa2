#include "datasets/synth/synth.h"

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "datasets/readers/image_file.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace akimbo::synth {
namespace {

// The parts of the annotation file that one picture adds, as JSON text: a large set stays small in
// memory, and the file is put together in order whoever made the parts.
struct Record {
  std::string image;
  std::string annotations;  // separated by commas
  int num_people = 0;
};

double rounded(float value, double steps) {
  return std::round(static_cast<double>(value) * steps) / steps;
}

Json annotation_of(const PersonLabel& person, int image_id, const Camera& camera) {
  Json keypoints = Json::array(), points_3d = Json::array();
  for (const KeypointLabel& k : person.keypoints) {
    for (const float value : {k.x_px, k.y_px}) keypoints.push_back(rounded(value, 100));
    keypoints.push_back(static_cast<int>(k.visibility));
    points_3d.push_back(
        {rounded(k.camera_mm.x, 10), rounded(k.camera_mm.y, 10), rounded(k.camera_mm.z, 10)});
  }
  const Mask& mask = person.mask;
  return {{"id", static_cast<std::int64_t>(image_id) * 100 + person.person + 1},
          {"image_id", image_id},
          {"category_id", 1},
          {"iscrowd", 0},
          {"bbox", {mask.x0, mask.y0, mask.width, mask.height}},
          {"area", mask.area},
          {"segmentation", segmentation_of(mask, camera.width, camera.height)},
          {"num_keypoints", person.num_labelled()},
          {"keypoints", std::move(keypoints)},
          {"keypoints_3d", std::move(points_3d)}};
}

std::string name_of(int image_id) { return fmt::format("{:012}.jpg", image_id); }

Record record_of(const SynthPicture& picture, int image_id) {
  const Camera& camera = picture.scene.camera;
  Record record;
  record.image =
      Json{{"id", image_id},
           {"file_name", name_of(image_id)},
           {"width", camera.width},
           {"height", camera.height},
           {"camera", {{"f", {camera.f_px, camera.f_px}}, {"c", {camera.cx_px, camera.cy_px}}}}}
          .dump();
  for (const PersonLabel& person : picture.people) {
    if (record.num_people++ > 0) record.annotations += ",\n";
    record.annotations += annotation_of(person, image_id, camera).dump();
  }
  return record;
}

Json category() {
  const char* const names[kNumKeypoints] = {
      "nose",           "left_eye",   "right_eye",   "left_ear",   "right_ear",   "left_shoulder",
      "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
      "right_hip",      "left_knee",  "right_knee",  "left_ankle", "right_ankle"};
  const int limbs[]
                 [2] = {{16, 14}, {14, 12}, {17, 15}, {15, 13}, {12, 13}, {6, 12}, {7, 13},
                        {6, 7},   {6, 8},   {7, 9},   {8, 10},  {9, 11},  {2, 3},  {1, 2},
                        {1, 3},   {2, 4},   {3, 5},   {4, 6},   {5, 7}};  // from 1, as COCO has it
  return {{"supercategory", "person"},
          {"id", 1},
          {"name", "person"},
          {"keypoints", names},
          {"skeleton", limbs}};
}

void write_annotations(const std::filesystem::path& path, std::span<const Record> records,
                       const SynthOptions& options) {
  const Json info = {{"description", "akimbo synth: rendered people"},
                     {"version", AKIMBO_VERSION},
                     {"seed", options.seed}};
  io::write_file_atomic(path, [&](const io::WriteBytes& write) {
    const auto text = [&](const std::string& s) { write(s.data(), s.size()); };
    text("{\"info\":" + info.dump() + ",\n\"licenses\":[],\n\"categories\":[" + category().dump() +
         "],\n\"images\":[");
    const char* separator = "\n";
    for (const Record& record : records) {
      text(separator + record.image);
      separator = ",\n";
    }
    text("],\n\"annotations\":[");
    separator = "\n";
    for (const Record& record : records) {
      if (record.num_people == 0) continue;
      text(separator + record.annotations);
      separator = ",\n";
    }
    text("]}\n");
  });
}

void check(const SynthOptions& o) {
  if (o.num_images < 1 || o.num_val > o.num_images) {
    throw_error<ArgumentError>(
        "[synth] {} images with {} for validation; ask for at least one "
        "image and for no more validation images than that",
        o.num_images, o.num_val);
  }
  if (o.num_threads < 0) {
    throw_error<ArgumentError>("[synth] {} threads; ask for at least one, or 0 for one per core",
                               o.num_threads);
  }
  if (o.scene.width < 64 || o.scene.height < 64 || o.scene.width > 4096 || o.scene.height > 4096) {
    throw_error<ArgumentError>("[synth] pictures of {}x{}; both sides must be 64 to 4096 pixels",
                               o.scene.width, o.scene.height);
  }
  if (o.scene.max_people < 1 || o.scene.max_people > 20) {
    throw_error<ArgumentError>("[synth] up to {} people; 1 to 20 can be drawn", o.scene.max_people);
  }
  if (!(o.scene.facing >= 0 && o.scene.facing <= 1)) {
    throw_error<ArgumentError>("[synth] a share of {} cannot face the camera; give 0 to 1",
                               o.scene.facing);
  }
}

// Not synced to the disk one by one, which would cost more than making them: a set counts as made
// when its annotation files are there, and those are written last and atomically.
void write_picture(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    throw_error<FileError>(
        "[synth] cannot write {} ({} bytes): {}; free some space or choose "
        "another folder",
        path.string(), bytes.size(), std::strerror(errno));
  }
}

// Makes pictures until none is left, an error occurs or the caller wants to stop.
class Crew {
 public:
  Crew(const std::filesystem::path& dir, const SynthOptions& options, int num_train)
      : dir_(dir), options_(options), num_train_(num_train) {
    records_.resize(static_cast<std::size_t>(options.num_images));
  }

  void run() {
    unsigned num_threads = static_cast<unsigned>(std::max(0, options_.num_threads));
    if (num_threads == 0) num_threads = std::max(1u, std::thread::hardware_concurrency());
    num_threads = std::min(num_threads, static_cast<unsigned>(options_.num_images));
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < num_threads; ++i) threads.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
  }

  [[nodiscard]] bool stopped() const { return stop_; }
  [[nodiscard]] std::span<const Record> records() const { return records_; }

 private:
  void work() {
    for (int i = next_++; i < options_.num_images && !stop_; i = next_++) {
      try {
        make(i);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        stop_ = true;
      }
    }
  }

  void make(int index) {
    const SynthPicture picture = make_picture(options_, index);
    const int image_id = index + 1;
    const char* const split = index < num_train_ ? "train" : "val";
    write_picture(dir_ / "images" / split / name_of(image_id),
                  encode_picture(options_, index, picture.rendering.image));
    records_[static_cast<std::size_t>(index)] = record_of(picture, image_id);
    const std::lock_guard lock(mutex_);
    ++num_done_;
    if (options_.on_progress && !options_.on_progress(num_done_)) stop_ = true;
  }

  const std::filesystem::path& dir_;
  const SynthOptions& options_;
  const int num_train_;
  std::vector<Record> records_;
  std::atomic<int> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  int num_done_ = 0;
  std::exception_ptr error_;
};

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    throw_error<FileError>(
        "[synth] cannot make the folder {}: {}; choose a folder that you may "
        "write to",
        path.string(), error.message());
  }
}

}  // namespace

SynthPicture make_picture(const SynthOptions& options, int index) {
  const auto picture = static_cast<std::uint64_t>(index);
  SynthPicture out;
  out.scene = make_scene(options.scene, options.seed, picture);
  out.rendering = render(out.scene, options.seed, picture);
  out.people = label_people(out.scene, out.rendering.depth);
  return out;
}

std::string encode_picture(const SynthOptions& options, int index, const Image& image) {
  Random random(options.seed, static_cast<std::uint64_t>(index), Purpose::encoding);
  return encode_jpeg(image, 72 + random.below(24));
}

SynthCounts write_synthetic_data(const std::filesystem::path& dir, const SynthOptions& options) {
  check(options);
  const int num_val = options.num_val < 0 ? options.num_images / 10 : options.num_val;
  const int num_train = options.num_images - num_val;
  for (const char* folder : {"annotations", "images/train", "images/val"}) {
    make_folder(dir / folder);
  }
  Crew crew(dir, options, num_train);
  crew.run();
  if (crew.stopped()) return {.complete = false};
  const auto split = static_cast<std::size_t>(num_train);
  write_annotations(dir / "annotations/person_keypoints_train.json", crew.records().first(split),
                    options);
  write_annotations(dir / "annotations/person_keypoints_val.json", crew.records().subspan(split),
                    options);
  SynthCounts counts{.num_images = options.num_images};
  for (const Record& record : crew.records()) counts.num_people += record.num_people;
  return counts;
}

}  // namespace akimbo::synth
