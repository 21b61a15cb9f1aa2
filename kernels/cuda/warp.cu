// The affine warp of 8-bit pictures, alone and fused with normalisation. Equal to the CPU's bit for
// bit, in both rules: positions are integers made by the same double operations, unfused, and
// blending is integer arithmetic.
//
// A thread per destination pixel. Its four neighbours are two runs of six bytes, read as aligned
// words where those stay inside the picture (two or three loads in place of six per row). Crops go
// through shared memory, because 12-byte steps of a warp's own stores would each touch three times
// the sectors they fill.
#include "kernels/warp.h"

#include <algorithm>

#include "kernels/common/warp_inverse.h"
#include "kernels/cuda/arithmetic.cuh"

namespace akimbo::kernels::cuda {
namespace {

using namespace device;

constexpr int kThreads = 256;

struct Source {
  const std::uint8_t* pixels;
  int height, width, channels;
  bool mirror;
  int origin_x, origin_y;

  __device__ __forceinline__ const std::uint8_t* at(int y, int x) const {
    return pixels + (static_cast<std::int64_t>(y) * width + x) * channels;
  }
};

// Fixed point with 10 fractional bits, rounded to nearest even; clamped as on the CPU.
__device__ __forceinline__ int to_fixed(double value) {
  constexpr double kLimit = 1 << 30;
  const double limited = fmin(fmax(multiply(value, 1024.0), -kLimit), kLimit);
  return static_cast<int>(rint(limited));
}

// Left upper neighbour of a destination pixel, and weights of `bits` bits.
struct Position {
  int x, y;
  int right, lower, one;
};

__device__ __forceinline__ Position position_of(const WarpInverse& m, const Source& source, int v,
                                                int u, int bits) {
  const int shift = 10 - bits;
  const int half = 1 << (shift - 1);
  const int row_x = to_fixed(add(multiply(m.x_v, static_cast<double>(v)), m.x_0)) + half;
  const int row_y = to_fixed(add(multiply(m.y_v, static_cast<double>(v)), m.y_0)) + half;
  // Places beyond 2^20 pixels may wrap around: they are outside any picture all the same.
  const auto sum = [](int a, int b) {
    return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b));
  };
  const int x = sum(row_x, to_fixed(multiply(m.x_u, static_cast<double>(u)))) >> shift;
  const int y = sum(row_y, to_fixed(multiply(m.y_u, static_cast<double>(u)))) >> shift;
  const int one = 1 << bits;
  return {(x >> bits) - source.origin_x, (y >> bits) - source.origin_y, x & (one - 1),
          y & (one - 1), one};
}

__device__ __forceinline__ int pixel_or_zero(const Source& source, int y, int x, int c) {
  if (x < 0 || x >= source.width || y < 0 || y >= source.height) return 0;
  return source.at(y, source.mirror ? source.width - 1 - x : x)[c];
}

__device__ __forceinline__ int blend(int left_upper, int right_upper, int left_lower,
                                     int right_lower, const Position& p) {
  const int upper = left_upper * (p.one - p.right) + right_upper * p.right;
  const int lower = left_lower * (p.one - p.right) + right_lower * p.right;
  return upper * (p.one - p.lower) + lower * p.lower;
}

__device__ __forceinline__ int blend_channel(const Source& source, const Position& p, int c) {
  return blend(pixel_or_zero(source, p.y, p.x, c), pixel_or_zero(source, p.y, p.x + 1, c),
               pixel_or_zero(source, p.y + 1, p.x, c), pixel_or_zero(source, p.y + 1, p.x + 1, c),
               p);
}

// Six bytes from `from` on, by words aligned to 4: the caller knows that the 12 bytes from
// `from` rounded down are inside the picture.
__device__ __forceinline__ std::uint64_t six_bytes(const std::uint8_t* from) {
  const auto offset = static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(from) & 3u);
  const auto* words = reinterpret_cast<const std::uint32_t*>(from - offset);
  std::uint64_t value = (std::uint64_t{words[1]} << 32 | words[0]) >> (8 * offset);
  if (offset == 3) value |= std::uint64_t{words[2]} << 40;
  return value;
}

