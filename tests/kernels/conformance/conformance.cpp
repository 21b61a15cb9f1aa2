#include "tests/kernels/conformance/conformance.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "kernels/common/visit_dtype.h"
#include "kernels/cuda/vendor/cudnn.h"
#include "kernels/device_runtime.h"

namespace akimbo::conformance {
namespace {

namespace cuda = kernels::cuda;

// Keeps the alignment of what follows it. AddressSanitizer has margins of its own, which see reads
// too.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kMargin = 0;
#else
constexpr std::size_t kMargin = 256;
#endif
constexpr unsigned char kMarginByte = 0xc5, kPoison = 0xff;  // 0xff: NaN, -1

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

cuda::Stream stream() {
  static cuda::Stream value = [] {
    cuda::set_device(0);
    return cuda::create_stream(0);
  }();
  return value;
}

void finish(Provider provider) {
  if (provider != Provider::cpu) cuda::synchronize(stream());
}

void write(Provider provider, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if (provider == Provider::cpu) {
    std::memcpy(to, from, bytes);
  } else {
    cuda::copy_to_device(to, from, bytes, stream());
    cuda::synchronize(stream());
  }
}

std::vector<unsigned char> fetch(Provider provider, const void* from, std::size_t bytes) {
  std::vector<unsigned char> to(bytes);
  if (bytes == 0) return to;
  if (provider == Provider::cpu) {
    std::memcpy(to.data(), from, bytes);
  } else {
    cuda::copy_to_host(to.data(), from, bytes, stream());
    cuda::synchronize(stream());
  }
  return to;
}

// `bytes` poisoned bytes between two margins.
class Guarded {
 public:
  Guarded(Provider provider, std::size_t bytes) : provider_(provider), bytes_(bytes) {
    const std::size_t all = bytes + 2 * kMargin;
    if (provider == Provider::cpu) {
      base_ = static_cast<unsigned char*>(::operator new (all, std::align_val_t{256}));
    } else {
      base_ = static_cast<unsigned char*>(cuda::allocate(0, all));
      if (base_ == nullptr) throw std::bad_alloc();
    }
    write(provider, base_, std::vector(all, kMarginByte).data(), all);
    write(provider, data(), std::vector(bytes, kPoison).data(), bytes);
  }
  ~Guarded() {
    if (provider_ == Provider::cpu) {
      ::operator delete (base_, std::align_val_t{256});
    } else {
      cuda::free(0, base_);
    }
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  [[nodiscard]] unsigned char* data() const { return base_ + kMargin; }
  // The bytes; fails the test when something outside [first, first + used) was written to.
  [[nodiscard]] std::vector<unsigned char> read(std::size_t first, std::size_t used) const {
    const auto all = fetch(provider_, base_, bytes_ + 2 * kMargin);
    const std::size_t begin = kMargin + first, end = begin + used;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i >= begin && i < end) continue;
      const unsigned char wanted = i < kMargin || i >= kMargin + bytes_ ? kMarginByte : kPoison;
      if (all[i] != wanted) {
        ADD_FAILURE() << "a byte " << (i < begin ? begin - i : i - end + 1)
                      << (i < begin ? " before" : " past") << " the tensor was written to";
        break;
      }
    }
    return {all.begin() + static_cast<std::ptrdiff_t>(begin),
            all.begin() + static_cast<std::ptrdiff_t>(end)};
  }

 private:
  Provider provider_;
  std::size_t bytes_;
  unsigned char* base_ = nullptr;
};

// CPU kernels take scratch memory from several threads.
class GuardedScratch final : public kernels::ScratchSource {
 public:
  explicit GuardedScratch(Provider provider) : provider_(provider) {}
  void* allocate(std::size_t bytes) override {
    auto memory = std::make_unique<Guarded>(provider_, bytes);
    void* pointer = memory->data();
    const std::lock_guard lock(mutex_);
    blocks_[pointer] = {std::move(memory), bytes};
    return pointer;
  }
  // Work that uses it may still be under way, as with the engine's allocator.
  void release(void* pointer) noexcept override {
    finish(provider_);
    const std::lock_guard lock(mutex_);
    const auto& [memory, bytes] = blocks_.at(pointer);
    (void)memory->read(0, bytes);
    blocks_.erase(pointer);
  }

