#include "apps/convert/experiment.h"

#include <algorithm>

#include "apps/convert/experiment_keys.h"
#include "apps/convert/yaml.h"
#include "config/config.h"
#include "datasets/meta.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

// One conversion. Every function takes the keys of one section of the file.
class Conversion {
 public:
  explicit Conversion(const std::filesystem::path& path)
      : keys_(read_yaml(path), path.string()), is_hrnet_(is_of_hrnet(keys_)) {}

  Experiment run() {
    model();
    codec();
    data();
    augment();
    loss();
    train();
    eval();
    without_counterpart();
    for (const std::string& key : keys_.left_over()) {
      note(key, "unknown; the published code refuses it too");
    }
    return {.repository = is_hrnet_ ? "HRNet" : "Simple Baselines",
            .config = checked(),
            .not_honoured = std::move(notes_)};
  }

 private:
  // Keys that only HRNet's repository knows.
  static bool is_of_hrnet(const ExperimentKeys& keys) {
    for (const char* key : {"AUTO_RESUME", "PIN_MEMORY", "RANK", "DATA_DIR", "MODEL.HEATMAP_SIZE",
                            "MODEL.EXTRA.STAGE2", "DATASET.COLOR_RGB", "DATASET.PROB_HALF_BODY",
                            "TRAIN.BATCH_SIZE_PER_GPU", "TEST.BATCH_SIZE_PER_GPU"}) {
      if (keys.has(key)) return true;
    }
    return false;
  }

  void note(const std::string& key, const std::string& text) {
    notes_.push_back(key + ": " + text);
  }
  void note_if(bool applies, const std::string& key, const std::string& text) {
    if (applies) note(key, text);
  }
  [[noreturn]] void refuse(const std::string& key, const std::string& wanted) const {
    keys_.fail(key, wanted);
  }

  // Where both repositories keep a setting of the heatmaps.
  [[nodiscard]] std::string codec_key(const std::string& name) const {
    return (is_hrnet_ ? "MODEL." : "MODEL.EXTRA.") + name;
  }
  [[nodiscard]] std::string batch_key(const std::string& section) const {
    return section + (is_hrnet_ ? ".BATCH_SIZE_PER_GPU" : ".BATCH_SIZE");
  }

  void model() {
    const std::string name = keys_.text("MODEL.NAME", is_hrnet_ ? "cls_hrnet" : "pose_resnet");
    if (name == "pose_resnet") {
      pose_resnet();
    } else if (name == "pose_hrnet") {
      pose_hrnet();
    } else {
      refuse("MODEL.NAME", "pose_resnet or pose_hrnet");
    }
    note_if(!keys_.boolean("MODEL.INIT_WEIGHTS", true), "MODEL.INIT_WEIGHTS",
            "networks always begin as the published training does");
    const std::string pretrained = keys_.text("MODEL.PRETRAINED", "");
    note_if(!pretrained.empty(), "MODEL.PRETRAINED", "train with --init " + pretrained);
  }

  void pose_resnet() {
    const std::string extra = "MODEL.EXTRA.";
    const int num_deconvs = keys_.integer(extra + "NUM_DECONV_LAYERS", 3);
    const auto filters = keys_.integers(extra + "NUM_DECONV_FILTERS", {256, 256, 256});
    const auto kernels = keys_.integers(extra + "NUM_DECONV_KERNELS", {4, 4, 4});
    const auto is_wrong = [&](const std::vector<int>& list) {
      return static_cast<int>(list.size()) != num_deconvs;
    };
    if (is_wrong(filters)) refuse(extra + "NUM_DECONV_FILTERS", "one per deconvolution layer");
    if (is_wrong(kernels)) refuse(extra + "NUM_DECONV_KERNELS", "one per deconvolution layer");
    config_["model"] = {{"name", "pose_resnet"},
                        {"depth", keys_.integer(extra + "NUM_LAYERS", 50)},
                        {"style", is_hrnet_ ? "pytorch" : keys_.text("MODEL.STYLE", "pytorch")},
                        {"deconv_filters", filters},
                        {"deconv_kernels", kernels},
                        {"deconv_with_bias", keys_.boolean(extra + "DECONV_WITH_BIAS", false)},
                        {"final_kernel", keys_.integer(extra + "FINAL_CONV_KERNEL", 1)},
                        {"scratch_init", is_hrnet_ ? "small_normal" : "framework"}};
  }