// Whether six_bytes may be called for both rows at p, for which the neighbours must be inside.
__device__ __forceinline__ bool takes_words(const Source& source, int y, int left) {
  if (left < 0 || left >= source.width - 1 || y < 0 || y >= source.height - 1) return false;
  const std::uint8_t* upper = source.at(y, left);
  const std::uint8_t* lower = source.at(y + 1, left);
  const auto down = [](const std::uint8_t* p) {
    return p - (reinterpret_cast<std::uintptr_t>(p) & 3u);
  };
  return down(upper) >= source.pixels && down(lower) + 12 <= source.at(source.height, 0);
}

// The weighted sums of three channels, in the order of the output.
__device__ __forceinline__ void blend_three(const Source& source, const Position& p, bool swap,
                                            int (&sums)[3]) {
  const int left = source.mirror ? source.width - 2 - p.x : p.x;
  if (!takes_words(source, p.y, left)) {
    for (int c = 0; c < 3; ++c) sums[c] = blend_channel(source, p, swap ? 2 - c : c);
    return;
  }
  const std::uint64_t upper = six_bytes(source.at(p.y, left));
  const std::uint64_t lower = six_bytes(source.at(p.y + 1, left));
  Position q = p;
  if (source.mirror) q.right = p.one - p.right;  // the right neighbour comes first in memory
  for (int c = 0; c < 3; ++c) {
    const int at = 8 * (swap ? 2 - c : c);
    const auto byte = [](std::uint64_t word, int shift) {
      return static_cast<int>(word >> shift & 0xffu);
    };
    sums[c] =
        blend(byte(upper, at), byte(upper, at + 24), byte(lower, at), byte(lower, at + 24), q);
  }
}

__device__ __forceinline__ int rounded_to_byte(int sum, int bits) {
  return (sum + (1 << (2 * bits - 1))) >> (2 * bits);
}

__global__ void __launch_bounds__(kThreads)
    warp_forward_kernel(Source source, WarpInverse inverse, int bits, std::int64_t pixels,
                        int width, std::uint8_t* __restrict__ y) {
  const std::int64_t pixel = global_thread();
  if (pixel >= pixels) return;
  const Position p = position_of(inverse, source, static_cast<int>(pixel / width),
                                 static_cast<int>(pixel % width), bits);
  for (int c = 0; c < source.channels; ++c) {
    y[pixel * source.channels + c] =
        static_cast<std::uint8_t>(rounded_to_byte(blend_channel(source, p, c), bits));
  }
}

// One crop of a launch. The parameters of a launch hold kCropsPerLaunch of them: no copy to the
// device is needed, and a captured graph keeps them.
struct DeviceCrop {
  Source source;
  WarpInverse inverse;
  const float* table;
  float scale[3], shift[3];
  int bits;
  bool swap_red_blue;
};

constexpr int kCropsPerLaunch = 24;  // within the 4 KB of parameters that all drivers accept
struct DeviceCrops {
  DeviceCrop items[kCropsPerLaunch];
};
static_assert(sizeof(DeviceCrops) < 3900);

