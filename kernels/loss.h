// Contract of training losses. Operands of one dtype, f32 or f64, contiguous. A loss is one
// element, summed in double over fixed blocks. In the gradients, grad_y is that of the loss: one
// element. On CUDA predictions and logits may be bf16 or f16: loss and grad_y, and the weight of
// joints_mse, are then f32, a target is of the prediction's dtype or f32, and the weight of a
// distance loss of the target's.
#pragma once

#include <cstdint>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels {

// pred, target [B,P,K], weight t [B,K] or empty (all 1):
// loss = 1/K sum_k 1/2 1/(B P) sum_{b,p} (t_bk pred_bpk - t_bk target_bpk)^2.
// Xiao et al., ECCV 2018, JointsMSELoss: the mean also counts masked keypoints.
using JointsMseForward = void(const Exec&, ConstView pred, ConstView target, ConstView weight,
                              View loss);
// grad_pred = grad_y t^2 (pred - target) / (K B P).
using JointsMseInputGrad = void(const Exec&, ConstView pred, ConstView target, ConstView weight,
                                ConstView grad_y, View grad_pred);

// values [M,C], weight [M,C] or empty (all 1), of one dtype: kept [M,C] = weight where the value is
// among the `count` largest of its row (the first of equals), 0 elsewhere. NaN is largest.
using KeepLargest = void(const Exec&, ConstView values, ConstView weight, std::int64_t count,
                         View kept);

enum class DistanceKind { absolute, square, smooth };

struct DistanceParams {
  DistanceKind kind = DistanceKind::square;
  double beta = 1;   // smooth: d^2 / (2 beta) below beta, |d| - beta / 2 from there on
  double scale = 1;  // 1 / count for a mean
};

// loss = scale sum_i weight_i distance(pred_i - target_i); weight of the same shape, or empty.
using DistanceLossForward = void(const Exec&, ConstView pred, ConstView target, ConstView weight,
                                 const DistanceParams&, View loss);
// grad_pred_i = grad_y scale weight_i distance'(pred_i - target_i); 0 at the kink of |d|.
using DistanceLossInputGrad = void(const Exec&, ConstView pred, ConstView target, ConstView weight,
                                   const DistanceParams&, ConstView grad_y, View grad_pred);

// logits [M,C], index i64 [M] in [0,C), or ignore_index for rows without a class (on CUDA another
// index makes the loss NaN: the engine cannot check there). loss = mean over
// the other rows of log(sum_c exp(logits)) - logits[index]; 0 when there are none.
using CrossEntropyForward = void(const Exec&, ConstView logits, ConstView index,
                                 std::int64_t ignore_index, View loss);
// grad_logits = grad_y (softmax(logits) - onehot(index)) / rows counted; 0 in ignored rows.
using CrossEntropyInputGrad = void(const Exec&, ConstView logits, ConstView index,
                                   std::int64_t ignore_index, ConstView grad_y, View grad_logits);

namespace cpu {
JointsMseForward joints_mse_forward;
JointsMseInputGrad joints_mse_input_grad;
KeepLargest keep_largest;
DistanceLossForward distance_loss_forward;
DistanceLossInputGrad distance_loss_input_grad;
CrossEntropyForward cross_entropy_forward;
CrossEntropyInputGrad cross_entropy_input_grad;
}  // namespace cpu

namespace cuda {
JointsMseForward joints_mse_forward;
JointsMseInputGrad joints_mse_input_grad;
KeepLargest keep_largest;
DistanceLossForward distance_loss_forward;
DistanceLossInputGrad distance_loss_input_grad;
CrossEntropyForward cross_entropy_forward;
CrossEntropyInputGrad cross_entropy_input_grad;
}  // namespace cuda

}  // namespace akimbo::kernels