  void pose_hrnet() {
    const int width = keys_.integers("MODEL.EXTRA.STAGE2.NUM_CHANNELS", {0}).front();
    if (width < 1) refuse("MODEL.EXTRA.STAGE2.NUM_CHANNELS", "[width, 2 width]");
    Json modules = Json::array();
    int blocks = 0;
    for (int stage = 2; stage <= 4; ++stage) {
      const std::string at = "MODEL.EXTRA.STAGE" + std::to_string(stage) + ".";
      modules.push_back(keys_.integer(at + "NUM_MODULES", 1));
      if (keys_.integer(at + "NUM_BRANCHES", stage) != stage) {
        refuse(at + "NUM_BRANCHES", std::to_string(stage));
      }
      if (keys_.text(at + "BLOCK", "BASIC") != "BASIC") refuse(at + "BLOCK", "BASIC");
      std::vector<int> widths;
      for (int branch = 0; branch < stage; ++branch) widths.push_back(width << branch);
      if (keys_.integers(at + "NUM_CHANNELS", {}) != widths) {
        refuse(at + "NUM_CHANNELS",
               Json(widths).dump() + ", twice the channels of the branch above");
      }
      const auto counts = keys_.integers(at + "NUM_BLOCKS", {4});
      if (blocks == 0) blocks = counts.empty() ? 0 : counts.front();
      if (std::any_of(counts.begin(), counts.end(), [&](int n) { return n != blocks; })) {
        refuse(at + "NUM_BLOCKS", "one count for all branches");
      }
      keys_.skip(at + "FUSE_METHOD");  // read by nobody there
    }
    if (keys_.integer("MODEL.EXTRA.FINAL_CONV_KERNEL", 1) != 1) {
      refuse("MODEL.EXTRA.FINAL_CONV_KERNEL", "1");
    }
    config_["model"] = {
        {"name", "pose_hrnet"}, {"width", width}, {"modules", modules}, {"blocks", blocks}};
    note_if(keys_.skip("MODEL.EXTRA.PRETRAINED_LAYERS"), "MODEL.EXTRA.PRETRAINED_LAYERS",
            "--init takes every tensor that fits by name and shape; of the published files that "
            "is the same");
  }

  void codec() {
    if (keys_.text(codec_key("TARGET_TYPE"), "gaussian") != "gaussian") {
      refuse(codec_key("TARGET_TYPE"), "gaussian");
    }
    config_["codec"] = {{"input_size", keys_.size("MODEL.IMAGE_SIZE", {256, 256})},
                        {"heatmap_size", keys_.size(codec_key("HEATMAP_SIZE"), {64, 64})},
                        {"sigma", keys_.number(codec_key("SIGMA"), 2)}};
  }

  void data() {
    dataset_ = keys_.text("DATASET.DATASET", "mpii");
    if (dataset_ != "coco" && dataset_ != "mpii") refuse("DATASET.DATASET", "coco or mpii");
    config_["skeleton"] = dataset_;
    const int num_keypoints = datasets::skeleton_by_name(dataset_).num_keypoints();
    if (keys_.integer("MODEL.NUM_JOINTS", is_hrnet_ ? 17 : 16) != num_keypoints) {
      refuse("MODEL.NUM_JOINTS", std::to_string(num_keypoints) + ", as " + dataset_ + " has");
    }
    const std::string format = keys_.text("DATASET.DATA_FORMAT", "jpg");
    if (format != "jpg" && format != "zip") refuse("DATASET.DATA_FORMAT", "jpg or zip");
    const std::string suffix = format == "zip" ? ".zip" : "";
    const std::string test_set = keys_.text("DATASET.TEST_SET", "valid");
    config_["data"] = {{"format", dataset_},
                       {"color", keys_.boolean("DATASET.COLOR_RGB", false) ? "rgb" : "bgr"},
                       {"select", keys_.boolean("DATASET.SELECT_DATA", false)},
                       {"train", set_files(keys_.text("DATASET.TRAIN_SET", "train"), suffix)},
                       {"val", set_files(test_set, suffix)}};
    // The published code scores no set called test.
    if (dataset_ == "mpii" && test_set.find("test") == std::string::npos) {
      config_["data"]["val"]["ground_truth"] = "annot/gt_" + test_set + ".mat";
    }
    data_root();
  }