// Block (i, n) writes pixels 256 i ... of crop n: y [N, pixels, 3].
template <typename T>
__global__ void __launch_bounds__(kThreads)
    crop_forward_kernel(DeviceCrops crops, std::int64_t pixels, int width, T* __restrict__ y) {
  AKIMBO_SHARED_ARRAY(float, values, 3 * kThreads);
  const DeviceCrop& crop = crops.items[blockIdx.y];
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kThreads;
  const std::int64_t pixel = first + thread;
  if (pixel < pixels) {
    const Position p = position_of(crop.inverse, crop.source, static_cast<int>(pixel / width),
                                   static_cast<int>(pixel % width), crop.bits);
    int sums[3];
    blend_three(crop.source, p, crop.swap_red_blue, sums);
    for (int c = 0; c < 3; ++c) {
      // Steps of 3 words: no two threads of a warp meet in a bank.
      float& value = values[3 * thread + c];
      if (crop.bits == 5) {
        value = crop.table[256 * c + rounded_to_byte(sums[c], 5)];
      } else {
        const float unit = 1.0f / static_cast<float>(1 << (2 * crop.bits));
        const float scaled = multiply(multiply(static_cast<float>(sums[c]), unit), crop.scale[c]);
        value = add(scaled, crop.shift[c]);
      }
    }
  }
  sync_block();
  const std::int64_t left = pixels - first;
  const int count = 3 * static_cast<int>(left < kThreads ? left : kThreads);
  T* const out = y + (static_cast<std::int64_t>(blockIdx.y) * pixels + first) * 3;
  for (int i = thread; i < count; i += kThreads) out[i] = from_float<T>(values[i]);
}

Source source_of(ConstView x, const WarpParams& params) {
  return {x.data<std::uint8_t>(),
          static_cast<int>(x.dim(0)),
          static_cast<int>(x.dim(1)),
          static_cast<int>(x.dim(2)),
          params.mirror,
          params.origin_x,
          params.origin_y};
}

int bits_of(WarpRule rule) { return rule == WarpRule::exact ? 5 : 7; }

DeviceCrop device_crop(const CropItem& item) {
  const CropParams& p = item.params;
  return {source_of(item.picture, p.warp),
          invert_warp(p.warp.matrix),
          p.table,
          {p.scale[0], p.scale[1], p.scale[2]},
          {p.shift[0], p.shift[1], p.shift[2]},
          bits_of(p.warp.rule),
          p.swap_red_blue};
}

}  // namespace

void warp_forward(const Exec& exec, ConstView x, const WarpParams& params, View y) {
  const std::int64_t pixels = y.dim(0) * y.dim(1);
  launch(exec, "warp_forward", {.grid = {blocks_for(pixels, kThreads)}, .block = {kThreads}},
         warp_forward_kernel, source_of(x, params), invert_warp(params.matrix),
         bits_of(params.rule), pixels, static_cast<int>(y.dim(1)), y.data<std::uint8_t>());
}

void crop_batch_forward(const Exec& exec, std::span<const CropItem> items, View y) {
  const std::int64_t pixels = y.dim(1) * y.dim(2);
  const auto visit_output = [&](const auto& run) {
    switch (y.dtype) {
      case DType::f32: return run.template operator()<float>();
      case DType::bf16: return run.template operator()<BFloat16>();
      case DType::f16: return run.template operator()<Float16>();
      default: unsupported_dtype(y.dtype);
    }
  };
  visit_output([&]<typename T>() {
    for (std::size_t begin = 0; begin < items.size(); begin += kCropsPerLaunch) {
      const std::size_t count = std::min<std::size_t>(kCropsPerLaunch, items.size() - begin);
      DeviceCrops crops{};
      for (std::size_t i = 0; i < count; ++i) crops.items[i] = device_crop(items[begin + i]);
      launch(exec, "crop_forward",
             {.grid = {blocks_for(pixels, kThreads), static_cast<std::int64_t>(count)},
              .block = {kThreads}},
             crop_forward_kernel<T>, crops, pixels, static_cast<int>(y.dim(2)),
             y.data<T>() + static_cast<std::int64_t>(begin) * pixels * 3);
    }
  });
}

void crop_forward(const Exec& exec, ConstView x, const CropParams& params, View y) {
  const CropItem item{x, params};
  crop_batch_forward(exec, std::span(&item, 1),
                     {y.pointer, y.dtype, Shape{1, y.dim(0), y.dim(1), 3}});
}

}  // namespace akimbo::kernels::cuda
