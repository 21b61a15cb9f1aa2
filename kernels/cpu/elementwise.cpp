// Elementwise kernels on the CPU: plain loops that the compiler vectorises, cut into chunks.
#include "kernels/elementwise.h"

#include "kernels/common/parallel.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements; below this a thread costs more than it saves

template <typename F>
void for_each_index(std::int64_t count, const F& f) {
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

}  // namespace

void add_forward(const Exec&, ConstView a, ConstView b, View y) {
  visit_floating(y.dtype, [&]<typename T>() {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    T* py = y.data<T>();
    for_each_index(y.numel(), [=](std::int64_t i) { py[i] = pa[i] + pb[i]; });
  });
}

void relu_forward(const Exec&, ConstView x, View y) {
  visit_floating(y.dtype, [&]<typename T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    for_each_index(y.numel(), [=](std::int64_t i) { py[i] = px[i] < T(0) ? T(0) : px[i]; });
  });
}

void relu_input_grad(const Exec&, ConstView y, ConstView grad_y, View grad_x) {
  visit_floating(y.dtype, [&]<typename T>() {
    const T* py = y.data<T>();
    const T* pg = grad_y.data<T>();
    T* px = grad_x.data<T>();
    for_each_index(y.numel(), [=](std::int64_t i) { px[i] = py[i] > T(0) ? pg[i] : T(0); });
  });
}

}  // namespace akimbo::kernels::cpu
