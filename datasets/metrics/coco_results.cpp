// Results files may hold a hundred megabytes of numbers, so large ones are read in pieces on all
// threads.
#include <algorithm>
#include <iterator>
#include <optional>

#include "datasets/metrics/coco_files.h"
#include "datasets/readers/rle.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json_scanner.h"
#include "kernels/common/parallel.h"

namespace akimbo::datasets {
namespace {

using io::JsonScanner;

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// Where the area of a pose comes from: what the first result of the file has decides for all, as in
// the official tool.
enum class AreaSource { box, mask, keypoints };

// Area of the smallest box around all keypoints [K, 3].
template <typename T>
double keypoint_extent(const T* numbers, int count) {
  double x0 = numbers[0], x1 = x0, y0 = numbers[1], y1 = y0;
  for (int k = 1; k < count; ++k) {
    x0 = std::min<double>(x0, numbers[3 * k]);
    x1 = std::max<double>(x1, numbers[3 * k]);
    y0 = std::min<double>(y0, numbers[3 * k + 1]);
    y1 = std::max<double>(y1, numbers[3 * k + 1]);
  }
  return (x1 - x0) * (y1 - y0);
}

// Takes results one by one from a place in the text.
class ResultReader {
 public:
  ResultReader(std::string_view text, int num_keypoints, const std::string& where,
               std::size_t start, std::optional<AreaSource> source = std::nullopt)
      : scanner(text, where, start), source_(source), where_(where) {
    results.num_keypoints = num_keypoints;
  }

  void read_one() {
    Record record;
    const std::size_t start = results.keypoints.size();
    scanner.object([&](std::string_view key) { read_member(key, record, start); });
    if (!record.has_image) fail("has no \"image_id\"");
    if (!record.has_category) fail("has no \"category_id\"");
    if (!record.has_score) fail("has no \"score\"");
    check_keypoints(start);
    record.pose.area = area_of(record, start);
    results.poses.push_back(record.pose);
  }

  [[nodiscard]] std::optional<AreaSource> source() const { return source_; }

  void reserve(std::size_t num_poses) {
    results.poses.reserve(num_poses);
    results.keypoints.reserve(num_poses * 3 * static_cast<std::size_t>(results.num_keypoints));
  }

  JsonScanner scanner;
  CocoResults results;

 private:
  struct Record {
    CocoResults::Pose pose;
    bool has_image = false, has_category = false, has_score = false;
    std::optional<double> box_area, mask_area;
  };

  void read_member(std::string_view key, Record& record, std::size_t start) {
    if (key == "keypoints") {
      results.keypoints.resize(start);
      scanner.array([&] { results.keypoints.push_back(scanner.number()); });
    } else if (key == "image_id") {
      record.pose.image_id = scanner.integer();
      record.has_image = true;
    } else if (key == "category_id") {
      record.pose.category_id = scanner.integer();
      record.has_category = true;
    } else if (key == "score") {
      record.pose.score = scanner.number();
      record.has_score = true;
    } else if (key == "bbox") {
      record.box_area = read_box_area();
    } else if (key == "segmentation") {
      record.mask_area = read_mask_area();
    } else {
      scanner.skip();
    }
  }

  // An empty list counts as no box.
  std::optional<double> read_box_area() {
    std::vector<double> box;
    scanner.array([&] { box.push_back(scanner.number()); });
    if (box.empty()) return std::nullopt;
    if (box.size() != 4) scanner.fail("a box has 4 numbers, not {}", box.size());
    return box[2] * box[3];
  }

  // Only run-length masks have an area here, as in the official tool.
  std::optional<double> read_mask_area() {
    if (scanner.kind() != JsonScanner::Kind::object) {
      scanner.skip();
      return std::nullopt;
    }
    std::string counts;
    scanner.object([&](std::string_view key) {
      if (key == "counts") {
        counts = scanner.string();
      } else {
        scanner.skip();
      }
    });
    return static_cast<double>(rle_area(rle_counts_from_string(counts)));
  }

  double area_of(const Record& record, std::size_t start) {
    if (!source_) {
      source_ = record.box_area    ? AreaSource::box
                : record.mask_area ? AreaSource::mask
                                   : AreaSource::keypoints;
    }
    if (*source_ == AreaSource::keypoints) {
      return keypoint_extent(results.keypoints.data() + start, results.num_keypoints);
    }
    const bool box = *source_ == AreaSource::box;
    const std::optional<double>& area = box ? record.box_area : record.mask_area;
    if (!area) {
      fail(fmt::format("has no \"{}\", but the first one has", box ? "bbox" : "segmentation"));
    }
    return *area;
  }

  void check_keypoints(std::size_t start) {
    const auto wanted = 3 * static_cast<std::size_t>(results.num_keypoints);
    const std::size_t found = results.keypoints.size() - start;
    if (found == wanted) return;
    fail(fmt::format("has {} keypoint numbers, but {} keypoints need {}", found,
                     results.num_keypoints, wanted));
  }

  [[noreturn]] void fail(const std::string& text) {
    throw_error<FileError>("[coco] {}: result number {} of the list {}", where_,
                           results.poses.size() + 1, text);
  }

