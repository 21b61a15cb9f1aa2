#include "config/config.h"

#include <gtest/gtest.h>

#include "apps/config/load.h"
#include "config/parts.h"
#include "datasets/meta.h"
#include "datasets/registry.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/shared_data.h"

namespace akimbo::apps {
namespace {

using testing_support::ScratchFolder;

// The message of the ConfigError that `action` throws; empty when it throws none.
template <typename Action>
std::string config_error(Action&& action) {
  try {
    action();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

std::string error_of(const char* json) {
  return config_error([&] { (void)config_from_json(Json::parse(json)); });
}

TEST(Config, DefaultsSurviveTheWayThroughJson) {
  const Json json = config_to_json(Config{});
  EXPECT_EQ(config_to_json(config_from_json(json)), json);
  EXPECT_EQ(json["codec"]["input_size"], Json::parse("[192, 256]"));
}

TEST(Config, KnowsTheFormatsThatCanBeRead) {
  EXPECT_EQ(datasets::format_names(),
            std::vector<std::string>(std::begin(kDataFormats), std::end(kDataFormats)));
}

TEST(Config, NamesTheNearestKey) {
  EXPECT_EQ(error_of(R"({"train": {"optimiser": {}}})"),
            "[config] unknown key train.optimiser; did you mean train.optimizer?");
  EXPECT_EQ(error_of(R"({"modle": {}})"), "[config] unknown key modle; did you mean model?");
}

TEST(Config, NamesTheKeyOfAWrongTypeOrRange) {
  EXPECT_EQ(error_of(R"({"train": {"optimizer": {"lr": "fast"}}})"),
            "[config] train.optimizer.lr is \"fast\" (string), wanted a number");
  EXPECT_EQ(error_of(R"({"train": {"optimizer": {"lr": 0}}})"),
            "[config] train.optimizer.lr is 0, wanted more than 0");
  EXPECT_EQ(error_of(R"({"model": {"deph": 50}})"),
            "[config] unknown key model.deph; did you mean model.depth?");
  EXPECT_EQ(error_of(R"({"loss": {"type": "mse"}})"),
            "[config] loss.type is \"mse\", wanted one of joints_mse, joints_ohkm");
  EXPECT_EQ(error_of(R"({"train": {"epochs": 1.5}})"),
            "[config] train.epochs is 1.5 (number), wanted a whole number");
  EXPECT_EQ(
      error_of(R"({"train": {"epochs": 4294967297}})"),
      "[config] train.epochs is 4294967297 (number), wanted a whole number of at most 32 bits");
  EXPECT_EQ(error_of(R"({"train": {"seed": -1}})"),
            "[config] train.seed is -1 (number), wanted a whole number of 0 or more");
  EXPECT_EQ(error_of(R"({"data": {"std": [1, 0, 1]}})"),
            "[config] data.std is [1,0,1], wanted numbers above 0");
  EXPECT_EQ(error_of(R"({"codec": {"input_size": [192, 0]}})"),
            "[config] codec.input_size is [192,0] (array), wanted [width, height] in pixels, both "
            "above 0");
  EXPECT_EQ(error_of(R"({"data": []})"),
            "[config] data is [] (array), wanted an object of settings {...}");
}

TEST(Config, RefusesSettingsThatContradictEachOther) {
  EXPECT_NE(error_of(R"({"codec": {"heatmap_size": [24, 32]}})").find("pose_resnet makes [48, 64]"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"train": {"schedule": {"milestones": [9, 3]}}})").find("must rise"),
            std::string::npos);
}

TEST(Config, MergesByKeyAndReplacesLists) {
  const ScratchFolder folder;
  io::write_file_atomic(folder.file("base.json"),
                        R"({"train": {"epochs": 7, "schedule": {"milestones": [2, 4]}},
                            "data": {"root": "pictures"}})");
  io::write_file_atomic(folder.file("middle.json"),
                        R"({"extends": "base.json", "train": {"schedule": {"milestones": [5]}}})");
  io::write_file_atomic(folder.file("top.json"),
                        R"({"extends": "middle.json", "train": {"batch_size": 3}})");
  const Config config = load_config(folder.file("top.json"), {"train.seed=9", "eval.metric=pck"});
  EXPECT_EQ(config.train.epochs, 7);
  EXPECT_EQ(config.train.batch_size, 3);
  EXPECT_EQ(config.train.schedule.milestones, std::vector<int>{5});
  EXPECT_EQ(config.train.seed, 9u);
  EXPECT_EQ(config.eval.metric, "pck");
  EXPECT_EQ(config.data.root, folder.file("pictures"));
}

TEST(Config, AnOwnSkeletonLiesBesideTheConfig) {
  const ScratchFolder folder;
  io::write_file_atomic(folder.file("own.json"), R"({"skeleton": "sets/my.json"})");
  EXPECT_EQ(load_config(folder.file("own.json")).skeleton, folder.file("sets/my.json"));
  io::write_file_atomic(folder.file("named.json"), R"({"skeleton": "mpii"})");
  EXPECT_EQ(load_config(folder.file("named.json")).skeleton, "mpii");
}

TEST(Config, FormatsAndCodecsAreChecked) {
  EXPECT_EQ(error_of(R"({"data": {"format": "mpi"}})"),
            "[config] data.format is \"mpi\", wanted one of coco, crowdpose, mpii");
  EXPECT_NE(error_of(R"({"data": {"format": "mpii"}, "eval": {"metric": "ap"}})").find("has pckh"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"eval": {"metric": "pckh"}})").find("has ap and pck"), std::string::npos);
  EXPECT_NE(error_of(R"({"codec": {"dark_kernel": 4}})").find("an odd number of 3 to 99"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"codec": {"alignment": "upd"}})").find("one of published, udp"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"codec": {"targets": 1}})").find("codec.targets"), std::string::npos);
  EXPECT_NE(error_of(R"({"codec": {"decoding": "drak"}})").find("one of published, dark"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"data": {"select": "yes"}})").find("true or false"), std::string::npos);
}

