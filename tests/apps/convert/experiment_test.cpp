// Experiment files as the two published repositories write them, against the shipped configs that
// stand for the same experiments; and what each odd key becomes.
#include "apps/convert/experiment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "apps/config/load.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/program.h"
#include "tests/support/throws.h"

namespace akimbo::convert {
namespace {

using testing_support::run_akimbo;
using testing_support::ScratchFolder;

// One row of the published tables.
struct Row {
  std::string config;  // the shipped config
  bool hrnet_repository = false;
  std::string data;  // coco, mpii
  int depth = 50;    // of a ResNet; 0: HRNet
  int width = 32;    // of an HRNet
  std::string style = "pytorch";
  int input_width = 192, input_height = 256;
  int batch = 32;
};

std::vector<Row> published() {
  std::vector<Row> rows;
  const auto add_resnets = [&](bool hrnet_repository, const std::string& data) {
    for (const int depth : {50, 101, 152}) {
      for (const bool large : {false, true}) {
        if (large && hrnet_repository && data == "mpii") continue;
        Row row{.hrnet_repository = hrnet_repository, .data = data, .depth = depth};
        row.input_height = large ? 384 : 256;
        row.input_width = data == "mpii" ? row.input_height : row.input_height * 3 / 4;
        if (depth == 152 && large && data == "mpii") row.batch = 24;
        row.config = fmt::format("body2d/{}/{}/res{}_{}x{}_d256x3_adam_lr1e-3",
                                 hrnet_repository ? "hrnet" : "simple_baseline", data, depth,
                                 row.input_height, row.input_width);
        rows.push_back(row);
        if (hrnet_repository || data == "mpii" || large) continue;
        row.style = "caffe";
        row.config += "_caffe";
        rows.push_back(row);
      }
    }
  };
  for (const bool hrnet_repository : {false, true}) {
    for (const char* data : {"coco", "mpii"}) add_resnets(hrnet_repository, data);
  }
  for (const int width : {32, 48}) {
    for (const bool large : {false, true}) {
      Row row{.hrnet_repository = true, .data = "coco", .depth = 0, .width = width};
      row.input_width = large ? 288 : 192;
      row.input_height = large ? 384 : 256;
      if (width == 48 && large) row.batch = 24;
      row.config =
          fmt::format("body2d/hrnet/coco/w{}_{}_adam_lr1e-3", width, large ? "384x288" : "256x192");
      rows.push_back(row);
    }
    Row row{.hrnet_repository = true, .data = "mpii", .depth = 0, .width = width};
    row.input_width = row.input_height = 256;
    row.config = fmt::format("body2d/hrnet/mpii/w{}_256x256_adam_lr1e-3", width);
    rows.push_back(row);
  }
  return rows;
}

std::string stages(int width) {
  std::string text = "    FINAL_CONV_KERNEL: 1\n    PRETRAINED_LAYERS: ['conv1', 'stage4']\n";
  const int modules[] = {1, 4, 3};
  for (int stage = 2; stage <= 4; ++stage) {
    std::string blocks, channels;
    for (int branch = 0; branch < stage; ++branch) {
      blocks += "\n      - 4";
      channels += fmt::format("\n      - {}", width << branch);
    }
    text += fmt::format(
        "    STAGE{}:\n      NUM_MODULES: {}\n      NUM_BRANCHES: {}\n      BLOCK: BASIC\n"
        "      NUM_BLOCKS:{}\n      NUM_CHANNELS:{}\n      FUSE_METHOD: SUM\n",
        stage, modules[stage - 2], stage, blocks, channels);
  }
  return text;
}

std::string resnet(const Row& row) {
  return fmt::format(
      "    FINAL_CONV_KERNEL: 1\n    DECONV_WITH_BIAS: false\n    NUM_DECONV_LAYERS: 3\n"
      "    NUM_DECONV_FILTERS: [256, 256, 256]\n    NUM_DECONV_KERNELS: [4, 4, 4]\n"
      "    NUM_LAYERS: {}\n",
      row.depth);
}

std::string heatmaps(const Row& row, const char* indent) {
  return fmt::format("{0}TARGET_TYPE: gaussian\n{0}HEATMAP_SIZE: [{1}, {2}]\n{0}SIGMA: {3}\n",
                     indent, row.input_width / 4, row.input_height / 4,
                     row.input_height == 384 ? 3 : 2);
}

// The file, written from the description of the experiment.
std::string yaml_of(const Row& row) {
  const bool hrnet = row.depth == 0, coco = row.data == "coco", second = row.hrnet_repository;
  std::string y = second ? "AUTO_RESUME: true\nGPUS: (0,1,2,3)\nPIN_MEMORY: true\nRANK: 0\n"
                           "DATA_DIR: ''\nWORKERS: 24\n"
                         : "GPUS: '0'\nDATA_DIR_OF_NOBODY: null\nWORKERS: 4\n";
  y += "OUTPUT_DIR: output\nLOG_DIR: log\nPRINT_FREQ: 100\n"
       "CUDNN:\n  BENCHMARK: true\n  DETERMINISTIC: false\n  ENABLED: true\n";
  y += fmt::format(
      "DATASET:\n  DATASET: {0}\n  ROOT: 'data/{0}/'\n  TRAIN_SET: {1}\n"
      "  TEST_SET: {2}\n  DATA_FORMAT: jpg\n  FLIP: true\n",
      row.data, coco ? "train2017" : "train", coco ? "val2017" : "valid");
  const double scale = !coco ? 0.25 : hrnet ? 0.35 : 0.3;
  y += fmt::format("  ROT_FACTOR: {}\n  SCALE_FACTOR: {}\n", !coco ? 30 : hrnet ? 45 : 40, scale);
  if (second && (hrnet || !coco)) {
    y += fmt::format("  PROB_HALF_BODY: {}\n  NUM_JOINTS_HALF_BODY: 8\n", coco ? "0.3" : "-1.0");
  }
  if (second) y += fmt::format("  COLOR_RGB: {}\n", hrnet);
  y += fmt::format(
      "MODEL:\n  NAME: {}\n  INIT_WEIGHTS: true\n  NUM_JOINTS: {}\n"
      "  PRETRAINED: 'models/pytorch/imagenet/some.pth'\n  IMAGE_SIZE:\n  - {}\n  - {}\n",
      hrnet ? "pose_hrnet" : "pose_resnet", coco ? 17 : 16, row.input_width, row.input_height);
  if (row.style != "pytorch") y += "  STYLE: " + row.style + "\n";
  if (second) y += heatmaps(row, "  ");
  y += "  EXTRA:\n";
  if (!second) y += heatmaps(row, "    ");
  y += hrnet ? stages(row.width) : resnet(row);
  y += "LOSS:\n  USE_TARGET_WEIGHT: true\n";
  const char* per_gpu = second ? "_PER_GPU" : "";
  y += fmt::format(
      "TRAIN:\n  BATCH_SIZE{}: {}\n  SHUFFLE: true\n  BEGIN_EPOCH: 0\n"
      "  END_EPOCH: {}\n  OPTIMIZER: adam\n  LR: 0.001\n  LR_FACTOR: 0.1\n"
      "  LR_STEP:\n  - {}\n  - {}\n  WD: 0.0001\n  GAMMA1: 0.99\n  GAMMA2: 0.0\n"
      "  MOMENTUM: 0.9\n  NESTEROV: false\n  RESUME: false\n",
      per_gpu, row.batch, hrnet ? 210 : 140, hrnet ? 170 : 90, hrnet ? 200 : 120);
  y += fmt::format(
      "TEST:\n  BATCH_SIZE{}: {}\n  FLIP_TEST: {}\n  POST_PROCESS: true\n"
      "  SHIFT_HEATMAP: true\n  MODEL_FILE: ''\n",
      per_gpu, row.batch, second);
  if (coco) {
    y += "  COCO_BBOX_FILE: 'data/coco/person_detection_results/boxes.json'\n  BBOX_THRE: 1.0\n"
         "  IMAGE_THRE: 0.0\n  IN_VIS_THRE: 0.2\n  NMS_THRE: 1.0\n  OKS_THRE: 0.9\n"
         "  USE_GT_BBOX: true\n";
  }
  return y + fmt::format(
                 "DEBUG:\n  DEBUG: {}\n  SAVE_BATCH_IMAGES_GT: true\n"
                 "  SAVE_BATCH_IMAGES_PRED: true\n  SAVE_HEATMAPS_GT: true\n"
                 "  SAVE_HEATMAPS_PRED: true\n",
                 coco || second);
}

Experiment experiment_of(const ScratchFolder& folder, const std::string& yaml) {
  io::write_file_atomic(folder.file("x.yaml"), yaml);
  return read_experiment(folder.file("x.yaml"));
}

// What a comparison leaves out: words, drawings, and evaluation's COCO thresholds on MPII, which
// has no use for them.
Json compared(const Json& config, bool coco) {
  Json json = config_to_json(config_from_json(config));
  json.erase("about");
  json["train"].erase("debug_every");
  if (!coco) {
    for (const char* key : {"nms_oks", "keypoint_threshold", "box_threshold"}) {
      json["eval"].erase(key);
    }
  }
  return json;
}

TEST(Experiment, EveryPublishedFileGivesItsShippedConfig) {
  const ScratchFolder folder;
  const std::vector<Row> rows = published();
  EXPECT_EQ(rows.size(), 30u);
  for (const Row& row : rows) {
    SCOPED_TRACE(row.config);
    const Experiment experiment = experiment_of(folder, yaml_of(row));
    EXPECT_EQ(experiment.repository, row.hrnet_repository ? "HRNet" : "Simple Baselines");
    const Json shipped = config_to_json(apps::load_config(apps::find_config(row.config)));
    const bool coco = row.data == "coco";
    EXPECT_EQ(Json::diff(compared(shipped, coco), compared(experiment.config, coco)),
              Json::array());
  }
}

bool mentions(const Experiment& experiment, const std::string& key, const std::string& part) {
  return std::any_of(experiment.not_honoured.begin(), experiment.not_honoured.end(),
                     [&](const std::string& line) {
                       return line.starts_with(key + ": ") && line.find(part) != std::string::npos;
                     });
}

TEST(Experiment, SaysWhatItCannotHonour) {
  const ScratchFolder folder;
  const Experiment e = experiment_of(folder, yaml_of(published().front()));
  EXPECT_TRUE(mentions(e, "MODEL.PRETRAINED", "--init models/pytorch/imagenet/some.pth"));
  EXPECT_TRUE(mentions(e, "DATASET.ROOT", "--data data/coco/"));
  EXPECT_TRUE(mentions(e, "OUTPUT_DIR", "--out"));
  EXPECT_TRUE(mentions(e, "DATA_DIR_OF_NOBODY", "unknown"));
  EXPECT_TRUE(mentions(e, "TEST.COCO_BBOX_FILE", "--boxes data/coco/"));
  EXPECT_FALSE(mentions(e, "GPUS", ""));
  EXPECT_TRUE(mentions(experiment_of(folder, yaml_of(published().back())), "GPUS", "32 pictures"));
}

TEST(Experiment, DefaultsAreThoseOfTheRepository) {
  const ScratchFolder folder;
  const Experiment first = experiment_of(folder, "MODEL: {NAME: pose_resnet}\n");
  EXPECT_EQ(first.repository, "Simple Baselines");
  EXPECT_EQ(first.config["skeleton"], "mpii");
  EXPECT_EQ(first.config["codec"]["input_size"], Json({256, 256}));
  EXPECT_EQ(first.config["train"]["schedule"]["milestones"], Json({90, 110}));
  EXPECT_EQ(first.config["eval"]["quarter_offset"], true);
  EXPECT_EQ(first.config["eval"]["box_threshold"], 0.0);
  const Experiment second = experiment_of(
      folder, "AUTO_RESUME: no\nMODEL: {NAME: pose_resnet}\nDATASET: {DATASET: coco}\n");
  EXPECT_EQ(second.repository, "HRNet");
  EXPECT_EQ(second.config["eval"]["quarter_offset"], false);
  EXPECT_EQ(second.config["eval"]["box_threshold"], 0.1);
  EXPECT_EQ(second.config["model"]["scratch_init"], "small_normal");
  EXPECT_TRUE(mentions(second, "TEST.USE_GT_BBOX", "--boxes"));
}

TEST(Experiment, OptionsBeyondThePublishedFiles) {
  const ScratchFolder folder;
  const Experiment e = experiment_of(folder, R"(
DATA_DIR: /data
DATASET: {DATASET: coco, ROOT: coco/, DATA_FORMAT: zip, TEST_SET: test-dev2017, SELECT_DATA: true}
MODEL:
  NAME: pose_resnet
  EXTRA: {NUM_LAYERS: 18, NUM_DECONV_LAYERS: 2, NUM_DECONV_FILTERS: [64, 32],
          NUM_DECONV_KERNELS: [3, 2], FINAL_CONV_KERNEL: 3, DECONV_WITH_BIAS: true}
  HEATMAP_SIZE: 32
LOSS: {USE_OHKM: true, TOPK: 5, USE_DIFFERENT_JOINTS_WEIGHT: true, USE_TARGET_WEIGHT: false}
TRAIN: {OPTIMIZER: sgd, LR: 1e-2, MOMENTUM: 0.8, WD: 0.001, NESTEROV: true}
TEST: {COCO_BBOX_FILE: /data/coco/boxes/dev.json, SOFT_NMS: true}
)");
  const Json& c = e.config;
  EXPECT_EQ(c["data"]["root"], "/data/coco/");
  EXPECT_EQ(c["data"]["train"]["images"], "images/train.zip");
  EXPECT_EQ(c["data"]["val"]["annotations"], "annotations/image_info_test-dev2017.json");
  EXPECT_EQ(c["data"]["val"]["images"], "images/test2017.zip");
  EXPECT_EQ(c["data"]["val"]["boxes"], "boxes/dev.json");
  EXPECT_EQ(c["data"]["select"], true);
  EXPECT_EQ(c["model"]["deconv_kernels"], Json({3, 2}));
  EXPECT_EQ(c["loss"], Json({{"type", "joints_ohkm"},
                             {"top_k", 5},
                             {"use_target_weight", false},
                             {"use_keypoint_weights", true}}));
  EXPECT_EQ(c["train"]["optimizer"], Json({{"type", "sgd"},
                                           {"lr", 0.01},
                                           {"momentum", 0.8},
                                           {"weight_decay", 0.001},
                                           {"nesterov", true}}));
  EXPECT_EQ(c["eval"]["soft_nms"], true);
  EXPECT_TRUE(mentions(e, "LOSS.USE_OHKM", "never calls"));
}

TEST(Experiment, WrongFilesAreExplained) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& yaml, const std::string& part) {
    try {
      (void)experiment_of(folder, yaml);
      ADD_FAILURE() << yaml << " was accepted";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("x.yaml"), std::string::npos) << e.what();
    }
  };
  refused("", "no keys");
  refused("just words", "no keys");
  refused("A: [1, 2", "line 1");
  refused("A: 1\nA: 2\n", "line 2, column 1: the key A comes twice");
  refused("? [a]\n: 1\n", "a key is no text");
  refused("MODEL: {NAME: cls_hrnet}", "MODEL.NAME is \"cls_hrnet\", wanted pose_resnet");
  refused("MODEL: {NAME: pose_resnet, NUM_JOINTS: 14}", "MODEL.NUM_JOINTS is 14, wanted 16");
  refused("MODEL: {NAME: pose_resnet, EXTRA: {NUM_LAYERS: fifty}}", "NUM_LAYERS is \"fifty\"");
  refused("MODEL: {NAME: pose_resnet, EXTRA: {NUM_DECONV_LAYERS: 2}}", "one per deconvolution");
  refused("MODEL: {NAME: pose_resnet, IMAGE_SIZE: [1, 2, 3]}", "[width, height]");
  refused("MODEL: {NAME: pose_resnet, IMAGE_SIZE: [256, 192]}", "cannot be converted");
  refused("MODEL: {NAME: pose_resnet}\nTRAIN: {LR: fast}", "TRAIN.LR is \"fast\", wanted a number");
  refused("MODEL: {NAME: pose_hrnet, EXTRA: {STAGE2: {NUM_CHANNELS: [32, 32]}}}", "[32,64]");
  refused("DATASET: {DATASET: posetrack}", "wanted coco or mpii");
  // Aliases that double at each line, an alias to itself, and nesting without end.
  std::string laughs = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 30; ++i) laughs += fmt::format("a{0}: &a{0} [*a{1}, *a{1}]\n", i, i - 1);
  refused(laughs, "more than 10000 values");
  refused("a: &a [*a]\n", "32 levels");
  refused(std::string(40, '[') + std::string(40, ']'), "32 levels");
  refused(std::string(100000, '['), "line 1");
}

TEST(ConvertCommand, MakesAConfigOfAnExperiment) {
  const ScratchFolder folder;
  io::write_file_atomic(folder.file("w32.yaml"), yaml_of(published().back()));
  const auto done = run_akimbo({"convert", folder.file("w32.yaml"), folder.file("w32.json")});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("an experiment of HRNet"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("not in the config: MODEL.PRETRAINED"), std::string::npos) << done.out;
  EXPECT_EQ(apps::load_config(folder.file("w32.json")).model["width"], 48);
  EXPECT_EQ(run_akimbo({"convert", folder.file("w32.yaml"), folder.file("x.pth")}).exit_code, 2);
  EXPECT_EQ(run_akimbo({"convert", folder.file("no.yaml"), folder.file("x.json")}).exit_code, 3);
  EXPECT_EQ(run_akimbo({"convert", folder.file("w32.yaml"), folder.file("no/x.json")}).exit_code,
            1);
}

}  // namespace
}  // namespace akimbo::convert