  std::optional<AreaSource> source_;
  const std::string& where_;
};

CocoResults read_in_order(std::string_view text, int num_keypoints, const std::string& where) {
  ResultReader reader(text, num_keypoints, where, 0);
  if (reader.scanner.kind() != JsonScanner::Kind::array) {
    throw_error<FileError>("[coco] {} is no list of results", where);
  }
  reader.scanner.array([&] { reader.read_one(); });
  reader.scanner.finish();
  return std::move(reader.results);
}

// The next place at or after `from` that looks like the start of a result: '{' behind "},". Whether
// it is one shows when the piece before it ends exactly there.
std::size_t likely_start(std::string_view text, std::size_t from) {
  while (true) {
    const std::size_t close = text.find('}', from);
    const std::size_t comma =
        text.find_first_not_of(" \t\r\n", std::min(close, text.size() - 1) + 1);
    if (close == std::string_view::npos || comma == std::string_view::npos) return text.size();
    const std::size_t open =
        text[comma] == ',' ? text.find_first_not_of(" \t\r\n", comma + 1) : std::string_view::npos;
    if (open != std::string_view::npos && text[open] == '{') return open;
    from = close + 1;
  }
}

// Reads results from `reader`'s place to `stop`. False when they do not end exactly there.
bool read_piece(ResultReader& reader, std::size_t stop, bool is_last) {
  while (true) {
    reader.read_one();
    if (reader.scanner.take(',')) {
      if (reader.scanner.position() == stop) return !is_last;
      if (reader.scanner.position() > stop) return false;
    } else {
      if (!is_last || !reader.scanner.take(']')) return false;
      reader.scanner.finish();
      return true;
    }
  }
}

// Starts of the pieces; the end of the text closes them.
std::vector<std::size_t> cut(std::string_view text, std::size_t begin) {
  std::vector<std::size_t> starts = {begin};
  while (text.size() - starts.back() > 2 * kPieceBytes) {
    const std::size_t next = likely_start(text, starts.back() + kPieceBytes);
    if (next >= text.size()) break;
    starts.push_back(next);
  }
  starts.push_back(text.size());
  return starts;
}

void append(CocoResults& to, const CocoResults& from) {
  to.poses.insert(to.poses.end(), from.poses.begin(), from.poses.end());
  to.keypoints.insert(to.keypoints.end(), from.keypoints.begin(), from.keypoints.end());
}

// Nothing when the pieces do not fit together or one cannot be read: reading in order then either
// succeeds or says what is wrong where.
std::optional<CocoResults> read_in_pieces(std::string_view text, int num_keypoints,
                                          const std::string& where) {
  ResultReader first(text, num_keypoints, where, 0);
  try {
    if (!first.scanner.take('[')) return std::nullopt;
    first.read_one();
    if (!first.scanner.take(',')) return std::nullopt;
  } catch (const FileError&) {
    return std::nullopt;
  }
  const std::vector<std::size_t> starts = cut(text, first.scanner.position());
  const std::size_t pose_bytes = starts[0];  // about what one result takes
  const auto num_pieces = static_cast<std::int64_t>(starts.size()) - 1;
  std::vector<std::optional<CocoResults>> pieces(num_pieces);
  kernels::parallel_for(num_pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      try {
        ResultReader reader(text, num_keypoints, where, starts[i], first.source());
        reader.reserve((starts[i + 1] - starts[i]) / pose_bytes * 9 / 8);
        if (!read_piece(reader, starts[i + 1], i + 1 == num_pieces)) continue;
        pieces[i] = std::move(reader.results);
      } catch (const FileError&) {
        continue;  // the piece stays empty
      }
    }
  });
  CocoResults results = std::move(first.results);
  std::size_t num_poses = 1;
  for (const auto& piece : pieces) {
    if (!piece) return std::nullopt;
    num_poses += piece->poses.size();
  }
  results.poses.reserve(num_poses);
  results.keypoints.reserve(num_poses * 3 * static_cast<std::size_t>(num_keypoints));
  for (auto& piece : pieces) {
    append(results, *piece);
    piece.reset();
  }
  return results;
}

}  // namespace

void CocoResults::add(std::int64_t image_id, double score, const float* keypoints_image,
                      int count) {
  if (poses.empty()) num_keypoints = count;
  if (count != num_keypoints || count < 1) {
    throw_error<ArgumentError>("[coco] a pose of {} keypoints among poses of {}", count,
                               num_keypoints);
  }
  keypoints.insert(keypoints.end(), keypoints_image, keypoints_image + 3 * count);
  poses.push_back(
      {.image_id = image_id, .score = score, .area = keypoint_extent(keypoints_image, count)});
}

CocoResults parse_coco_results(std::string_view json_text, int num_keypoints,
                               const std::string& where) {
  if (num_keypoints < 1) {
    throw_error<ArgumentError>("[coco] {} keypoints; at least one is needed", num_keypoints);
  }
  if (json_text.size() > 4 * kPieceBytes) {
    auto results = read_in_pieces(json_text, num_keypoints, where);
    if (results) return std::move(*results);
  }
  return read_in_order(json_text, num_keypoints, where);
}

CocoResults read_coco_results(const std::string& path, int num_keypoints) {
  return parse_coco_results(io::read_file(path), num_keypoints, path);
}

}  // namespace akimbo::datasets
