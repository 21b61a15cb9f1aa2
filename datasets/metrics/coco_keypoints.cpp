#include "datasets/metrics/coco_keypoints.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "engine/core/error.h"
#include "kernels/common/parallel.h"

namespace akimbo::datasets {
namespace {

constexpr int kT = CocoEvaluation::kThresholds;
constexpr int kR = CocoEvaluation::kRecalls;
constexpr int kA = CocoEvaluation::kAreas;
constexpr double kEps = std::numeric_limits<double>::epsilon();

struct AreaRange {
  double low, high;  // px^2, both inclusive
};
constexpr std::array<AreaRange, kA> kAreaRanges = {
    {{0.0, 1e10}, {32.0 * 32.0, 96.0 * 96.0}, {96.0 * 96.0, 1e10}}};

// `count` values from first to last as the official tool's array library spaces them: the last bits
// of .9 differ from the nearest double, and scores sit on thresholds.
template <std::size_t N>
std::array<double, N> spaced(double first, double last) {
  const double step = (last - first) / static_cast<double>(N - 1);
  std::array<double, N> values{};
  for (std::size_t i = 0; i < N; ++i) values[i] = static_cast<double>(i) * step + first;
  values[N - 1] = last;
  return values;
}

// Sum in the order of that library (eight lanes, halves above 128), so that a mean has its bits.
double pairwise_sum(const double* values, std::size_t count) {
  if (count < 8) return std::accumulate(values, values + count, 0.0);
  if (count > 128) {
    const std::size_t half = count / 2 - (count / 2) % 8;
    return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
  }
  double lane[8];
  std::copy_n(values, 8, lane);
  std::size_t i = 8;
  for (; i + 8 <= count; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) lane[k] += values[i + k];
  }
  double sum =
      ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

// People and poses of one image and category.
struct Cell {
  std::vector<int> people;  // file order
  std::vector<int> poses;   // best first, cut to the maximum
};

// What became of a pose: bit t is threshold t.
struct Outcome {
  std::array<std::uint16_t, kA> matched{};
  std::array<std::uint16_t, kA> ignored{};
};

// Everything of one evaluation that does not change while it runs.
struct Problem {
  const CocoLabels& labels;
  const CocoResults& results;
  std::vector<double> variances;  // (2 sigma)^2 [K]
  std::array<double, kT> thresholds = spaced<kT>(0.5, 0.95);
  std::array<double, kR> recalls = spaced<kR>(0.0, 1.0);

  [[nodiscard]] std::size_t num_keypoints() const { return variances.size(); }
  [[nodiscard]] const double* person_keypoints(int person) const {
    return labels.keypoints.data() + 3 * num_keypoints() * static_cast<std::size_t>(person);
  }
  [[nodiscard]] const double* pose_keypoints(int pose) const {
    return results.keypoints.data() + 3 * num_keypoints() * static_cast<std::size_t>(pose);
  }
};

// OKS of poses with one labelled person.
class Similarity {
 public:
  Similarity(const Problem& problem, int person)
      : problem_(problem),
        person_(problem.labels.people[person]),
        keypoints_(problem.person_keypoints(person)) {
    for (std::size_t k = 0; k < problem.num_keypoints(); ++k) {
      if (keypoints_[3 * k + 2] > 0) counted_.push_back(k);
    }
    has_labels_ = !counted_.empty();
    if (!has_labels_) {
      counted_.resize(problem.num_keypoints());
      std::iota(counted_.begin(), counted_.end(), std::size_t{0});
    }
    for (const std::size_t k : counted_) {
      far_.push_back(1.0001 * 2.0 * problem.variances[k] * (person_.area + kEps));
    }
    squared_.resize(counted_.size());
  }

