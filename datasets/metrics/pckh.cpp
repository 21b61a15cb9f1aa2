#include "datasets/metrics/pckh.h"

#include <algorithm>
#include <cmath>

#include "datasets/readers/mat_file.h"
#include "engine/core/error.h"

namespace akimbo::datasets {
namespace {

constexpr int kJoints = MpiiGroundTruth::kJoints;
constexpr int kPelvis = 6, kThorax = 7, kUpperNeck = 8, kHeadTop = 9;
constexpr double kHeadShare = 0.6;  // the head's size over the diagonal of its box
constexpr double kFirstPixel = 1;

// The names by which the ground truth calls the joints that the tables need.
struct NamedJoint {
  int index;
  const char* name;
};
constexpr NamedJoint kNamedJoints[] = {
    {0, "rank"},  {1, "rkne"},  {2, "rhip"},  {3, "lhip"},  {4, "lkne"},  {5, "lank"}, {9, "head"},
    {10, "rwri"}, {11, "relb"}, {12, "rsho"}, {13, "lsho"}, {14, "lelb"}, {15, "lwri"}};

// Columns of the tables as (right, left).
constexpr std::array<std::array<int, 2>, 7> kPairs = {
    {{9, 9}, {12, 13}, {11, 14}, {10, 15}, {2, 3}, {1, 4}, {0, 5}}};

std::size_t at(int person, int joint) {
  return static_cast<std::size_t>(person) * kJoints + static_cast<std::size_t>(joint);
}

MatArray array_of(const MatFile& file, const char* name, const std::vector<std::size_t>& dims) {
  MatArray array = file.numbers(name);
  // MATLAB drops last dimensions of 1.
  while (array.dims.size() < dims.size()) array.dims.push_back(1);
  if (array.dims != dims) {
    throw_error<FileError>("[mpii] {}: {} is of shape [{}], wanted [{}]", file.path().string(),
                           name, fmt::join(array.dims, ", "), fmt::join(dims, ", "));
  }
  for (const double value : array.values) {
    if (!std::isfinite(value)) {
      throw_error<FileError>("[mpii] {}: {} holds {}", file.path().string(), name, value);
    }
  }
  return array;
}

void check_joints(const MatFile& file) {
  const std::vector<std::string> names = file.texts("dataset_joints");
  if (names.size() != kJoints) {
    throw_error<FileError>("[mpii] {}: dataset_joints has {} names, wanted 16",
                           file.path().string(), names.size());
  }
  for (const NamedJoint& joint : kNamedJoints) {
    if (names[static_cast<std::size_t>(joint.index)] == joint.name) continue;
    throw_error<FileError>(
        "[mpii] {}: joint {} of dataset_joints is \"{}\", wanted \"{}\"; the order of MPII's "
        "joints "
        "is expected",
        file.path().string(), joint.index + 1, names[static_cast<std::size_t>(joint.index)],
        joint.name);
  }
}

double distance(double dx, double dy) { return std::sqrt(dx * dx + dy * dy); }

}  // namespace

MpiiGroundTruth read_mpii_ground_truth(const std::filesystem::path& path) {
  const MatFile file(path);
  check_joints(file);
  MpiiGroundTruth truth;
  truth.where = path.string();
  const std::vector<std::size_t> dims = file.numbers("jnt_missing").dims;
  const std::size_t num_people = dims.back();
  if (dims.size() != 2 || num_people < 1) {
    throw_error<FileError>("[mpii] {}: jnt_missing is of shape [{}], wanted [16, people]",
                           truth.where, fmt::join(dims, ", "));
  }
  const MatArray missing = array_of(file, "jnt_missing", {kJoints, num_people});
  const MatArray positions = array_of(file, "pos_gt_src", {kJoints, 2, num_people});
  const MatArray heads = array_of(file, "headboxes_src", {2, 2, num_people});
  truth.num_people = static_cast<int>(num_people);
  for (std::size_t n = 0; n < num_people; ++n) {
    for (std::size_t j = 0; j < kJoints; ++j) {
      truth.labelled.push_back(missing.values[n * kJoints + j] == 0);
      truth.positions.push_back(positions.values[(2 * n) * kJoints + j]);
      truth.positions.push_back(positions.values[(2 * n + 1) * kJoints + j]);
    }
    const double* box = &heads.values[4 * n];  // x of both corners, y of both corners
    truth.head_sizes.push_back(kHeadShare * distance(box[1] - box[0], box[3] - box[2]));
    if (!(truth.head_sizes.back() > 0)) {
      throw_error<FileError>("[mpii] {}: the head box of person {} has no size", truth.where,
                             n + 1);
    }
  }
  return truth;
}

MpiiGroundTruth mpii_ground_truth_of(const PersonSet& set) {
  if (set.num_keypoints != kJoints) {
    throw_error<ArgumentError>("[mpii] {} has {} keypoints a person; PCKh is of MPII's 16",
                               set.where, set.num_keypoints);
  }
  MpiiGroundTruth truth;
  truth.where = set.where;
  truth.num_people = static_cast<int>(set.people.size());
  for (const PersonRecord& person : set.people) {
    const Joint &neck = person.joints[kUpperNeck], &head = person.joints[kHeadTop];
    const double size = distance(head.image.x - neck.image.x, head.image.y - neck.image.y);
    const bool has_size = neck.visible > 0 && head.visible > 0 && size > 0;
    truth.head_sizes.push_back(has_size ? size : 1);
    for (const Joint& joint : person.joints) {
      truth.labelled.push_back(has_size && joint.visible > 0);
      truth.positions.push_back(joint.image.x + kFirstPixel);
      truth.positions.push_back(joint.image.y + kFirstPixel);
    }
  }
  return truth;
}

PckhResult evaluate_pckh(const MpiiGroundTruth& truth, const std::vector<double>& predictions) {
  if (predictions.size() != truth.positions.size()) {
    throw_error<ArgumentError>(
        "[pckh] poses of {} people, but {} has {}; predict all people of the set, in its order",
        predictions.size() / (2 * kJoints), truth.where, truth.num_people);
  }
  PckhResult result;
  for (int j = 0; j < kJoints; ++j) {
    auto& within = result.at_share[static_cast<std::size_t>(j)];
    double& within_half = result.at_half[static_cast<std::size_t>(j)];
    int& labelled = result.num_labelled[static_cast<std::size_t>(j)];
    for (int n = 0; n < truth.num_people; ++n) {
      if (!truth.labelled[at(n, j)]) continue;
      ++labelled;
      const double* wanted = &truth.positions[2 * at(n, j)];
      const double* found = &predictions[2 * at(n, j)];
      const double error =
          distance(found[0] + kFirstPixel - wanted[0], found[1] + kFirstPixel - wanted[1]) /
          truth.head_sizes[static_cast<std::size_t>(n)];
      within_half += error <= 0.5;
      for (int s = 0; s < PckhResult::kShares; ++s) {
        within[static_cast<std::size_t>(s)] += error <= s * 0.01;
      }
    }
    const auto percent = [&](double& count) { count = labelled ? 100 * count / labelled : -1; };
    percent(within_half);
    for (double& count : within) percent(count);
  }
  return result;
}

std::array<double, 8> PckhResult::row(int share) const {
  const auto value = [&](int joint) {
    const auto j = static_cast<std::size_t>(joint);
    return share < 0 ? at_half[j] : at_share[j][static_cast<std::size_t>(share)];
  };
  std::array<double, 8> row{};
  for (std::size_t c = 0; c < kPairs.size(); ++c) {
    const double right = value(kPairs[c][0]), left = value(kPairs[c][1]);
    row[c] = right < 0 ? left : left < 0 ? right : 0.5 * (right + left);
  }
  double sum = 0, total = 0;
  for (int j = 0; j < kJoints; ++j) {
    const int count = num_labelled[static_cast<std::size_t>(j)];
    if (j == kPelvis || j == kThorax || count == 0) continue;
    sum += value(j) * count;
    total += count;
  }
  row.back() = total > 0 ? sum / total : -1;
  return row;
}

void write_mpii_predictions(const std::filesystem::path& path,
                            const std::vector<double>& predictions) {
  const std::size_t num_people = predictions.size() / (2 * kJoints);
  MatVariable preds{"preds", {{num_people, kJoints, 2}, std::vector<double>(predictions.size())}};
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::size_t axis = i % 2, joint = i / 2 % kJoints, person = i / (2 * kJoints);
    preds.array.values[(axis * kJoints + joint) * num_people + person] =
        predictions[i] + kFirstPixel;
  }
  write_mat(path, {&preds, 1});
}

std::vector<double> read_mpii_predictions(const std::filesystem::path& path) {
  const MatFile file(path);
  const std::vector<std::size_t> dims = file.numbers("preds").dims;
  const MatArray preds = array_of(file, "preds", {dims.front(), kJoints, 2});
  const std::size_t num_people = dims.front();
  std::vector<double> predictions(preds.values.size());
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::size_t axis = i % 2, joint = i / 2 % kJoints, person = i / (2 * kJoints);
    predictions[i] = preds.values[(axis * kJoints + joint) * num_people + person] - kFirstPixel;
  }
  return predictions;
}

}  // namespace akimbo::datasets