 private:
  Provider provider_;
  std::mutex mutex_;
  std::map<void*, std::pair<std::unique_ptr<Guarded>, std::size_t>> blocks_;
};

std::string position(const Shape& shape, std::int64_t i) {
  Shape index = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = i % shape[axis];
    i /= shape[axis];
  }
  return index.str();
}

}  // namespace

std::string name_of(Provider provider) {
  switch (provider) {
    case Provider::cpu: return "cpu";
    case Provider::cuda: return cuda::is_emulated() ? "emulated_cuda" : "cuda";
    case Provider::cudnn: return "cudnn";
  }
  return "";
}

double rounded(double value, DType dtype) {
  return kernels::visit_dtype(dtype, [&]<typename T>() {
    if constexpr (sizeof(T) == 2) {
      return static_cast<double>(static_cast<float>(T(static_cast<float>(value))));
    } else {
      return static_cast<double>(static_cast<T>(value));
    }
  });
}

Values filled(const Shape& shape, double value) {
  return {shape, std::vector<double>(static_cast<std::size_t>(shape.numel()), value)};
}

Values random_values(const Shape& shape, std::uint64_t seed, DType dtype, double low, double high) {
  Values values = filled(shape, 0);
  std::uint64_t state = mix(seed);
  for (double& value : values.at) {
    state = mix(state);
    value = rounded(low + (high - low) * static_cast<double>(state >> 11) * 0x1p-53, dtype);
  }
  return values;
}

struct DeviceTensor::Memory {
  Provider provider;
  Shape shape;
  DType dtype;
  std::size_t offset_bytes;
  Guarded guarded;
};

DeviceTensor::DeviceTensor(std::unique_ptr<Memory> memory) : memory_(std::move(memory)) {}
DeviceTensor::~DeviceTensor() = default;
DeviceTensor::DeviceTensor(DeviceTensor&&) noexcept = default;
DeviceTensor& DeviceTensor::operator=(DeviceTensor&&) noexcept = default;

DeviceTensor DeviceTensor::poisoned(Provider provider, const Shape& shape, DType dtype,
                                    std::int64_t offset_elements) {
  const std::size_t offset = static_cast<std::size_t>(offset_elements) * dtype_bytes(dtype);
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * dtype_bytes(dtype);
  return DeviceTensor(std::unique_ptr<Memory>(
      new Memory{provider, shape, dtype, offset, Guarded(provider, offset + bytes)}));
}

DeviceTensor DeviceTensor::at_offset(Provider provider, const Values& values, DType dtype,
                                     std::int64_t offset_elements) {
  DeviceTensor tensor = poisoned(provider, values.shape, dtype, offset_elements);
  std::vector<unsigned char> bytes(values.at.size() * dtype_bytes(dtype));
  kernels::visit_dtype(dtype, [&]<typename T>() {
    for (std::size_t i = 0; i < values.at.size(); ++i) {
      T element;
      if constexpr (sizeof(T) == 2) {
        element = T(static_cast<float>(values.at[i]));
      } else {
        element = static_cast<T>(values.at[i]);
      }
      std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof(T));
    }
  });
  write(provider, tensor.view().pointer, bytes.data(), bytes.size());
  return tensor;
}

DeviceTensor::DeviceTensor(Provider provider, const Values& values, DType dtype)
    : DeviceTensor(at_offset(provider, values, dtype, 0)) {}

kernels::View DeviceTensor::view() const {
  return {memory_->guarded.data() + memory_->offset_bytes, memory_->dtype, memory_->shape};
}