  // 0 when it is certainly below the lowest threshold: such values are never looked at.
  double with(int pose) {
    const double* d = problem_.pose_keypoints(pose);
    const std::size_t count = counted_.size();
    std::size_t num_far = 0;
    for (std::size_t i = 0; i < count; ++i) {
      squared_[i] = has_labels_ ? to_keypoint(d, counted_[i]) : to_region(d, counted_[i]);
      num_far += squared_[i] > far_[i] ? 1 : 0;
    }
    // A far keypoint adds less than exp(-1), any other at most 1.
    const auto most = static_cast<double>(count - num_far) + 0.368 * static_cast<double>(num_far);
    if (most < 0.499 * static_cast<double>(count)) return 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      const double variance = problem_.variances[counted_[i]];
      squared_[i] = std::exp(-(squared_[i] / variance / (person_.area + kEps) / 2.0));
    }
    return pairwise_sum(squared_.data(), count) / static_cast<double>(count);
  }

 private:
  double to_keypoint(const double* d, std::size_t k) const {
    const double dx = d[3 * k] - keypoints_[3 * k], dy = d[3 * k + 1] - keypoints_[3 * k + 1];
    return dx * dx + dy * dy;
  }

  // Nothing labelled: distances to the box grown by its size on every side.
  double to_region(const double* d, std::size_t k) const {
    const auto& [x, y, w, h] = person_.box_xywh;
    const double x0 = x - w, x1 = x + w * 2.0, y0 = y - h, y1 = y + h * 2.0;
    const double dx = std::max(0.0, x0 - d[3 * k]) + std::max(0.0, d[3 * k] - x1);
    const double dy = std::max(0.0, y0 - d[3 * k + 1]) + std::max(0.0, d[3 * k + 1] - y1);
    return dx * dx + dy * dy;
  }

  const Problem& problem_;
  const CocoLabels::Person& person_;
  const double* keypoints_;
  bool has_labels_ = false;
  std::vector<std::size_t> counted_;  // keypoints that count
  std::vector<double> far_;           // squared distance at which a term is below exp(-1)
  std::vector<double> squared_;       // of the pose at hand, then the terms
};

bool outside(double area, const AreaRange& range) { return area < range.low || area > range.high; }

// Matches the poses of one cell to its people, for every area range and threshold.
class Matcher {
 public:
  Matcher(const Problem& problem, const Cell& cell) : problem_(problem), cell_(cell) {
    const std::size_t num_people = cell.people.size();
    oks_.resize(cell.poses.size() * num_people);
    for (std::size_t g = 0; g < num_people; ++g) {
      Similarity similarity(problem, cell.people[g]);
      for (std::size_t d = 0; d < cell.poses.size(); ++d) {
        oks_[d * num_people + g] = similarity.with(cell.poses[d]);
      }
    }
    // A pose that is near nobody can match at no threshold.
    for (std::size_t d = 0; d < cell.poses.size(); ++d) {
      bool candidate = false;
      for (std::size_t g = 0; g < num_people; ++g) {
        candidate = candidate || !(oks_[d * num_people + g] < problem.thresholds[0]);
      }
      if (candidate) candidates_.push_back(d);
    }
  }

  // outcomes [poses of the cell]; returns the number of people that count in each range.
  std::array<int, kA> match(Outcome* outcomes) {
    std::array<int, kA> num_people{};
    for (int a = 0; a < kA; ++a) {
      num_people[a] = order_people(kAreaRanges[a]);
      for (int t = 0; t < kT; ++t) match_at(t, a, outcomes);
      for (std::size_t d = 0; d < cell_.poses.size(); ++d) {
        if (!outside(problem_.results.poses[cell_.poses[d]].area, kAreaRanges[a])) continue;
        outcomes[d].ignored[a] |= static_cast<std::uint16_t>(~outcomes[d].matched[a]);
      }
    }
    return num_people;
  }