TEST(Config, RefusesAFourthExtends) {
  const ScratchFolder folder;
  io::write_file_atomic(folder.file("loop.json"), R"({"extends": "loop.json"})");
  EXPECT_NE(config_error([&] { (void)load_config(folder.file("loop.json")); }).find("3 levels"),
            std::string::npos);
}

TEST(Config, ExtendsAShippedConfigByItsName) {
  const ScratchFolder folder;
  // Two levels deep itself: _base, the 256x192 network, its caffe variant.
  io::write_file_atomic(folder.file("mine.json"), R"({
    "extends": "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3_caffe",
    "train": {"epochs": 3}})");
  const Config config = load_config(folder.file("mine.json"));
  EXPECT_EQ(config.model["style"], "caffe");
  EXPECT_EQ(config.data.color, "bgr");
  EXPECT_EQ(config.train.epochs, 3);
  io::write_file_atomic(folder.file("wrong.json"), R"({
    "extends": "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e3"})");
  EXPECT_NE(config_error([&] {
              (void)load_config(folder.file("wrong.json"));
            }).find("did you mean body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3"),
            std::string::npos);
}

TEST(Config, SaysWhatIsWrongWithAFile) {
  const ScratchFolder folder;
  io::write_file_atomic(folder.file("half.json"), R"({"train": {"epo)");
  EXPECT_NE(config_error([&] { (void)load_config(folder.file("half.json")); }).find("half.json"),
            std::string::npos);
  EXPECT_NE(config_error([&] { (void)find_config("coco/res9"); }).find("no shipped config"),
            std::string::npos);
  Json json = Json::parse(R"({"train": {"epochs": 3}})");
  EXPECT_NE(config_error([&] { apply_override(json, "train.epochs"); }).find("a.b=value"),
            std::string::npos);
  EXPECT_NE(config_error([&] { apply_override(json, "train.epochs.x=1"); }).find("holds a value"),
            std::string::npos);
}

TEST(Config, EveryShippedConfigResolves) {
  const std::vector<std::string> names = list_configs();
  EXPECT_GE(names.size(), 16u);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const Config config = load_config(find_config(name));
    EXPECT_FALSE(config.about.empty());
    EXPECT_EQ(config_to_json(config_from_json(config_to_json(config))), config_to_json(config));
  }
}

