// First layers read few channels (a picture has three), which makes the innermost sums short. With
// dilation 1, the taps of one filter row and their channels lie side by side in an NHWC map, so
// they can be taken as one tap of kw * C channels, once the map has a border in place of padding:
//   x [N,H,W,C], w [O,kh,kw,C]  ->  x with border [N,H+2p,W+2p,C], w [O,kh,1,kw*C], no padding.
// The weight stays where it is: both forms are one order in memory.
#pragma once

#include "kernels/conv.h"

namespace akimbo::kernels::cpu {

[[nodiscard]] bool widening_pays(const Shape& weight, const Conv2dParams& params);

template <typename T>
class WidenedInput {
 public:
  WidenedInput(const Exec& exec, ConstView x, const Conv2dParams& params);
  [[nodiscard]] ConstView x() const { return {data_.data(), DTypeOf<T>::value, shape_}; }

 private:
  Shape shape_;
  Scratch<T> data_;
};

[[nodiscard]] inline Shape widened_weight(const Shape& w) { return {w[0], w[1], 1, w[2] * w[3]}; }
[[nodiscard]] inline Conv2dParams widened_params(const Conv2dParams& params) {
  return {.stride = params.stride};
}

}  // namespace akimbo::kernels::cpu