 private:
  // People that count first, the ignored ones behind them, each in file order.
  int order_people(const AreaRange& range) {
    order_.clear();
    std::vector<int> ignored;
    for (std::size_t g = 0; g < cell_.people.size(); ++g) {
      const CocoLabels::Person& person = problem_.labels.people[cell_.people[g]];
      const bool ignore = person.is_crowd || !person.has_keypoints || outside(person.area, range);
      (ignore ? ignored : order_).push_back(static_cast<int>(g));
    }
    num_regular_ = order_.size();
    order_.insert(order_.end(), ignored.begin(), ignored.end());
    return static_cast<int>(num_regular_);
  }

  void match_at(int t, int a, Outcome* outcomes) {
    taken_.assign(order_.size(), false);
    const auto bit = static_cast<std::uint16_t>(1u << t);
    for (const std::size_t d : candidates_) {
      const std::ptrdiff_t match = best_match(d, problem_.thresholds[t]);
      if (match < 0) continue;
      const auto m = static_cast<std::size_t>(match);
      taken_[m] = true;
      if (m >= num_regular_) outcomes[d].ignored[a] |= bit;
      // The official tool stores the person's id as the mark of a match, so id 0 counts as none.
      if (person_at(m).id != 0) outcomes[d].matched[a] |= bit;
    }
  }

  // Position in order_, or -1. Of equally similar people the last wins.
  std::ptrdiff_t best_match(std::size_t d, double threshold) const {
    const double* oks = oks_.data() + d * cell_.people.size();
    double best = std::min(threshold, 1.0 - 1e-10);
    std::ptrdiff_t match = -1;
    for (std::size_t m = 0; m < order_.size(); ++m) {
      if (taken_[m] && !person_at(m).is_crowd) continue;
      if (match >= 0 && static_cast<std::size_t>(match) < num_regular_ && m >= num_regular_) break;
      if (oks[order_[m]] < best) continue;
      best = oks[order_[m]];
      match = static_cast<std::ptrdiff_t>(m);
    }
    return match;
  }

  [[nodiscard]] const CocoLabels::Person& person_at(std::size_t m) const {
    return problem_.labels.people[cell_.people[order_[m]]];
  }

  const Problem& problem_;
  const Cell& cell_;
  std::vector<double> oks_;  // [poses, people]
  std::vector<std::size_t> candidates_;
  std::vector<int> order_;
  std::size_t num_regular_ = 0;
  std::vector<char> taken_;
};

std::vector<std::int64_t> sorted_unique(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// Cells of one category, in ascending order of image id.
std::vector<Cell> cells_of(const Problem& problem, std::int64_t category,
                           const std::unordered_map<std::int64_t, int>& image_index) {
  std::vector<Cell> cells(image_index.size());
  const auto& people = problem.labels.people;
  for (std::size_t i = 0; i < people.size(); ++i) {
    if (people[i].category_id != category) continue;
    cells[image_index.at(people[i].image_id)].people.push_back(static_cast<int>(i));
  }
  const auto& poses = problem.results.poses;
  for (std::size_t i = 0; i < poses.size(); ++i) {
    if (poses[i].category_id != category) continue;
    cells[image_index.at(poses[i].image_id)].poses.push_back(static_cast<int>(i));
  }
  return cells;
}

// All poses that were looked at, best first, with what became of them.
struct Sequence {
  std::vector<Outcome> outcomes;
  std::array<int, kA> num_people{};
};

Sequence match_cells(const Problem& problem, std::vector<Cell>& cells, int max_detections) {
  const auto& poses = problem.results.poses;
  const auto best_first = [&](int a, int b) { return poses[a].score > poses[b].score; };
  std::vector<std::size_t> start(cells.size() + 1, 0);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    start[i + 1] = start[i] + std::min<std::size_t>(cells[i].poses.size(), max_detections);
  }
  std::vector<Outcome> outcomes(start.back());
  std::vector<double> scores(start.back());
  std::vector<std::array<int, kA>> num_people(cells.size());
  const auto num_cells = static_cast<std::int64_t>(cells.size());
  kernels::parallel_for(num_cells, 32, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Cell& cell = cells[i];
      std::stable_sort(cell.poses.begin(), cell.poses.end(), best_first);
      cell.poses.resize(start[i + 1] - start[i]);
      for (std::size_t d = 0; d < cell.poses.size(); ++d) {
        scores[start[i] + d] = poses[cell.poses[d]].score;
      }
      num_people[i] = Matcher(problem, cell).match(outcomes.data() + start[i]);
    }
  });

  Sequence sequence;
  for (const auto& counts : num_people) {
    for (int a = 0; a < kA; ++a) sequence.num_people[a] += counts[a];
  }
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  sequence.outcomes.reserve(order.size());
  for (const std::uint32_t i : order) sequence.outcomes.push_back(outcomes[i]);
  return sequence;
}

