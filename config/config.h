// Everything that a run is told, as structs; the defaults are those of Simple Baselines' COCO
// files. Facts stand once: the input size in the codec, the number of keypoints in the skeleton.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "config/fields.h"

namespace akimbo {

struct CodecConfig {
  std::string type = "heatmap";
  PixelSize input_size{192, 256};
  PixelSize heatmap_size{48, 64};
  double sigma = 2;  // of the target's Gaussian, in heatmap cells
  // Beyond the published code; engine/pose/heatmap_codec.h and heatmap_decode.h have the papers.
  std::string targets = "cell";         // middle of the Gaussian: cell; subpixel, the exact place
  std::string alignment = "published";  // of crop, heatmap and mirror image: published; udp, exact
  std::string decoding = "published";   // arg-max and quarter offset: published; dark
  int dark_kernel = 11;                 // cells over which dark smooths a map; 17 for a sigma of 3
};

// One annotated set of pictures. Paths are relative to data.root unless absolute; `images` is a
// folder, or a zip archive.
struct DatasetConfig {
  std::string annotations;
  std::string images;
  std::string boxes;         // detections to use in place of the annotated boxes; empty: none
  std::string ground_truth;  // format mpii: gt_valid.mat, for scoring; empty: the labels themselves
};

// Of annotations: what datasets/registry.h reads.
inline constexpr const char* kDataFormats[] = {"coco", "crowdpose", "mpii"};

struct DataConfig {
  std::string format = "coco";  // of all files: one of kDataFormats
  std::string root;
  DatasetConfig train;
  DatasetConfig val;
  std::string color = "rgb";  // the order in which the network takes the channels: rgb, bgr
  std::array<double, 3> mean{0.485, 0.456, 0.406};  // by channel index, as the network takes them
  std::array<double, 3> std{0.229, 0.224, 0.225};
  std::string warp = "opencv";  // opencv: bit-exact with the references; fast
  double box_padding = 1.25;    // the crop's side over the box's
  bool select = false;          // train only on people posed about their box's middle (SELECT_DATA)
  int workers = 0;              // loader threads; 0: chosen from --threads
  // Where crops are cut and targets drawn: device, the one that computes (a GPU cuts them from the
  // pictures' bytes, bit for bit as the CPU does); cpu, by the loader's threads.
  std::string crop_on = "device";
  bool scaled_decoding = true;  // warp fast: decode at 1/2 to 1/8 of the size where crops allow
  int cache_mb = 256;           // decoded pictures kept in memory, in MiB
  std::string disk_cache;       // a folder to keep decoded pictures in; empty: none
  double disk_cache_gb = 20;    // their limit there, in GiB
};

struct AugmentConfig {
  bool flip = true;
  double scale_factor = 0.3;
  double rotation_deg = 40;
  double half_body_probability = 0;  // of cropping one half of the body of a person who has more
  int half_body_min_keypoints = 8;   // labelled keypoints than this
};

struct LossConfig {
  std::string type = "joints_mse";  // joints_mse, joints_ohkm: of each image's hardest keypoints
  int top_k = 8;                    // joints_ohkm: how many
  bool use_target_weight = true;
  bool use_keypoint_weights = false;  // the skeleton's weights, entering squared as published
};

struct OptimizerConfig {
  std::string type = "adam";  // adam, sgd
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // adam
  double momentum = 0.9;                          // sgd
  bool nesterov = false;                          // sgd
  double weight_decay = 0;
  bool decoupled_weight_decay = false;
};

struct ScheduleConfig {
  std::string type = "multi_step";       // constant, multi_step, cosine
  std::vector<int> milestones{90, 120};  // epochs
  double factor = 0.1;
  int warmup_steps = 0;
  double warmup_factor = 0.001;  // of the learning rate at step 0
  double min_lr = 0;             // where cosine ends
};

// How a GPU computes. f32: exactly; tf32: products may round their factors to tf32; bf16, f16:
// activations in 16 bits, weights and sums in f32. The CPU computes f32 for f32 and tf32, and with
// eval.precision bf16 predicts with factors of convolutions rounded to bf16, sums and maps in f32.
inline constexpr const char* kPrecisions[] = {"f32", "tf32", "bf16", "f16"};

struct TrainConfig {
  int epochs = 140;
  int batch_size = 32;
  std::uint64_t seed = 0;
  bool shuffle = true;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  double clip_norm = 0;  // largest norm of all gradients together; 0: no clipping
  std::string precision = "f32";
  bool winograd = true;        // on the CPU: faster convolutions, slightly larger rounding errors
  bool deterministic = false;  // on a GPU: the same bits in every run, somewhat slower
  bool cuda_graph = true;      // on a GPU: record the step once and replay it
  int cuda_lanes = 8;          // streams of the recorded step; 1: kernels one after another
  double ema_decay = 0;        // of the averaged weights that are validated and kept; 0: none
  int log_every = 100;         // steps between log lines
  int debug_every = 0;         // steps between pictures of a batch; 0: none
  int save_every = 0;          // steps between checkpoints inside an epoch; 0: at its end only
  int save_epochs = 1;         // epochs between checkpoints at an epoch's end
  int validate_every = 1;      // epochs between validations
};

struct EvalConfig {
  std::string precision = "f32";
  bool winograd = true;
  bool cuda_graph = true;
  int batch_size = 32;
  bool flip_test = false;
  bool shift_heatmap = true;  // of the mirrored pass; with codec.alignment udp there is none
  bool quarter_offset = true;
  double box_threshold = 0;         // boxes scored below are not used
  double keypoint_threshold = 0.2;  // keypoints scored above enter an instance's score
  double nms_oks = 0.9;
  bool soft_nms = false;
  // What decides which checkpoint is best. auto: what the format's benchmark ranks by, AP or PCKh's
  // mean; ap, pckh: the same by name; pck.
  std::string metric = "auto";
  double pck_threshold = 0.2;  // of the box's longer side
};

[[nodiscard]] Json default_model();

struct Config {
  std::string about;  // one line for people
  std::string skeleton = "coco";
  // {"name": ..., ...}: every option of that network, as models/registry.h lists them.
  Json model = default_model();
  CodecConfig codec;
  DataConfig data;
  AugmentConfig augment;
  LossConfig loss;
  TrainConfig train;
  EvalConfig eval;
};

// Both throw ConfigError that names the key. from_json checks types, ranges, unknown keys, and
// whether the settings agree with each other.
[[nodiscard]] Config config_from_json(const Json& json);
[[nodiscard]] Json config_to_json(const Config& config);

}  // namespace akimbo