Values DeviceTensor::read() const {
  finish(memory_->provider);
  Values values = filled(memory_->shape, 0);
  const auto bytes =
      memory_->guarded.read(memory_->offset_bytes, values.at.size() * dtype_bytes(memory_->dtype));
  kernels::visit_dtype(memory_->dtype, [&]<typename T>() {
    for (std::size_t i = 0; i < values.at.size(); ++i) {
      T element;
      std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof(T));
      if constexpr (sizeof(T) == 2) {
        values.at[i] = static_cast<float>(element);
      } else {
        values.at[i] = static_cast<double>(element);
      }
    }
  });
  return values;
}

double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f64: return 0x1p-53;
    case DType::f32: return 0x1p-24;
    case DType::bf16: return 0x1p-8;
    case DType::f16: return 0x1p-11;
    default: return 0;
  }
}

double tolerance(DType dtype, double length, double magnitude) {
  // For f64 the expected sum, worked out in f64 too, is as far from the truth.
  const double sum_roundoff =
      dtype == DType::f64 ? 2 * unit_roundoff(DType::f64) : unit_roundoff(DType::f32);
  // f16 loses relative precision below 2^-14, where its values are 2^-24 apart.
  const double subnormal = dtype == DType::f16 ? 0x1p-25 : 0;
  return magnitude * (unit_roundoff(dtype) + length * sum_roundoff) * 1.01 + subnormal;
}

void expect_close(const Values& actual, const Values& expected,
                  const std::function<double(std::int64_t)>& tolerance, const std::string& what) {
  ASSERT_EQ(actual.shape.str(), expected.shape.str()) << what;
  std::int64_t worst = -1, num_wrong = 0;
  double worst_excess = 0;
  for (std::int64_t i = 0; i < actual.numel(); ++i) {
    double excess = std::abs(actual[i] - expected[i]) - tolerance(i);
    if (std::isnan(actual[i]) && std::isnan(expected[i])) continue;
    if (actual[i] == expected[i]) continue;  // infinities
    if (std::isnan(excess)) excess = std::numeric_limits<double>::infinity();
    if (excess <= 0) continue;
    ++num_wrong;
    if (worst < 0 || excess > worst_excess) worst = i, worst_excess = excess;
  }
  if (worst < 0) return;
  ADD_FAILURE() << what << (what.empty() ? "" : ": ") << num_wrong << " of " << actual.numel()
                << " elements are wrong; worst at " << position(actual.shape, worst) << " of "
                << actual.shape.str() << ": " << actual[worst] << " instead of " << expected[worst]
                << ", tolerance " << tolerance(worst);
}

void expect_close(const Values& actual, const Values& expected, double tolerance,
                  const std::string& what) {
  expect_close(
      actual, expected, [=](std::int64_t) { return tolerance; }, what);
}

void expect_equal(const Values& actual, const Values& expected, const std::string& what) {
  expect_close(actual, expected, 0, what);
}

void ProviderTest::SetUp() {
  if (provider() == Provider::cpu) return;
  if (cuda::device_count() == 0) GTEST_SKIP() << cuda::unavailable_reason();
  if (provider() != Provider::cudnn) return;
  if (cuda::vendor::cudnn_version().empty()) {
    GTEST_SKIP() << cuda::vendor::cudnn_unavailable_reason();
  }
  ::setenv("AKIMBO_CONV", "cudnn", 1);
}

void ProviderTest::TearDown() {
  if (provider() == Provider::cudnn) ::unsetenv("AKIMBO_CONV");
}

std::vector<DType> ProviderTest::dtypes() {
  if (provider() == Provider::cpu) return {DType::f32, DType::f64};
  return {DType::f32, DType::f64, DType::bf16, DType::f16};
}

const kernels::Exec& ProviderTest::exec(bool deterministic, bool tf32) {
  static GuardedScratch cpu_scratch(Provider::cpu), cuda_scratch(Provider::cuda);
  static kernels::Exec value;
  const bool on_cpu = provider() == Provider::cpu;
  value = {.scratch = on_cpu ? &cpu_scratch : &cuda_scratch,
           .stream = on_cpu ? nullptr : stream(),
           .deterministic = deterministic,
           .tf32 = tf32};
  return value;
}

}  // namespace akimbo::conformance