// Precision at the recall grid [R] and final recall for one threshold and area range. Precision
// falls at every false positive, so its envelope and the places where recall steps up are found
// among the true positives alone.
double trace_curve(const Problem& problem, const Sequence& sequence, int t, int a,
                   double* precision_at) {
  std::vector<double> precision;
  std::uint32_t num_true = 0, num_false = 0;
  for (const Outcome& outcome : sequence.outcomes) {
    if ((outcome.ignored[a] >> t) & 1u) continue;
    if (((outcome.matched[a] >> t) & 1u) == 0) {
      ++num_false;
      continue;
    }
    ++num_true;
    precision.push_back(num_true / (static_cast<double>(num_false) + num_true + kEps));
  }
  for (std::size_t i = precision.size(); i-- > 1;) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  const double num_people = sequence.num_people[a];
  std::size_t at = 0;
  for (int r = 0; r < kR; ++r) {
    while (at < precision.size() && static_cast<double>(at + 1) / num_people < problem.recalls[r]) {
      ++at;
    }
    precision_at[r] = at < precision.size() ? precision[at] : 0.0;
  }
  return num_true / num_people;
}

// Mean over the entries above -1 for which `take` is true; -1 when there are none.
template <typename F>
double mean_of(const std::vector<double>& values, F&& take) {
  std::vector<double> taken;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > -1.0 && take(i)) taken.push_back(values[i]);
  }
  if (taken.empty()) return -1.0;
  return pairwise_sum(taken.data(), taken.size()) / static_cast<double>(taken.size());
}

void fill_figures(CocoEvaluation& result) {
  struct Figure {
    int threshold;  // -1: all
    int area;
  };
  constexpr std::array<Figure, 5> kFigures = {{{-1, 0}, {0, 0}, {5, 0}, {-1, 1}, {-1, 2}}};
  const auto categories = static_cast<std::size_t>(result.num_categories);
  for (std::size_t f = 0; f < kFigures.size(); ++f) {
    const auto take = [&](std::size_t i, std::size_t per_threshold) {
      const Figure& figure = kFigures[f];
      return static_cast<int>(i % kA) == figure.area &&
             (figure.threshold < 0 || static_cast<int>(i / per_threshold) == figure.threshold);
    };
    result.figures[f] =
        mean_of(result.precision, [&](std::size_t i) { return take(i, kR * categories * kA); });
    result.figures[f + 5] =
        mean_of(result.recall, [&](std::size_t i) { return take(i, categories * kA); });
  }
}

Problem make_problem(const CocoLabels& labels, const CocoResults& results,
                     const CocoEvalOptions& options) {
  const auto count = static_cast<int>(options.sigmas.size());
  if (labels.num_keypoints != count || (!results.poses.empty() && results.num_keypoints != count)) {
    throw_error<ArgumentError>(
        "[coco eval] {} sigmas, labels of {} keypoints, results of {}; all must be of one skeleton",
        count, labels.num_keypoints, results.num_keypoints);
  }
  if (options.max_detections < 1) {
    throw_error<ArgumentError>("[coco eval] max_detections is {}; at least 1 is needed",
                               options.max_detections);
  }
  Problem problem{labels, results, {}};
  for (const double sigma : options.sigmas) {
    problem.variances.push_back((sigma * 2.0) * (sigma * 2.0));
  }
  return problem;
}

