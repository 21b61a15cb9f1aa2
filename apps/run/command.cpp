// akimbo run: the raw network on raw tensors, for comparison with anything.
#include <fmt/format.h>

#include <array>

#include "apps/cli.h"
#include "apps/commands.h"
#include "apps/common/load_model.h"
#include "apps/common/output_folder.h"
#include "apps/common/run_options.h"
#include "engine/io/safetensors.h"
#include "inference/network_runner.h"

namespace akimbo::apps {

namespace {

struct Arguments {
  ModelSource source;
  std::string input, output;
  RunOptions run;
};

// [N, A, B, C] in the order given by `axes`; axes[i] is the old axis of new axis i.
Tensor permute(const Tensor& x, const std::array<int, 4>& axes) {
  std::array<std::int64_t, 4> strides{};
  std::int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = stride;
    stride *= x.dim(i);
  }
  Tensor y = Tensor::empty({x.dim(axes[0]), x.dim(axes[1]), x.dim(axes[2]), x.dim(axes[3])});
  const float* from = x.data<float>();
  float* to = y.data<float>();
  const auto step = [&](std::size_t i) { return strides[static_cast<std::size_t>(axes[i])]; };
  for (std::int64_t a = 0; a < y.dim(0); ++a) {
    for (std::int64_t b = 0; b < y.dim(1); ++b) {
      for (std::int64_t c = 0; c < y.dim(2); ++c) {
        const float* row = from + a * step(0) + b * step(1) + c * step(2);
        for (std::int64_t d = 0; d < y.dim(3); ++d) *to++ = row[d * step(3)];
      }
    }
  }
  return y;
}

std::string layout_of(const io::SafetensorsFile& file) {
  const auto found = file.metadata().find("layout");
  const std::string layout = found == file.metadata().end() ? "NCHW" : found->second;
  if (layout != "NCHW" && layout != "NHWC") {
    throw_error<FileError>("[run] the metadata of {} say layout {}, wanted NCHW or NHWC",
                           file.path().string(), layout);
  }
  return layout;
}

// f32 [N, H, W, 3] whatever the file's layout.
Tensor read_input(const io::SafetensorsFile& file, const std::string& layout) {
  Tensor input = file.read("input");
  const int channel_axis = layout == "NCHW" ? 1 : 3;
  if (input.rank() != 4 || input.dim(channel_axis) != 3 || input.numel() == 0) {
    throw_error<FileError>(
        "[run] input in {} is {}, wanted {} with 3 channels; the metadata key "
        "layout says NCHW or NHWC",
        file.path().string(), input.shape().str(), layout);
  }
  if (input.dtype() != DType::f32) input = input.to(DType::f32);
  return layout == "NCHW" ? permute(input, {0, 2, 3, 1}) : input;
}

int run(const Arguments& arguments) {
  const Device device = arguments.run.apply();
  const io::SafetensorsFile file(arguments.input);
  const std::string layout = layout_of(file);
  const Tensor input = read_input(file, layout);
  LoadedModel model = load_model(arguments.source, device);
  print_notes(model);
  arguments.run.adjust(model.config);
  say_precision(model.config.eval, device);
  NetworkRunner runner(*model.network, model.config.eval, device);
  Tensor heatmaps = runner.forward(input.to(device)).to(kCpu);
  if (layout == "NCHW") heatmaps = permute(heatmaps, {0, 3, 1, 2});
  write_output([&] {
    io::write_safetensors(arguments.output, {{"heatmaps", heatmaps}}, {{"layout", layout}});
  });
  fmt::print("{}: heatmaps {} ({})\n", arguments.output, heatmaps.shape().str(), layout);
  return kExitDone;
}

}  // namespace

Command run_command() {
  return {"run", "the raw network on raw tensors",
          "akimbo run model.safetensors input.safetensors output.safetensors",
          [](Options& options) {
            const auto arguments = std::make_shared<Arguments>();
            options.argument("MODEL", arguments->source.model,
                             "a checkpoint, or a config (with --init)");
            options.argument("INPUT", arguments->input,
                             "safetensors file with the tensor `input`, f32; its metadata key "
                             "layout is NCHW (default) or NHWC");
            options.argument("OUTPUT", arguments->output, "safetensors file to write");
            arguments->source.declare(options);
            arguments->run.declare(options);
            arguments->run.declare_precision(options);
            return [arguments] { return run(*arguments); };
          }};
}

}  // namespace akimbo::apps
