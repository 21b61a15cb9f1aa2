#include "engine/core/tensor.h"

#include <algorithm>
#include <cstring>

#include "engine/core/allocator.h"
#include "engine/core/error.h"
#include "kernels/common/visit_dtype.h"

namespace akimbo {

struct Tensor::Storage {
  Storage(Device where, std::size_t bytes)
      : device(where), pointer(allocate_memory(where, bytes)) {}
  ~Storage() { free_memory(device, pointer); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device;
  void* pointer;
  std::uint64_t version = 0;
};

struct Tensor::Impl {
  std::shared_ptr<Storage> storage;
  std::size_t offset_bytes = 0;
  Shape shape;
  DType dtype = DType::f32;
  bool requires_grad = false;
  Tensor grad;
  std::shared_ptr<autograd::Node> grad_node;
};

namespace {

template <typename To, typename From>
void convert_elements(const From* from, To* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<To, From>) {
      to[i] = from[i];
    } else if constexpr (sizeof(To) == 8 && std::is_integral_v<To> && std::is_integral_v<From>) {
      to[i] = static_cast<To>(from[i]);
    } else if constexpr (std::is_same_v<From, double> || std::is_integral_v<From>) {
      if constexpr (std::is_arithmetic_v<To>) {
        to[i] = static_cast<To>(from[i]);
      } else {
        to[i] = To(static_cast<float>(from[i]));
      }
    } else {
      if constexpr (std::is_arithmetic_v<To>) {
        to[i] = static_cast<To>(static_cast<float>(from[i]));
      } else {
        to[i] = To(static_cast<float>(from[i]));
      }
    }
  }
}

void require_cpu(const Tensor& tensor, const char* what) {
  if (!tensor.device().is_cpu()) {
    throw_error<ArgumentError>("[tensor] {} needs a CPU tensor, this one is on {}; call to(kCpu)",
                               what, tensor.device().str());
  }
}

}  // namespace

Tensor::Impl& Tensor::impl() const {
  if (!impl_) throw ArgumentError("[tensor] the tensor is undefined; assign one before its use");
  return *impl_;
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  for (const std::int64_t d : shape) {
    if (d < 0) throw_error<ArgumentError>("[tensor] shape {} has a negative extent", shape.str());
  }
  auto impl = std::make_shared<Impl>();
  impl->shape = shape;
  impl->dtype = dtype;
  impl->storage = std::make_shared<Storage>(
      device, static_cast<std::size_t>(shape.numel()) * dtype_bytes(dtype));
  return Tensor(std::move(impl));
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  require_cpu(t, "zeros");
  std::memset(t.impl().storage->pointer, 0, t.num_bytes());
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill(value);
  return t;
}

template <typename T>
Tensor Tensor::from_values(const Shape& shape, std::span<const T> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel()) {
    throw_error<ArgumentError>("[tensor] {} values were given for shape {}", values.size(),
                               shape.str());
  }
  Tensor t = empty(shape, DTypeOf<T>::value);
  if (!values.empty()) std::memcpy(t.raw(), values.data(), values.size_bytes());
  return t;
}

const Shape& Tensor::shape() const { return impl().shape; }
DType Tensor::dtype() const { return impl().dtype; }
Device Tensor::device() const { return impl().storage->device; }
std::size_t Tensor::num_bytes() const {
  return static_cast<std::size_t>(numel()) * dtype_bytes(dtype());
}

bool Tensor::is_same(const Tensor& other) const {
  return defined() && other.defined() && impl_->storage == other.impl_->storage &&
         impl_->offset_bytes == other.impl_->offset_bytes && impl_->shape == other.impl_->shape;
}

void* Tensor::raw() {
  return static_cast<std::byte*>(impl().storage->pointer) + impl().offset_bytes;
}
const void* Tensor::raw() const {
  return static_cast<const std::byte*>(impl().storage->pointer) + impl().offset_bytes;
}

namespace {
template <typename T>
void require_type(const Tensor& t) {
  if (t.dtype() != DTypeOf<T>::value) {
    throw_error<ArgumentError>("[tensor] the elements are {}, but {} was asked for; call to()",
                               dtype_name(t.dtype()), dtype_name(DTypeOf<T>::value));
  }
  require_cpu(t, "data()");
}
}  // namespace

template <typename T>
T* Tensor::data() {
  require_type<T>(*this);
  bump_version();
  return static_cast<T*>(raw());
}