std::unordered_map<std::int64_t, int> index_images(const Problem& problem) {
  std::unordered_map<std::int64_t, int> index;
  for (const std::int64_t id : sorted_unique(problem.labels.image_ids)) {
    index.emplace(id, static_cast<int>(index.size()));
  }
  for (const CocoLabels::Person& person : problem.labels.people) {
    if (index.contains(person.image_id)) continue;
    throw_error<FileError>("[coco eval] annotation {} is of image {}, which is not listed",
                           person.id, person.image_id);
  }
  for (std::size_t i = 0; i < problem.results.poses.size(); ++i) {
    const std::int64_t id = problem.results.poses[i].image_id;
    if (index.contains(id)) continue;
    throw_error<FileError>(
        "[coco eval] result {} is of image {}, which the annotations do not list; are the results "
        "of another data set?",
        i + 1, id);
  }
  return index;
}

}  // namespace

CocoEvaluation evaluate_coco_keypoints(const CocoLabels& labels, const CocoResults& results,
                                       const CocoEvalOptions& options) {
  const Problem problem = make_problem(labels, results, options);
  const std::unordered_map<std::int64_t, int> image_index = index_images(problem);
  const std::vector<std::int64_t> categories = sorted_unique(labels.category_ids);
  CocoEvaluation result;
  result.num_categories = static_cast<int>(categories.size());
  const std::size_t num_categories = categories.size();
  result.precision.assign(kT * kR * num_categories * kA, -1.0);
  result.recall.assign(kT * num_categories * kA, -1.0);
  for (std::size_t c = 0; c < num_categories; ++c) {
    std::vector<Cell> cells = cells_of(problem, categories[c], image_index);
    const Sequence sequence = match_cells(problem, cells, options.max_detections);
    // Curves of a small set are not worth waking threads for.
    const std::int64_t grain = sequence.outcomes.size() < 4096 ? kT * kA : 1;
    kernels::parallel_for(kT * kA, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const int t = static_cast<int>(i) / kA, a = static_cast<int>(i) % kA;
        if (sequence.num_people[a] == 0) continue;
        std::array<double, kR> curve{};
        result.recall[(t * num_categories + c) * kA + a] =
            trace_curve(problem, sequence, t, a, curve.data());
        for (int r = 0; r < kR; ++r) {
          result.precision[((t * kR + r) * num_categories + c) * kA + a] = curve[r];
        }
      }
    });
  }
  fill_figures(result);
  return result;
}

CocoEvaluation evaluate_coco_files(const std::string& results_path,
                                   const std::string& annotations_path,
                                   const CocoEvalOptions& options) {
  const auto count = static_cast<int>(options.sigmas.size());
  const CocoLabels labels = read_coco_labels(annotations_path, count);
  const CocoResults results = read_coco_results(results_path, count);
  return evaluate_coco_keypoints(labels, results, options);
}

std::string coco_summary(const CocoEvaluation& evaluation, int max_detections) {
  std::string text;
  for (int f = 0; f < 10; ++f) {
    constexpr std::array<const char*, 5> kThresholds = {"0.50:0.95", "0.50", "0.75", "0.50:0.95",
                                                        "0.50:0.95"};
    constexpr std::array<const char*, 5> kAreas = {"all", "all", "all", "medium", "large"};
    text += fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6} | maxDets={:>3} ] = {:0.3f}\n",
                        f < 5 ? "Average Precision" : "Average Recall", f < 5 ? "(AP)" : "(AR)",
                        kThresholds[f % 5], kAreas[f % 5], max_detections, evaluation.figures[f]);
  }
  return text;
}

}  // namespace akimbo::datasets
