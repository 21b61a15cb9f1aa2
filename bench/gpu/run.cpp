#include "bench/gpu/run.h"

#include <algorithm>
#include <cmath>

#include "engine/core/dispatch.h"
#include "engine/core/error.h"
#include "kernels/device_runtime.h"
#include "kernels/matmul.h"

namespace akimbo::bench {
namespace {

// A number of [0, 1) per index (the finaliser of MurmurHash3).
double hashed(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t h = index + 0x9e3779b97f4a7c15u * (seed + 1);
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return static_cast<double>((h ^ (h >> 33)) >> 11) * 0x1p-53;
}

Tensor host_tile(std::int64_t count, DType dtype, std::uint64_t seed, double low, double high) {
  const auto value = [&](std::int64_t i) {
    return low + (high - low) * hashed(seed, static_cast<std::uint64_t>(i));
  };
  const auto fill = [&]<typename T>() {
    Tensor tile = Tensor::empty({count}, DTypeOf<T>::value);
    for (std::int64_t i = 0; i < count; ++i) tile.data<T>()[i] = static_cast<T>(value(i));
    return tile;
  };
  switch (dtype) {
    case DType::u8: return fill.operator()<std::uint8_t>();
    case DType::i32: return fill.operator()<std::int32_t>();
    case DType::i64: return fill.operator()<std::int64_t>();
    case DType::f64: return fill.operator()<double>();
    default: return fill.operator()<float>().to(dtype);
  }
}

double copy_rate(Run& run) {
  const std::int64_t bytes = run.settings.quick ? 1 << 12 : std::int64_t{1} << 30;
  const Tensor from = random_tensor({bytes}, DType::u8, run.device, 1, 0, 256);
  Tensor to = Tensor::empty({bytes}, DType::u8, run.device);
  const Timing timing = run.timer.kernel(1, [&](int) {
    kernels::cuda::copy_on_device(to.raw(), from.raw(), static_cast<std::size_t>(bytes),
                                  stream_of(run.device));
  });
  return 2 * static_cast<double>(bytes) / timing.median_us * 1e6;
}

double matmul_rate(Run& run) {
  const std::int64_t size = run.settings.quick ? 32 : 8192;
  const Tensor a = random_tensor({size, size}, DType::bf16, run.device, 2);
  const Tensor b = random_tensor({size, size}, DType::bf16, run.device, 3);
  Tensor y = Tensor::empty({size, size}, DType::bf16, run.device);
  const Timing timing = run.timer.kernel(1, [&](int) {
    AKIMBO_KERNEL(run.device, matmul)
    (exec_of(run.device), view_of(a), view_of(b), {}, mutable_view_of(y));
  });
  return 2 * std::pow(static_cast<double>(size), 3) / timing.median_us * 1e6;
}

}  // namespace

bool Run::out_of_time() const {
  const std::chrono::duration<double> used = std::chrono::steady_clock::now() - start;
  return used.count() > settings.budget_s;
}

void Run::row(Row row, const std::function<void(Row&)>& measure) {
  if (out_of_time()) {
    row.note = "left out: time is up (--budget)";
  } else {
    try {
      measure(row);
    } catch (const std::exception& e) {
      row.own = {};
      row.note = std::string("failed: ") + e.what();
    }
  }
  report.add(std::move(row));
}

Tensor random_tensor(const Shape& shape, DType dtype, Device device, std::uint64_t seed, double low,
                     double high) {
  constexpr std::int64_t kTile = (1 << 20) + 7;
  const std::int64_t count = shape.numel();
  const Tensor tile = host_tile(std::min(count, kTile), dtype, seed, low, high).to(device);
  if (count <= kTile) return tile.view(shape);
  Tensor result = Tensor::empty({count}, dtype, device);
  for (std::int64_t at = 0; at < count; at += kTile) {
    const std::int64_t end = std::min(count, at + kTile);
    Tensor part = result.rows(at, end);
    part.copy_from(tile.rows(0, end - at));
  }
  return result.view(shape);
}

double relative_error(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(kCpu).to(DType::f32), y = b.to(kCpu).to(DType::f32);
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const double d = static_cast<double>(x.data<float>()[i]) - y.data<float>()[i];
    difference += d * d;
    size += static_cast<double>(y.data<float>()[i]) * y.data<float>()[i];
  }
  return std::sqrt(difference / std::max(size, 1e-300));
}

double bytes_of(const Tensor& t) { return t.defined() ? static_cast<double>(t.num_bytes()) : 0; }

void measure_ceilings(Run& run) {
  run.report.ceilings.copy_bytes_per_s = copy_rate(run);
  run.report.ceilings.matmul_flop_per_s = matmul_rate(run);
}

}  // namespace akimbo::bench