  Json set_files(const std::string& set, const std::string& suffix) const {
    if (dataset_ == "mpii") {
      return {{"annotations", "annot/" + set + ".json"}, {"images", "images" + suffix}};
    }
    const bool is_test = set.find("test") != std::string::npos;
    return {{"annotations", fmt::format("annotations/{}_{}.json",
                                        is_test ? "image_info" : "person_keypoints", set)},
            {"images", "images/" + (is_test ? "test2017" : set) + suffix}};
  }

  void data_root() {
    const std::string folder = keys_.text("DATA_DIR", "");
    root_ = keys_.text("DATASET.ROOT", "");
    if (!folder.empty()) root_ = (std::filesystem::path(folder) / root_).string();
    if (root_.empty()) return;
    if (std::filesystem::path(root_).is_absolute()) {
      config_["data"]["root"] = root_;
    } else {
      note("DATASET.ROOT", "it counts from where a command is run; pass it as --data " + root_);
    }
  }

  void augment() {
    config_["augment"] = {
        {"flip", keys_.boolean("DATASET.FLIP", true)},
        {"scale_factor", keys_.number("DATASET.SCALE_FACTOR", 0.25)},
        {"rotation_deg", keys_.number("DATASET.ROT_FACTOR", 30)},
        // The published files switch it off with -1.
        {"half_body_probability", std::max(0.0, keys_.number("DATASET.PROB_HALF_BODY", 0))},
        {"half_body_min_keypoints", keys_.integer("DATASET.NUM_JOINTS_HALF_BODY", 8)}};
  }

  void loss() {
    const bool mines = keys_.boolean("LOSS.USE_OHKM", false);
    config_["loss"] = {
        {"type", mines ? "joints_ohkm" : "joints_mse"},
        {"top_k", keys_.integer("LOSS.TOPK", 8)},
        {"use_target_weight", keys_.boolean("LOSS.USE_TARGET_WEIGHT", true)},
        {"use_keypoint_weights", keys_.boolean("LOSS.USE_DIFFERENT_JOINTS_WEIGHT", false)}};
    note_if(mines, "LOSS.USE_OHKM",
            "used here; the published code has the loss but never calls it");
  }

  void train() {
    const std::string type = keys_.text("TRAIN.OPTIMIZER", "adam");
    const double decay = keys_.number("TRAIN.WD", 0.0001);
    const double momentum = keys_.number("TRAIN.MOMENTUM", 0.9);
    const bool nesterov = keys_.boolean("TRAIN.NESTEROV", false);
    Json optimizer = {{"type", type}, {"lr", keys_.number("TRAIN.LR", 0.001)}};
    if (type == "sgd") {  // Adam gets none of them there either
      optimizer.update({{"momentum", momentum}, {"weight_decay", decay}, {"nesterov", nesterov}});
    }
    const int print_every = keys_.integer("PRINT_FREQ", 20);
    config_["train"] = {{"epochs", keys_.integer("TRAIN.END_EPOCH", 140)},
                        {"batch_size", keys_.integer(batch_key("TRAIN"), 32)},
                        {"shuffle", keys_.boolean("TRAIN.SHUFFLE", true)},
                        {"optimizer", optimizer},
                        {"schedule",
                         {{"type", "multi_step"},
                          {"milestones", keys_.integers("TRAIN.LR_STEP", {90, 110})},
                          {"factor", keys_.number("TRAIN.LR_FACTOR", 0.1)}}},
                        {"deterministic", keys_.boolean("CUDNN.DETERMINISTIC", false)},
                        {"log_every", print_every},
                        {"debug_every", keys_.boolean("DEBUG.DEBUG", false) ? print_every : 0}};
    note_if(keys_.integer("TRAIN.BEGIN_EPOCH", 0) != 0, "TRAIN.BEGIN_EPOCH",
            "a training begins at epoch 0 or goes on with --resume");
    note_if(keys_.boolean("TRAIN.RESUME", false) || keys_.boolean("AUTO_RESUME", false),
            is_hrnet_ ? "AUTO_RESUME" : "TRAIN.RESUME", "go on with --resume");
    const std::string checkpoint = keys_.text("TRAIN.CHECKPOINT", "");
    note_if(!checkpoint.empty(), "TRAIN.CHECKPOINT",
            "`akimbo convert " + checkpoint + " ...` makes a checkpoint to --resume from");
  }

