#include "config/config.h"

#include <algorithm>
#include <iterator>

#include "models/registry.h"

namespace akimbo {

// The description of each section. Not in the unnamed namespace: FieldReader::section finds them by
// argument-dependent lookup, which does not look there.
using Names = std::vector<std::string>;

inline Names data_formats() { return {std::begin(kDataFormats), std::end(kDataFormats)}; }
inline Names precisions() { return {std::begin(kPrecisions), std::end(kPrecisions)}; }

template <typename Fields>
void describe(Fields& f, CodecConfig& c) {
  f.field("type", c.type, one_of(Names{"heatmap"}));
  f.field("input_size", c.input_size);
  f.field("heatmap_size", c.heatmap_size);
  f.field("sigma", c.sigma, between(0.1, 100.0));
  f.field("targets", c.targets, one_of(Names{"cell", "subpixel"}));
  f.field("alignment", c.alignment, one_of(Names{"published", "udp"}));
  f.field("decoding", c.decoding, one_of(Names{"published", "dark"}));
  f.field("dark_kernel", c.dark_kernel, Rule<int>{"an odd number of 3 to 99", [](int v) {
                                                    return v >= 3 && v <= 99 && v % 2 == 1;
                                                  }});
}

template <typename Fields>
void describe(Fields& f, DatasetConfig& c) {
  f.field("annotations", c.annotations);
  f.field("images", c.images);
  f.field("boxes", c.boxes);
  f.field("ground_truth", c.ground_truth);
}

template <typename Fields>
void describe(Fields& f, DataConfig& c) {
  f.field("format", c.format, one_of(data_formats()));
  f.field("root", c.root);
  f.section("train", c.train);
  f.section("val", c.val);
  f.field("color", c.color, one_of(Names{"rgb", "bgr"}));
  f.field("mean", c.mean);
  f.field("std", c.std, Rule<std::array<double, 3>>{"numbers above 0", [](const auto& std) {
                                                      return std::all_of(
                                                          std.begin(), std.end(),
                                                          [](double v) { return v > 0; });
                                                    }});
  f.field("warp", c.warp, one_of(Names{"opencv", "fast"}));
  f.field("box_padding", c.box_padding, between(0.1, 10.0));
  f.field("select", c.select);
  f.field("workers", c.workers, between(0, 256));
  f.field("crop_on", c.crop_on, one_of(Names{"device", "cpu"}));
  f.field("scaled_decoding", c.scaled_decoding);
  f.field("cache_mb", c.cache_mb, between(0, 1 << 22));
  f.field("disk_cache", c.disk_cache);
  f.field("disk_cache_gb", c.disk_cache_gb, between(0.0, 1e6));
}

template <typename Fields>
void describe(Fields& f, AugmentConfig& c) {
  f.field("flip", c.flip);
  f.field("scale_factor", c.scale_factor, between(0.0, 0.99));
  f.field("rotation_deg", c.rotation_deg, between(0.0, 180.0));
  f.field("half_body_probability", c.half_body_probability, between(0.0, 1.0));
  f.field("half_body_min_keypoints", c.half_body_min_keypoints, at_least(0));
}

template <typename Fields>
void describe(Fields& f, LossConfig& c) {
  f.field("type", c.type, one_of(Names{"joints_mse", "joints_ohkm"}));
  f.field("top_k", c.top_k, at_least(1));
  f.field("use_target_weight", c.use_target_weight);
  f.field("use_keypoint_weights", c.use_keypoint_weights);
}

template <typename Fields>
void describe(Fields& f, OptimizerConfig& c) {
  f.field("type", c.type, one_of(Names{"adam", "sgd"}));
  f.field("lr", c.lr, above(0.0));
  f.field("beta1", c.beta1, between(0.0, 0.999999));
  f.field("beta2", c.beta2, between(0.0, 0.999999));
  f.field("eps", c.eps, above(0.0));
  f.field("momentum", c.momentum, between(0.0, 0.999999));
  f.field("nesterov", c.nesterov);
  f.field("weight_decay", c.weight_decay, at_least(0.0));
  f.field("decoupled_weight_decay", c.decoupled_weight_decay);
}

template <typename Fields>
void describe(Fields& f, ScheduleConfig& c) {
  f.field("type", c.type, one_of(Names{"constant", "multi_step", "cosine"}));
  f.field("milestones", c.milestones, each(at_least(1)));
  f.field("factor", c.factor, between(0.0, 1.0));
  f.field("warmup_steps", c.warmup_steps, at_least(0));
  f.field("warmup_factor", c.warmup_factor, between(0.0, 1.0));
  f.field("min_lr", c.min_lr, at_least(0.0));
}

template <typename Fields>
void describe(Fields& f, TrainConfig& c) {
  f.field("epochs", c.epochs, at_least(1));
  f.field("batch_size", c.batch_size, between(1, 65536));
  f.field("seed", c.seed);
  f.field("shuffle", c.shuffle);
  f.section("optimizer", c.optimizer);
  f.section("schedule", c.schedule);
  f.field("clip_norm", c.clip_norm, at_least(0.0));
  f.field("precision", c.precision, one_of(precisions()));
  f.field("winograd", c.winograd);
  f.field("deterministic", c.deterministic);
  f.field("cuda_graph", c.cuda_graph);
  f.field("cuda_lanes", c.cuda_lanes, between(1, 32));
  f.field("ema_decay", c.ema_decay, between(0.0, 0.999999));
  f.field("log_every", c.log_every, at_least(1));
  f.field("debug_every", c.debug_every, at_least(0));
  f.field("save_every", c.save_every, at_least(0));
  f.field("save_epochs", c.save_epochs, at_least(1));
  f.field("validate_every", c.validate_every, at_least(1));
}

template <typename Fields>
void describe(Fields& f, EvalConfig& c) {
  f.field("precision", c.precision, one_of(precisions()));
  f.field("winograd", c.winograd);
  f.field("cuda_graph", c.cuda_graph);
  f.field("batch_size", c.batch_size, between(1, 65536));
  f.field("flip_test", c.flip_test);
  f.field("shift_heatmap", c.shift_heatmap);
  f.field("quarter_offset", c.quarter_offset);
  f.field("box_threshold", c.box_threshold);
  f.field("keypoint_threshold", c.keypoint_threshold);
  f.field("nms_oks", c.nms_oks, between(0.0, 1.0));
  f.field("soft_nms", c.soft_nms);
  f.field("metric", c.metric, one_of(Names{"auto", "ap", "pck", "pckh"}));
  f.field("pck_threshold", c.pck_threshold, above(0.0));
}

template <typename Fields>
void describe(Fields& f, Config& c) {
  f.field("about", c.about);
  f.field("skeleton", c.skeleton);
  f.field("model", c.model);
  f.section("codec", c.codec);
  f.section("data", c.data);
  f.section("augment", c.augment);
  f.section("loss", c.loss);
  f.section("train", c.train);
  f.section("eval", c.eval);
}

namespace {

// A network says how large its heatmaps are.
void check_sizes_agree(const Config& c) {
  const auto side = [&](int input_side) {
    return static_cast<int>(models::heatmap_side(c.model, input_side));
  };
  const PixelSize made{side(c.codec.input_size.width), side(c.codec.input_size.height)};
  if (made != c.codec.heatmap_size) {
    throw_error<ConfigError>(
        "[config] codec.heatmap_size is [{}, {}], but {} makes [{}, {}] of codec.input_size [{}, "
        "{}]; change one of them",
        c.codec.heatmap_size.width, c.codec.heatmap_size.height,
        c.model.at("name").get<std::string>(), made.width, made.height, c.codec.input_size.width,
        c.codec.input_size.height);
  }
}

// The options that were given over the defaults of the network that they name. Their types and
// values are checked where the network is built.
Json resolve_model(const Json& given) {
  detail::check_is_section(given, "model");
  const auto name = given.find("name");
  if (name != given.end() && !name->is_string()) {
    throw_error<ConfigError>("[config] model.name is {}, wanted one of {}", name->dump(),
                             fmt::join(models::network_names(), ", "));
  }
  Json model =
      name == given.end() ? default_model() : models::default_section(name->get<std::string>());
  std::vector<std::string> known;
  for (const auto& [key, value] : model.items()) known.push_back(key);
  detail::check_no_unknown_key(given, "model", known);
  model.update(given);
  return model;
}

void check_metric(const Config& c) {
  const bool is_mpii = c.data.format == "mpii";
  if (c.eval.metric == "auto" || is_mpii == (c.eval.metric == "pckh")) return;
  throw_error<ConfigError>("[config] eval.metric is {}, but data.format {} has {}; set it to auto",
                           c.eval.metric, c.data.format, is_mpii ? "pckh" : "ap and pck");
}

void check_agreement(const Config& c) {
  check_sizes_agree(c);
  check_metric(c);
  const std::vector<int>& milestones = c.train.schedule.milestones;
  if (!std::is_sorted(milestones.begin(), milestones.end())) {
    throw_error<ConfigError>("[config] train.schedule.milestones must rise: [{}]",
                             fmt::join(milestones, ", "));
  }
  if (c.train.optimizer.nesterov && c.train.optimizer.momentum == 0) {
    throw_error<ConfigError>(
        "[config] train.optimizer.nesterov is true, but train.optimizer.momentum is 0; set a "
        "momentum or turn nesterov off");
  }
}

}  // namespace

Json default_model() { return models::default_section("pose_resnet"); }

Config config_from_json(const Json& json) {
  Config config;
  FieldReader reader(json, "");
  describe(reader, config);
  reader.finish();
  config.model = resolve_model(config.model);
  check_agreement(config);
  return config;
}

Json config_to_json(const Config& config) {
  Config copy = config;
  FieldWriter writer;
  describe(writer, copy);
  return writer.json();
}

}  // namespace akimbo