template <typename T>
const T* Tensor::data() const {
  require_type<T>(*this);
  return static_cast<const T*>(raw());
}

#define AKIMBO_INSTANTIATE(T)                                                        \
  template T* Tensor::data<T>();                                                     \
  template const T* Tensor::data<T>() const;                                         \
  template Tensor Tensor::from_values<T>(const Shape&, std::span<const T>);
AKIMBO_INSTANTIATE(double)
AKIMBO_INSTANTIATE(float)
AKIMBO_INSTANTIATE(BFloat16)
AKIMBO_INSTANTIATE(Float16)
AKIMBO_INSTANTIATE(std::int32_t)
AKIMBO_INSTANTIATE(std::int64_t)
AKIMBO_INSTANTIATE(std::uint8_t)
#undef AKIMBO_INSTANTIATE

double Tensor::item() const {
  if (numel() != 1) {
    throw_error<ArgumentError>("[tensor] item() needs one element, the shape is {}", shape().str());
  }
  const Tensor t = to(kCpu).to(DType::f64);
  return *t.data<double>();
}

Tensor Tensor::view(const Shape& shape) const {
  if (shape.numel() != numel()) {
    throw_error<ArgumentError>("[tensor] a view of {} as {} changes the number of elements",
                               this->shape().str(), shape.str());
  }
  auto impl = std::make_shared<Impl>();
  impl->storage = this->impl().storage;
  impl->offset_bytes = this->impl().offset_bytes;
  impl->shape = shape;
  impl->dtype = dtype();
  return Tensor(std::move(impl));
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  if (rank() == 0 || begin < 0 || end < begin || end > dim(0)) {
    throw_error<ArgumentError>("[tensor] rows {} to {} of shape {}", begin, end, shape().str());
  }
  Shape part = shape();
  part[0] = end - begin;
  const std::int64_t row_numel = dim(0) > 0 ? numel() / dim(0) : 0;
  auto impl = std::make_shared<Impl>();
  impl->storage = this->impl().storage;
  impl->offset_bytes = this->impl().offset_bytes +
                       static_cast<std::size_t>(begin * row_numel) * dtype_bytes(dtype());
  impl->shape = part;
  impl->dtype = dtype();
  return Tensor(std::move(impl));
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape(), dtype(), device());
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == this->dtype()) return *this;
  Tensor copy = empty(shape(), dtype, device());
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  throw_error<DeviceError>("[tensor] no copy from {} to {}", this->device().str(), device.str());
}

void Tensor::copy_from(const Tensor& source) {
  if (!(source.shape() == shape())) {
    throw_error<ArgumentError>("[copy] source {} and destination {} differ in shape",
                               source.shape().str(), shape().str());
  }
  require_cpu(*this, "copy_from");
  require_cpu(source, "copy_from");
  bump_version();
  if (source.dtype() == dtype()) {
    if (numel() > 0) std::memmove(raw(), source.raw(), num_bytes());
    return;
  }
  kernels::visit_dtype(source.dtype(), [&]<typename From>() {
    kernels::visit_dtype(dtype(), [&]<typename To>() {
      convert_elements(static_cast<const From*>(source.raw()), static_cast<To*>(raw()), numel());
    });
  });
}

void Tensor::fill(double value) {
  require_cpu(*this, "fill");
  bump_version();
  kernels::visit_dtype(dtype(), [&]<typename T>() {
    T element;
    convert_elements(&value, &element, 1);
    std::fill_n(static_cast<T*>(raw()), numel(), element);
  });
}

bool Tensor::requires_grad() const { return defined() && impl_->requires_grad; }

Tensor& Tensor::set_requires_grad(bool value) {
  if (value && !is_floating(dtype())) {
    throw_error<ArgumentError>("[tensor] {} elements have no gradient", dtype_name(dtype()));
  }
  impl().requires_grad = value;
  return *this;
}

Tensor Tensor::grad() const { return impl().grad; }
void Tensor::set_grad(const Tensor& grad) { impl().grad = grad; }

Tensor Tensor::detach() const { return view(shape()); }

std::uint64_t Tensor::version() const { return impl().storage->version; }
void Tensor::bump_version() { ++impl().storage->version; }

const std::shared_ptr<autograd::Node>& Tensor::grad_node() const { return impl().grad_node; }
void Tensor::set_grad_node(std::shared_ptr<autograd::Node> node) {
  impl().grad_node = std::move(node);
}

}  // namespace akimbo
