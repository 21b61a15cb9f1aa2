// Batch normalisation on CUDA devices, by our kernels (norm.cu, norm_grad.cu) or cuDNN's
// (provider.h). Statistics by themselves, and those from a convolution's sums, are ours alone.
#include "kernels/norm.h"

#include "kernels/cuda/norm_own.h"
#include "kernels/cuda/provider.h"
#include "kernels/cuda/vendor/cudnn_batch_norm.h"

namespace akimbo::kernels::cuda {
namespace {

using Outputs = std::span<const View>;

std::string key_of(const char* pass, ConstView x) {
  return std::string("batch_norm ") + pass + " " + std::string(dtype_name(x.dtype)) + " " +
         x.shape.str();
}

void own_training(const Exec& exec, const BatchNormTrainingArgs& args,
                  const BatchNormTrainingOutputs& out) {
  batch_norm_statistics(exec, args.x, args.params, out.mean, out.invstd, out.running_mean,
                        out.running_var);
  own_batch_norm_forward(
      exec, {args.x, out.mean, out.invstd, args.gamma, args.beta, args.residual, args.relu}, out.y);
}

BatchNormTrainingOutputs training_outputs(Outputs out) {
  return {out[0], out[1], out[2], out[3], out[4]};
}

BatchNormGradArgs with_outputs(BatchNormGradArgs args, Outputs out) {
  args.grad_x = out[0];
  args.grad_gamma = out[1];
  args.grad_beta = out[2];
  args.grad_residual = out[3];
  return args;
}

}  // namespace

void batch_norm_forward(const Exec& exec, const BatchNormForwardArgs& args, View y) {
  if (!vendor::cudnn_takes(args, y)) return own_batch_norm_forward(exec, args, y);
  const auto key = [&] {
    return key_of("forward", args.x) + (args.residual ? " residual" : "") +
           (args.relu ? " relu" : "");
  };
  own_or_vendor(exec,
                {"cudnn", key, [&](Outputs out) { own_batch_norm_forward(exec, args, out[0]); },
                 [&](Outputs out) { vendor::cudnn_batch_norm_forward(exec, args, out[0]); }},
                {&y, 1});
}

void batch_norm_training(const Exec& exec, const BatchNormTrainingArgs& args,
                         const BatchNormTrainingOutputs& out) {
  if (!vendor::cudnn_takes(args)) return own_training(exec, args, out);
  const auto key = [&] {
    return key_of("training", args.x) + (args.residual ? " residual" : "") +
           (args.relu ? " relu" : "") + (out.running_mean ? " running" : "");
  };
  const View outputs[] = {out.mean, out.invstd, out.running_mean, out.running_var, out.y};
  own_or_vendor(
      exec,
      {"cudnn", key, [&](Outputs to) { own_training(exec, args, training_outputs(to)); },
       [&](Outputs to) { vendor::cudnn_batch_norm_training(exec, args, training_outputs(to)); }},
      outputs);
}

void batch_norm_grad(const Exec& exec, const BatchNormGradArgs& args) {
  if (!vendor::cudnn_takes(args)) return own_batch_norm_grad(exec, args);
  const auto key = [&] {
    return key_of("grad", args.x) +
           (args.y      ? " mask"
            : args.beta ? " mask_again"
                        : "") +
           (args.grad_residual ? " residual" : "") + (args.grad_gamma ? " gamma" : "") +
           (args.grad_beta ? " beta" : "");
  };
  const View outputs[] = {args.grad_x, args.grad_gamma, args.grad_beta, args.grad_residual};
  own_or_vendor(
      exec,
      {"cudnn", key, [&](Outputs out) { own_batch_norm_grad(exec, with_outputs(args, out)); },
       [&](Outputs out) { vendor::cudnn_batch_norm_grad(exec, with_outputs(args, out)); }},
      outputs);
}

}  // namespace akimbo::kernels::cuda
