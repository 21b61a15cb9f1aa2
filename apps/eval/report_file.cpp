#include "apps/eval/report_file.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "apps/common/data.h"
#include "apps/common/output_folder.h"
#include "apps/eval/report.h"
#include "engine/io/file.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

// Pictures of the validation set by id. Those who score a results file need not have them.
class Pictures {
 public:
  Pictures(const Config& config, const Skeleton& skeleton) {
    try {
      const DatasetConfig& set = config.data.val;
      const auto dataset = open_dataset(config, set, skeleton, Use::evaluate);
      for (const datasets::ImageEntry& image : dataset.people().images) {
        name_of_id_[image.id] = image.name;
      }
      source_ = datasets::ImageSource::open(data_path(config.data, set.images));
    } catch (const Error& e) {
      complaint_ = e.what();
    }
  }

  [[nodiscard]] Image read(std::int64_t id) const {
    const auto name = name_of_id_.find(id);
    if (!source_ || name == name_of_id_.end()) return {};
    try {
      return source_->read(name->second);
    } catch (const FileError&) {
      return {};
    }
  }
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

 private:
  std::map<std::int64_t, std::string> name_of_id_;
  std::optional<datasets::ImageSource> source_;
  std::string complaint_;
};

std::string boxes_of(const Config& config) {
  return config.data.val.boxes.empty() ? "as annotated" : config.data.val.boxes;
}

}  // namespace

void write_report(const ReportFile& report) {
  const Config& config = report.config;
  const Pictures pictures(config, report.skeleton);
  ReportInput input{
      .title = fmt::format("Evaluation of {}", fs::path(report.model).stem().string()),
      .facts = {{"model", report.model},
                {"labels", config.data.val.annotations},
                {"data", config.data.root},
                {"boxes", boxes_of(config)},
                {"flip test", config.eval.flip_test ? "yes" : "no"},
                {"annotated people", fmt::format("{}", report.labels.people.size())},
                {"poses", fmt::format("{}", report.results.poses.size())}},
      .scores = report.scores,
      .labels = report.labels,
      .results = report.results,
      .skeleton = report.skeleton,
      .picture = [&](std::int64_t id) { return pictures.read(id); },
      .num_worst = report.num_worst,
      .by_oks = config.data.format != "mpii"};
  if (!pictures.complaint().empty()) {
    input.facts.emplace_back("no pictures, because", pictures.complaint());
  }
  const std::string page = report_page(input);
  if (report.path.has_parent_path()) prepare_output_folder(report.path.parent_path());
  write_output([&] { io::write_file_atomic(report.path, page); });
}

}  // namespace akimbo::apps