TEST(Config, EveryShippedConfigBuildsItsNetwork) {
  for (const std::string& name : list_configs()) {
    SCOPED_TRACE(name);
    const Config config = load_config(find_config(name));
    const Skeleton skeleton = datasets::skeleton_by_name(config.skeleton);
    const auto network = models::build_network(config.model, skeleton.num_keypoints());
    EXPECT_EQ(network->named_parameters().back().second.numel(),
              static_cast<std::int64_t>(skeleton.num_keypoints()));  // the last layer's bias
  }
}

TEST(Config, HRNetTwinsHoldThePublishedValues) {
  for (const int width : {32, 48}) {
    for (const bool large : {false, true}) {
      const Config c = load_config(find_config(fmt::format("body2d/hrnet/coco/w{}_{}_adam_lr1e-3",
                                                           width, large ? "384x288" : "256x192")));
      EXPECT_EQ(c.model["name"], "pose_hrnet");
      EXPECT_EQ(c.model["width"], width);
      EXPECT_EQ(c.model["modules"], Json({1, 4, 3}));
      EXPECT_EQ(c.codec.input_size, (large ? PixelSize{288, 384} : PixelSize{192, 256}));
      EXPECT_EQ(c.codec.heatmap_size, (large ? PixelSize{72, 96} : PixelSize{48, 64}));
      EXPECT_EQ(c.codec.sigma, large ? 3 : 2);
      EXPECT_EQ(c.data.color, "rgb");
      EXPECT_EQ(c.augment.scale_factor, 0.35);
      EXPECT_EQ(c.augment.rotation_deg, 45);
      EXPECT_EQ(c.augment.half_body_probability, 0.3);
      EXPECT_EQ(c.augment.half_body_min_keypoints, 8);
      EXPECT_EQ(c.train.epochs, 210);
      EXPECT_EQ(c.train.schedule.milestones, (std::vector<int>{170, 200}));
      EXPECT_EQ(c.train.batch_size, width == 48 && large ? 24 : 32);
      EXPECT_TRUE(c.eval.flip_test);
      EXPECT_TRUE(c.eval.shift_heatmap);
      EXPECT_TRUE(c.eval.quarter_offset);
    }
  }
}

TEST(Config, CocoTwinsHoldThePublishedValues) {
  const std::string folder = "body2d/simple_baseline/coco/";
  int num_twins = 0;
  for (const int depth : {50, 101, 152}) {
    for (const char* variant : {"256x192_d256x3_adam_lr1e-3", "256x192_d256x3_adam_lr1e-3_caffe",
                                "384x288_d256x3_adam_lr1e-3"}) {
      const Config c = load_config(find_config(fmt::format("{}res{}_{}", folder, depth, variant)));
      const bool large = std::string(variant).starts_with("384");
      EXPECT_EQ(c.model["depth"], depth);
      EXPECT_EQ(c.model["style"], std::string(variant).ends_with("caffe") ? "caffe" : "pytorch");
      EXPECT_EQ(c.model["deconv_filters"], Json({256, 256, 256}));
      EXPECT_EQ(c.model["deconv_kernels"], Json({4, 4, 4}));
      EXPECT_EQ(c.codec.input_size, (large ? PixelSize{288, 384} : PixelSize{192, 256}));
      EXPECT_EQ(c.codec.sigma, large ? 3 : 2);
      EXPECT_EQ(c.data.color, "bgr");
      EXPECT_EQ(c.train.epochs, 140);
      EXPECT_EQ(c.train.batch_size, 32);
      EXPECT_EQ(c.train.optimizer.type, "adam");
      EXPECT_EQ(c.train.optimizer.lr, 1e-3);
      EXPECT_EQ(c.train.schedule.milestones, (std::vector<int>{90, 120}));
      EXPECT_EQ(c.augment.rotation_deg, 40);
      EXPECT_EQ(c.augment.scale_factor, 0.3);
      EXPECT_FALSE(c.eval.flip_test);
      EXPECT_EQ(c.eval.nms_oks, 0.9);
      EXPECT_EQ(c.eval.keypoint_threshold, 0.2);
      ++num_twins;
    }
  }
  EXPECT_EQ(num_twins, 9);
}

}  // namespace
}  // namespace akimbo::apps
