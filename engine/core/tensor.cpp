#include "engine/core/tensor.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/core/allocator.h"
#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "engine/core/write_recorder.h"
#include "kernels/common/convert.h"
#include "kernels/common/visit_dtype.h"
#include "kernels/device_runtime.h"
#include "kernels/elementwise.h"

namespace akimbo {

namespace cuda = kernels::cuda;

namespace {
thread_local WriteRecorder* t_recorder = nullptr;
}  // namespace

struct Tensor::Storage : std::enable_shared_from_this<Storage> {
  Storage(Device where, std::size_t bytes, bool is_pinned)
      : device(where),
        pinned(is_pinned),
        pointer(is_pinned ? allocate_pinned_memory(bytes) : allocate_memory(where, bytes)) {}
  ~Storage() {
    if (pinned) {
      free_pinned_memory(pointer);
    } else {
      free_memory(device, pointer);
    }
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device;
  bool pinned;  // host memory that GPUs copy from and to beside their work
  void* pointer;
  std::uint64_t version = 0;
  const std::uint64_t made_under = t_recorder != nullptr ? t_recorder->id() : 0;
};

struct Tensor::Impl {
  std::shared_ptr<Storage> storage;
  std::size_t offset_bytes = 0;
  Shape shape;
  DType dtype = DType::f32;
  bool requires_grad = false;
  Tensor grad;
  Tensor rounded;
  std::uint64_t rounded_version = 0;
  std::shared_ptr<autograd::Node> grad_node;
};

namespace {

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

Tensor Tensor::make(const Shape& shape, DType dtype, Device device, bool pinned) {
  for (const std::int64_t d : shape) {
    if (d < 0) throw_error<ArgumentError>("[tensor] shape {} has a negative extent", shape.str());
  }
  auto impl = std::make_shared<Impl>();
  impl->shape = shape;
  impl->dtype = dtype;
  impl->storage = std::make_shared<Storage>(
      device, static_cast<std::size_t>(shape.numel()) * dtype_bytes(dtype), pinned);
  return Tensor(std::move(impl));
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  return make(shape, dtype, device, false);
}

Tensor Tensor::empty_pinned(const Shape& shape, DType dtype) {
  return make(shape, dtype, kCpu, true);
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill(0);
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

#define AKIMBO_INSTANTIATE(T)                \
  template T* Tensor::data<T>();             \
  template const T* Tensor::data<T>() const; \
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

Tensor Tensor::carve(std::size_t offset, const Shape& shape, DType dtype) const {
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * dtype_bytes(dtype);
  if (this->dtype() != DType::u8 || offset % 64 != 0 || offset + bytes > num_bytes()) {
    throw_error<ArgumentError>("[tensor] {} bytes at {} do not lie within a {} of {} bytes", bytes,
                               offset, dtype_name(this->dtype()), num_bytes());
  }
  auto impl = std::make_shared<Impl>();
  impl->storage = this->impl().storage;
  impl->offset_bytes = this->impl().offset_bytes + offset;
  impl->shape = shape;
  impl->dtype = dtype;
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
  Tensor copy = empty(shape(), dtype(), device);
  copy.copy_from(*this);
  return copy;
}

bool Tensor::is_pinned() const { return impl().storage->pinned; }

// Same shape and dtype.
void Tensor::copy_bytes(const Tensor& source) {
  const Device from = source.device(), to = device();
  if (from.is_cpu() && to.is_cpu()) {
    std::memmove(raw(), source.raw(), num_bytes());
    return;
  }
  if (from.is_cuda() && to.is_cuda() && from != to) cuda::synchronize(stream_of(from));
  const OpExec exec = exec_of(to.is_cuda() ? to : from);
  note_access(source, false);
  note_access(*this, true);
  if (from.is_cpu()) {
    cuda::copy_to_device(raw(), source.raw(), num_bytes(), exec.stream);
    if (source.is_pinned() && !cuda::is_capturing(exec.stream)) cuda::synchronize(exec.stream);
  } else if (to.is_cpu()) {
    cuda::copy_to_host(raw(), source.raw(), num_bytes(), exec.stream);
    if (!is_pinned() || !cuda::is_capturing(exec.stream)) cuda::synchronize(exec.stream);
  } else {
    cuda::copy_on_device(raw(), source.raw(), num_bytes(), exec.stream);
    if (from != to) cuda::synchronize(exec.stream);  // the source may be freed now
  }
}

void Tensor::copy_from(const Tensor& source) {
  if (!(source.shape() == shape())) {
    throw_error<ArgumentError>("[copy] source {} and destination {} differ in shape",
                               source.shape().str(), shape().str());
  }
  bump_version();
  if (numel() == 0) return;
  if (source.dtype() == dtype()) return copy_bytes(source);
  if (source.device() != device()) return copy_bytes(source.to(dtype()));
  AKIMBO_KERNEL(device(), cast_forward)(exec_of(device()), view_of(source), mutable_view_of(*this));
}

void Tensor::take(Tensor&& source) {
  const auto has_one_owner = [](const Tensor& t) {
    return t.impl_.use_count() == 1 && t.impl().storage.use_count() == 1;
  };
  if (!has_one_owner(source) || !(source.shape() == shape()) || source.dtype() != dtype() ||
      source.device() != device() || source.is_pinned() != is_pinned() ||
      source.impl().offset_bytes != 0 || impl().offset_bytes != 0) {
    return copy_from(source);
  }
  bump_version();  // of the storage that views made before still see
  impl().storage = std::move(source.impl().storage);
  source.impl_.reset();
}

void Tensor::fill(double value) {
  bump_version();
  kernels::visit_dtype(dtype(), [&]<typename T>() {
    const T element = kernels::convert_element<T>(value);
    if (device().is_cpu()) {
      std::fill_n(static_cast<T*>(raw()), numel(), element);
    } else {
      const OpExec exec = exec_of(device());
      note_access(*this, true);
      cuda::fill(raw(), &element, sizeof(T), static_cast<std::size_t>(numel()), exec.stream);
    }
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

Tensor Tensor::rounded() const { return impl().rounded; }
bool Tensor::is_rounded() const {
  return impl().rounded.defined() && impl().rounded_version == version();
}
void Tensor::set_rounded(const Tensor& copy) {
  impl().rounded = copy;
  impl().rounded_version = version();
}

Tensor Tensor::detach() const { return view(shape()); }

// Steps of a plan write to places of one storage at the same time.
std::uint64_t Tensor::version() const {
  return std::atomic_ref(impl().storage->version).load(std::memory_order_relaxed);
}
void Tensor::bump_version() {
  Storage& storage = *impl().storage;
  std::atomic_ref(storage.version).fetch_add(1, std::memory_order_relaxed);
  if (t_recorder != nullptr && storage.made_under != t_recorder->id()) {
    t_recorder->add(&storage.version, storage.shared_from_this());
  }
}

WriteRecorder::WriteRecorder() : previous_(t_recorder) {
  static std::atomic<std::uint64_t> count{0};
  id_ = ++count;
  t_recorder = this;
}

WriteRecorder::~WriteRecorder() { stop(); }

void WriteRecorder::stop() {
  if (t_recorder == this) t_recorder = previous_;
}

void WriteRecorder::add(std::uint64_t* version, std::shared_ptr<void> owner) {
  written_.emplace(version, std::move(owner));
}

void WriteRecorder::count_writes() {
  for (const auto& [version, owner] : written_) ++*version;
}

const std::shared_ptr<autograd::Node>& Tensor::grad_node() const { return impl().grad_node; }
void Tensor::set_grad_node(std::shared_ptr<autograd::Node> node) {
  impl().grad_node = std::move(node);
}

}  // namespace akimbo
