// Weight gradient of both kinds of convolution as one product over pixels:
//   grad_w(m, tap, n) = sum over pixels p: a(p, m) * b(p, n)
// where one of a and b is read at the pixel p itself and the other at the pixel that the tap ties
// to it. Convolution: a = grad_y at p, b = x gathered. Transposed: a = grad_y gathered, b = x at p.
#pragma once

#include "kernels/conv.h"

namespace akimbo::kernels::cpu {

enum class Gathered { a, b };

// a [N,..,..,M], b [N,..,..,C], grad_w [M, kh, kw, C/groups].
void weight_grad_product(const Exec& exec, Gathered gathered, ConstView a, ConstView b,
                         const Conv2dParams& params, View grad_w);

}  // namespace akimbo::kernels::cpu
