// akimbo eval
#include <fmt/format.h>

#include <algorithm>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/data.h"
#include "apps/common/load_model.h"
#include "apps/common/output_folder.h"
#include "apps/common/run_options.h"
#include "apps/common/stop_signal.h"
#include "apps/config/load.h"
#include "apps/eval/evaluate.h"
#include "apps/eval/report_file.h"
#include "datasets/meta.h"

namespace akimbo::apps {

namespace fs = std::filesystem;

namespace {

struct Arguments {
  ModelSource source;
  std::string data, boxes, out = "out/eval", results;
  std::string report;  // a page to write
  int num_worst = 24;
  bool flip = false;
  std::vector<std::string> gates;  // "AP=0.7"
  RunOptions run;
};

struct Gate {
  std::string metric;
  double least = 0;
};

Gate parse_gate(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos) {
    const Json least = Json::parse(text.substr(equals + 1), nullptr, false);
    if (least.is_number()) return {text.substr(0, equals), least.get<double>()};
  }
  throw_error<ConfigError>("--require {} is not METRIC=LEAST, such as AP=0.7", text);
}

void check_gate(const Gate& gate, const Json& metrics) {
  const auto found = metrics.find(gate.metric);
  if (found == metrics.end()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : metrics.items()) names.push_back(name);
    throw_error<ConfigError>("--require {}: there is no such figure; known are {}", gate.metric,
                             fmt::join(names, ", "));
  }
  if (!(found->get<double>() >= gate.least)) {
    throw_error<CheckError>("{} is {:.4f}, at least {} was required", gate.metric,
                            found->get<double>(), gate.least);
  }
}

void apply_arguments(const Arguments& arguments, Config& config) {
  if (!arguments.data.empty()) config.data.root = fs::absolute(arguments.data).string();
  if (!arguments.boxes.empty()) config.data.val.boxes = fs::absolute(arguments.boxes).string();
  if (arguments.flip) config.eval.flip_test = true;
}

void report(const Arguments& arguments, const Evaluation& evaluation, const std::string& name,
            const std::vector<Gate>& gates) {
  fmt::print("{}", metrics_tables(evaluation.scores, name));
  const Json metrics = evaluation.metrics();
  Json file = metrics;
  file.update(evaluation.scores.details);
  if (!evaluation.seconds.is_null()) file["seconds"] = evaluation.seconds;
  write_output([&] { io::write_json(fs::path(arguments.out) / "metrics.json", file); });
  for (const Gate& gate : gates) check_gate(gate, metrics);
}

void make_report(const Arguments& arguments, const std::string& model, const Config& config,
                 const Skeleton& skeleton, const datasets::Benchmark& benchmark,
                 const datasets::CocoResults& results, const datasets::Scores& scores) {
  write_report({.path = arguments.report,
                .model = model,
                .config = config,
                .skeleton = skeleton,
                .labels = benchmark.labels(),
                .results = results,
                .scores = scores,
                .num_worst = arguments.num_worst});
  fmt::print("{}: the report\n", arguments.report);
}

int score_file(const Arguments& arguments, const std::vector<Gate>& gates) {
  LoadedModel setting = load_model_config(arguments.source);
  Config& config = setting.config;
  const Skeleton& skeleton = setting.skeleton;
  apply_arguments(arguments, config);
  const auto benchmark = open_benchmark(config, skeleton);
  if (!benchmark->labelled()) {
    throw_error<ConfigError>("--results {}: the annotations {} have no labels to score it against",
                             arguments.results, config.data.val.annotations);
  }
  const datasets::Scores scores = benchmark->score_file(arguments.results);
  if (!arguments.report.empty()) {
    const datasets::CocoResults poses = benchmark->read_results(arguments.results);
    make_report(arguments, arguments.results, config, skeleton, *benchmark, poses, scores);
  }
  report(arguments, {.scores = scores, .poses = {}}, fs::path(arguments.results).filename(), gates);
  return kExitDone;
}

int evaluate_model(const Arguments& arguments, Device device, const std::vector<Gate>& gates) {
  LoadedModel model = load_model(arguments.source, device);
  print_notes(model);
  arguments.run.adjust(model.config);
  apply_arguments(arguments, model.config);
  const DatasetConfig& set = model.config.data.val;
  const auto dataset = open_dataset(model.config, set, model.skeleton, Use::evaluate);
  const auto benchmark = open_benchmark(model.config, model.skeleton);
  const StopSignal signal;
  const auto evaluation = evaluate(*model.network, device, model.config, dataset, *benchmark,
                                   [&] { return signal.received() != 0; });
  if (!evaluation) return 128 + signal.received();
  std::vector<fs::path> results;
  write_output([&] { results = benchmark->write_results(arguments.out, evaluation->poses); });
  if (!arguments.report.empty() && benchmark->labelled()) {
    make_report(arguments, arguments.source.model, model.config, model.skeleton, *benchmark,
                datasets::to_coco_results(evaluation->poses), evaluation->scores);
  }
  fmt::print(stderr, "time: {}\n", evaluation->time);
  report(arguments, *evaluation, fs::path(arguments.source.model).stem(), gates);
  for (const fs::path& path : results) {
    fmt::print("{}: {} poses\n", path.string(), evaluation->poses.size());
  }
  if (!benchmark->labelled()) {
    fmt::print("{} has no labels: nothing was scored\n", model.config.data.val.annotations);
  }
  return kExitDone;
}

int run(const Arguments& arguments) {
  const Device device = arguments.run.apply();
  std::vector<Gate> gates;
  for (const std::string& text : arguments.gates) gates.push_back(parse_gate(text));
  if (!arguments.results.empty() && !arguments.boxes.empty()) {
    throw_error<ConfigError>(
        "--results and --boxes contradict each other: results have their poses "
        "already; leave one out");
  }
  if (arguments.num_worst < 0 || arguments.num_worst > 1000) {
    throw_error<ConfigError>("--worst {} is not between 0 and 1000", arguments.num_worst);
  }
  if (!arguments.report.empty() && arguments.results.ends_with(".mat")) {
    throw_error<ConfigError>("--report needs poses with scores, and {} has none; give results.json",
                             arguments.results);
  }
  prepare_output_folder(arguments.out);
  return arguments.results.empty() ? evaluate_model(arguments, device, gates)
                                   : score_file(arguments, gates);
}

}  // namespace

Command eval_command() {
  return {"eval", "score a model, or a results file, on labelled data",
          "akimbo eval out/res50/checkpoint_best.safetensors --data data/coco --flip",
          [](Options& options) {
            const auto arguments = std::make_shared<Arguments>();
            options.argument("MODEL", arguments->source.model,
                             "a checkpoint, or a config (with --init or --results)");
            options.option("--data", arguments->data, "folder of the data; over data.root");
            options.option("--boxes", arguments->boxes,
                           "detections to start from in place of the annotated boxes");
            options.option("--results", arguments->results,
                           "score this results file; the network is not run");
            options.option("--out", arguments->out, "folder of metrics.json and results.json");
            options.option("--report", arguments->report,
                           "write a page (HTML) with plots and the worst cases");
            options.option("--worst", arguments->num_worst, "how many people that page shows");
            options.option("--require", arguments->gates,
                           "exit with 6 unless METRIC=LEAST holds, such as AP=0.7");
            options.flag("--flip", arguments->flip, "average with the mirrored picture");
            arguments->source.declare(options);
            arguments->run.declare(options);
            arguments->run.declare_precision(options);
            return [arguments] { return run(*arguments); };
          }};
}

}  // namespace akimbo::apps