  // The defaults of the two repositories differ here.
  void eval() {
    const bool first = !is_hrnet_;
    config_["eval"] = {{"batch_size", keys_.integer(batch_key("TEST"), 32)},
                       {"flip_test", keys_.boolean("TEST.FLIP_TEST", false)},
                       {"quarter_offset", keys_.boolean("TEST.POST_PROCESS", first)},
                       {"shift_heatmap", keys_.boolean("TEST.SHIFT_HEATMAP", first)},
                       {"soft_nms", keys_.boolean("TEST.SOFT_NMS", false)},
                       {"nms_oks", keys_.number("TEST.OKS_THRE", 0.5)},
                       {"keypoint_threshold", keys_.number("TEST.IN_VIS_THRE", 0)},
                       {"box_threshold", keys_.number("TEST.IMAGE_THRE", first ? 0.0 : 0.1)}};
    detections();
    const std::string model = keys_.text("TEST.MODEL_FILE", "");
    note_if(!model.empty(), "TEST.MODEL_FILE", "akimbo eval " + model + " --config CONFIG");
  }

  void detections() {
    const std::string boxes = keys_.text("TEST.COCO_BBOX_FILE", "");
    if (keys_.boolean("TEST.USE_GT_BBOX", false) || dataset_ != "coco") {
      note_if(!boxes.empty() && dataset_ == "coco", "TEST.COCO_BBOX_FILE",
              "unused, as TEST.USE_GT_BBOX is true; to evaluate with it, --boxes " + boxes);
      return;
    }
    if (boxes.empty()) {
      note("TEST.USE_GT_BBOX",
           "false, but no TEST.COCO_BBOX_FILE is named: the annotated boxes "
           "are used unless --boxes names a file");
    } else if (!root_.empty() && boxes.starts_with(root_)) {
      const std::string relative = std::filesystem::path(boxes).lexically_relative(root_).string();
      config_["data"]["val"]["boxes"] = relative;
    } else if (std::filesystem::path(boxes).is_absolute()) {
      config_["data"]["val"]["boxes"] = boxes;
    } else {
      note("TEST.COCO_BBOX_FILE", "it lies outside DATASET.ROOT; pass it as --boxes " + boxes);
    }
  }

  void without_counterpart() {
    const std::string gpus = keys_.text("GPUS", "");
    note_if(gpus.find(',') != std::string::npos, "GPUS",
            fmt::format("one device computes; {} pictures a step and GPU as before, and "
                        "--set train.batch_size changes that",
                        config_["train"]["batch_size"].get<int>()));
    note_if(keys_.skip("WORKERS"), "WORKERS", "chosen from --threads; data.workers sets it");
    for (const char* key : {"OUTPUT_DIR", "LOG_DIR"}) {
      note_if(keys_.skip(key), key, "--out names the run's folder");
    }
    note_if(!keys_.text("DATASET.HYBRID_JOINTS_TYPE", "").empty(), "DATASET.HYBRID_JOINTS_TYPE",
            "only part of a folder's name there");
    // Without effect there, or about PyTorch's own doing.
    for (const char* key :
         {"PIN_MEMORY", "RANK", "CUDNN.BENCHMARK", "CUDNN.ENABLED", "TRAIN.GAMMA1", "TRAIN.GAMMA2",
          "TEST.NMS_THRE", "TEST.BBOX_THRE", "MODEL.TAG_PER_JOINT", "MODEL.STYLE"}) {
      keys_.skip(key);
    }
    for (const char* kind : {"SAVE_BATCH_IMAGES_GT", "SAVE_BATCH_IMAGES_PRED", "SAVE_HEATMAPS_GT",
                             "SAVE_HEATMAPS_PRED"}) {
      const std::string key = std::string("DEBUG.") + kind;
      const bool drawn = config_["train"]["debug_every"] != 0;
      note_if(!keys_.boolean(key, drawn) && drawn, key, "the four kinds are drawn together");
    }
  }

  // Throws ConfigError when the settings do not fit together.
  [[nodiscard]] Json checked() const {
    try {
      (void)config_from_json(config_);
    } catch (const ConfigError& e) {
      throw_error<ConfigError>("[yaml] {} cannot be converted: {}", keys_.where(), e.what());
    }
    return config_;
  }

  ExperimentKeys keys_;
  bool is_hrnet_;
  std::string dataset_, root_;
  Json config_ = Json::object();
  std::vector<std::string> notes_;
};

}  // namespace

Experiment read_experiment(const std::filesystem::path& path) {
  Experiment experiment = Conversion(path).run();
  experiment.config["about"] =
      fmt::format("From {} of {}.", path.filename().string(),
                  experiment.repository == "HRNet" ? "HRNet's repository" : "Simple Baselines");
  return experiment;
}

}  // namespace akimbo::convert
