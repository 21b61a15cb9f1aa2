#include "engine/ops/loss.h"

#include "engine/autograd/node.h"
#include "engine/core/dispatch.h"
#include "engine/ops/checks.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "kernels/loss.h"

namespace akimbo::ops {
namespace {

// Of a loss, and of the weights of joints_mse: 16-bit predictions are worked on in f32.
DType loss_dtype(DType pred) { return pred == DType::f64 ? DType::f64 : DType::f32; }

// Losses are not differentiated by their targets: saying so beats a silent zero.
void require_constant(const char* op, const char* name, const Tensor& t) {
  if (autograd::any_needs_grad({t})) {
    throw_error<ArgumentError>(
        "[{}] {} asks for a gradient, and only pred has one; pass {}.detach()", op, name, name);
  }
}

void require_elements(const char* op, const Tensor& pred) {
  if (pred.numel() == 0) {
    throw_error<ArgumentError>("[{}] pred {} has no elements; the batch must not be empty", op,
                               pred.shape().str());
  }
}

void require_joints(const char* op, const Tensor& pred, const Tensor& target,
                    const Tensor& weight) {
  require_floating(op, "pred", pred);
  if (pred.rank() < 3) {
    throw_error<ArgumentError>("[{}] pred has shape {}; wanted [N,H,W,K] or [N,P,K]", op,
                               pred.shape().str());
  }
  require_like(op, "target", target, "pred", pred);
  const Shape per_joint{pred.dim(0), pred.dim(-1)};
  const DType weight_dtype = loss_dtype(pred.dtype());
  if (weight.defined() && (!(weight.shape() == per_joint) || weight.dtype() != weight_dtype ||
                           weight.device() != pred.device())) {
    throw_error<ArgumentError>(
        "[{}] weight is {} {}; wanted {} {}, one value per keypoint of pred {}", op,
        dtype_name(weight.dtype()), weight.shape().str(), dtype_name(weight_dtype), per_joint.str(),
        pred.shape().str());
  }
  require_constant(op, "target", target);
  require_constant(op, "weight", weight);
  require_elements(op, pred);
}

// [N,P,K] of heatmaps [N,H,W,K].
Shape flat_joints(const Tensor& pred) {
  return {pred.dim(0), pred.numel() / (pred.dim(0) * pred.dim(-1)), pred.dim(-1)};
}

// The weights [N,K] of every image's top_k keypoints of largest loss, 0 for the others.
Tensor hardest_weights(const Tensor& pred, const Tensor& target, const Tensor& weight,
                       std::int64_t top_k) {
  const autograd::NoGrad no_grad;
  const Device device = pred.device();
  const DType dtype = loss_dtype(pred.dtype());
  const Tensor error = square(sub(cast(pred.detach(), dtype), cast(target, dtype)));
  Tensor hardness = mean(error.view(flat_joints(pred)), {1});
  if (weight.defined()) hardness = mul(hardness, square(weight));
  Tensor kept = Tensor::empty(hardness.shape(), dtype, device);
  AKIMBO_KERNEL(device, keep_largest)
  (exec_of(device), view_of(hardness), view_of(weight), top_k, mutable_view_of(kept));
  return kept;
}

Tensor distance_loss(const char* op, const Tensor& pred, const Tensor& target, const Tensor& weight,
                     kernels::DistanceParams params, const LossOptions& options) {
  require_floating(op, "pred", pred);
  require_like(op, "target", target, "pred", pred);
  if (weight.defined()) require_like(op, "weight", weight, "pred", pred);
  require_constant(op, "target", target);
  require_constant(op, "weight", weight);
  require_elements(op, pred);
  if (!options.sum) params.scale = 1 / static_cast<double>(pred.numel());
  const Device device = pred.device();
  Tensor y = Tensor::empty({1}, loss_dtype(pred.dtype()), device);
  AKIMBO_KERNEL(device, distance_loss_forward)
  (exec_of(device), view_of(pred), view_of(target), view_of(weight), params, mutable_view_of(y));
  if (autograd::any_needs_grad({pred})) {
    autograd::attach(
        op, y, {pred},
        [spred = autograd::Saved(pred), starget = autograd::Saved(target),
         sweight = autograd::Saved(weight), params](const Tensor& grad_y, const autograd::Needs&) {
          const Tensor& pred = spred.get();
          const Device device = pred.device();
          Tensor grad = Tensor::empty(pred.shape(), pred.dtype(), device);
          AKIMBO_KERNEL(device, distance_loss_input_grad)
          (exec_of(device), view_of(pred), view_of(starget.get()), view_of(sweight.get()), params,
           view_of(grad_y), mutable_view_of(grad));
          return std::vector<Tensor>{grad};
        });
  }
  return y;
}

}  // namespace

Tensor joints_mse(const Tensor& pred, const Tensor& target, const Tensor& weight) {
  require_joints("joints_mse", pred, target, weight);
  const Device device = pred.device();
  const Shape flat = flat_joints(pred);
  const Tensor pred3 = pred.view(flat);
  const Tensor target3 = target.view(flat);
  Tensor y = Tensor::empty({1}, loss_dtype(pred.dtype()), device);
  AKIMBO_KERNEL(device, joints_mse_forward)
  (exec_of(device), view_of(pred3), view_of(target3), view_of(weight), mutable_view_of(y));
  if (autograd::any_needs_grad({pred})) {
    autograd::attach("joints_mse", y, {pred},
                     [spred = autograd::Saved(pred3), starget = autograd::Saved(target3),
                      sweight = autograd::Saved(weight),
                      shape = pred.shape()](const Tensor& grad_y, const autograd::Needs&) {
                       const Tensor& pred3 = spred.get();
                       const Device device = pred3.device();
                       Tensor grad = Tensor::empty(pred3.shape(), pred3.dtype(), device);
                       AKIMBO_KERNEL(device, joints_mse_input_grad)
                       (exec_of(device), view_of(pred3), view_of(starget.get()),
                        view_of(sweight.get()), view_of(grad_y), mutable_view_of(grad));
                       return std::vector<Tensor>{grad.view(shape)};
                     });
  }
  return y;
}

Tensor joints_ohkm(const Tensor& pred, const Tensor& target, const Tensor& weight,
                   std::int64_t top_k) {
  require_joints("joints_ohkm", pred, target, weight);
  const std::int64_t keypoints = pred.dim(-1);
  if (top_k < 1 || top_k > keypoints) {
    throw_error<ArgumentError>("[joints_ohkm] top_k is {}; pred {} has {} keypoints", top_k,
                               pred.shape().str(), keypoints);
  }
  // joints_mse divides by all K, of which only top_k are left.
  const double factor = static_cast<double>(keypoints) / static_cast<double>(top_k);
  return scale(joints_mse(pred, target, hardest_weights(pred, target, weight, top_k)), factor);
}

Tensor mse_loss(const Tensor& pred, const Tensor& target, const Tensor& weight,
                const LossOptions& options) {
  return distance_loss("mse_loss", pred, target, weight, {.kind = kernels::DistanceKind::square},
                       options);
}

Tensor l1_loss(const Tensor& pred, const Tensor& target, const Tensor& weight,
               const LossOptions& options) {
  return distance_loss("l1_loss", pred, target, weight, {.kind = kernels::DistanceKind::absolute},
                       options);
}

Tensor smooth_l1_loss(const Tensor& pred, const Tensor& target, double beta, const Tensor& weight,
                      const LossOptions& options) {
  if (!(beta > 0)) {
    throw_error<ArgumentError>("[smooth_l1_loss] beta is {}; wanted a positive number", beta);
  }
  return distance_loss("smooth_l1_loss", pred, target, weight,
                       {.kind = kernels::DistanceKind::smooth, .beta = beta}, options);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& index,
                     const CrossEntropyOptions& options) {
  require_floating("cross_entropy", "logits", logits);
  Shape rows;
  for (int k = 0; k + 1 < logits.rank(); ++k) rows.push_back(logits.dim(k));
  if (logits.rank() < 1 || !(index.shape() == rows) || index.dtype() != DType::i64) {
    throw_error<ArgumentError>(
        "[cross_entropy] index is {} {}; wanted i64 {}, the shape of logits "
        "{} without its last axis",
        dtype_name(index.dtype()), index.shape().str(), rows.str(), logits.shape().str());
  }
  const std::int64_t classes = logits.dim(-1);
  if (index.device().is_cpu()) {
    for (const std::int64_t i : index.values<std::int64_t>()) {
      if ((i < 0 || i >= classes) && i != options.ignore_index) {
        throw_error<ArgumentError>(
            "[cross_entropy] class {} of {}; wanted 0 to {}, or {} to leave "
            "a row out",
            i, classes, classes - 1, options.ignore_index);
      }
    }
  }
  require_elements("cross_entropy", logits);
  const Device device = logits.device();
  const Tensor logits2 = logits.view({rows.numel(), classes});
  Tensor y = Tensor::empty({1}, loss_dtype(logits.dtype()), device);
  AKIMBO_KERNEL(device, cross_entropy_forward)
  (exec_of(device), view_of(logits2), view_of(index), options.ignore_index, mutable_view_of(y));
  if (autograd::any_needs_grad({logits})) {
    autograd::attach("cross_entropy", y, {logits},
                     [slogits = autograd::Saved(logits2), sindex = autograd::Saved(index),
                      ignore_index = options.ignore_index,
                      shape = logits.shape()](const Tensor& grad_y, const autograd::Needs&) {
                       const Tensor& logits2 = slogits.get();
                       const Device device = logits2.device();
                       Tensor grad = Tensor::empty(logits2.shape(), logits2.dtype(), device);
                       AKIMBO_KERNEL(device, cross_entropy_input_grad)
                       (exec_of(device), view_of(logits2), view_of(sindex.get()), ignore_index,
                        view_of(grad_y), mutable_view_of(grad));
                       return std::vector<Tensor>{grad.view(shape)};
                     });
  }
  return y;
}

}  // namespace akimbo::ops
