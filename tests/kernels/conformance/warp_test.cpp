// The warp of every provider against the rule, one pixel at a time: equal bit for bit.
#include "kernels/warp.h"

#include <cmath>

#include "tests/kernels/conformance/conformance.h"

namespace akimbo {
namespace {

using namespace conformance;
using kernels::CropItem;
using kernels::CropParams;
using kernels::WarpParams;
using kernels::WarpRule;

class Warp : public ProviderTest {};
AKIMBO_INSTANTIATE_PROVIDERS(Warp);

Values picture(const Shape& shape, std::uint64_t seed) {
  return map(random_values(shape, seed, DType::f64, 0, 256),
             [](double v) { return std::floor(v); });
}

// Turned and scaled, off the edges, upside down, far away, singular, and the identity.
const std::vector<std::array<double, 6>> kMatrices = {
    {1, 0, 0, 0, 1, 0},
    {0.83, -0.41, 3.7, 0.41, 0.83, -5.2},
    {-2.3, 0.1, 30.25, -0.2, 1.9, -11.125},
    {0.07, 0, 1.5, 0, 0.07, 2.5},
    {1, 0, 1e7, 0, 1, -1e7},
    {1, 2, 3, 2, 4, 6},
};

TEST_P(Warp, EqualsTheRule) {
  for (const std::int64_t channels : {1, 3, 4}) {
    for (const auto& matrix : kMatrices) {
      for (const WarpRule rule : {WarpRule::exact, WarpRule::fast}) {
        for (const bool mirror : {false, true}) {
          const Values x = picture({23, 17, channels}, 1);
          const Shape size{19, 21, channels};
          const WarpParams params{.matrix = matrix, .rule = rule, .mirror = mirror};
          const DeviceTensor plain_x(Provider::cpu, x, DType::u8);
          const auto plain_y = poisoned(Provider::cpu, size, DType::u8);
          kernels::cpu::warp_forward_plain(exec(), plain_x.view(), params, plain_y.view());
          const DeviceTensor dx(provider(), x, DType::u8);
          const auto dy = poisoned(provider(), size, DType::u8);
          AKIMBO_PROVIDED(warp_forward)(exec(), dx.view(), params, dy.view());
          expect_equal(dy.read(), plain_y.read());
        }
      }
    }
  }
}

// Numbers that no rounding of the normalisation makes exact.
CropParams crop_params(const kernels::View& table) {
  CropParams params;
  params.table = table.data<float>();
  params.scale = {0.0171f, 0.0174f, 0.0175f};
  params.shift = {-2.117f, -2.035f, -1.804f};
  return params;
}

Values table_values() { return random_values({3, 256}, 7, DType::f32, -2, 2); }

// By the plain rule, on the CPU.
Values plain_crop(const kernels::Exec& exec, const Values& x, CropParams params,
                  const Shape& size) {
  const DeviceTensor dx(Provider::cpu, x, DType::u8);
  const DeviceTensor table(Provider::cpu, table_values(), DType::f32);
  params.table = table.view().data<float>();
  const auto dy = poisoned(Provider::cpu, size, DType::f32);
  kernels::cpu::crop_forward_plain(exec, dx.view(), params, dy.view());
  return dy.read();
}

TEST_P(Warp, CropEqualsTheRule) {
  const DeviceTensor table(provider(), table_values(), DType::f32);
  for (const auto& matrix : kMatrices) {
    for (const int options : {0, 1, 2, 3, 4, 5, 6, 7}) {
      // Pictures of every alignment of rows, and of one pixel a side.
      for (const Shape& shape : {Shape{31, 22, 3}, Shape{9, 33, 3}, Shape{1, 1, 3}}) {
        const Values x = picture(shape, 2);
        const Shape size{18, 15, 3};
        CropParams params = crop_params(table.view());
        params.warp = {.matrix = matrix,
                       .rule = (options & 1) != 0 ? WarpRule::fast : WarpRule::exact,
                       .mirror = (options & 2) != 0};
        params.swap_red_blue = (options & 4) != 0;
        const auto dx = DeviceTensor::at_offset(provider(), x, DType::u8, options % 4);
        const auto dy = poisoned(provider(), size, DType::f32);
        AKIMBO_PROVIDED(crop_forward)(exec(), dx.view(), params, dy.view());
        expect_equal(dy.read(), plain_crop(exec(), x, params, size), shape.str());
      }
    }
  }
}

// More crops than one launch takes, pictures of different sizes.
TEST_P(Warp, CropBatch) {
  const DeviceTensor table(provider(), table_values(), DType::f32);
  constexpr std::int64_t kCrops = 27;
  const Shape size{7, 5, 3};
  std::vector<DeviceTensor> pictures;
  std::vector<CropItem> items;
  Values expected = filled({kCrops, 7, 5, 3}, 0);
  for (std::int64_t i = 0; i < kCrops; ++i) {
    const Values x = picture({10 + i, 12, 3}, static_cast<std::uint64_t>(i));
    pictures.emplace_back(provider(), x, DType::u8);
    CropParams params = crop_params(table.view());
    params.warp.matrix = {0.5, 0.1, 0.25 * static_cast<double>(i), -0.1, 0.5, 1};
    params.warp.rule = i % 2 == 0 ? WarpRule::exact : WarpRule::fast;
    params.warp.mirror = i % 3 == 0;
    items.push_back({pictures.back().view(), params});
    const Values crop = plain_crop(exec(), x, params, size);
    std::copy(crop.at.begin(), crop.at.end(), expected.at.begin() + i * size.numel());
  }
  const auto dy = poisoned(provider(), expected.shape, DType::f32);
  AKIMBO_PROVIDED(crop_batch_forward)(exec(), items, dy.view());
  expect_equal(dy.read(), expected);
}

// Columns [left, left + width) and rows [top, top + height) of x [H, W, C].
Values window_of(const Values& x, std::int64_t left, std::int64_t top, const Shape& size) {
  Values window = filled(size, 0);
  for (std::int64_t y = 0; y < size[0]; ++y) {
    for (std::int64_t i = 0; i < size[1] * size[2]; ++i) {
      window.at[static_cast<std::size_t>(y * size[1] * size[2] + i)] =
          x.at[static_cast<std::size_t>(((top + y) * x.shape[1] + left) * x.shape[2] + i)];
    }
  }
  return window;
}

// A window gives the bits of the whole picture where it holds all that is read (here with positions
// that fall between the steps of the grid), and 0 beyond it.
TEST_P(Warp, AWindowEqualsTheWholePicture) {
  const DeviceTensor table(provider(), table_values(), DType::f32);
  const Values x = picture({64, 57, 3}, 8);
  const Shape size{16, 12, 3}, part{36, 33, 3};
  const std::int64_t left = 8, top = 17;  // in the frame of the matrix
  for (const WarpRule rule : {WarpRule::exact, WarpRule::fast}) {
    for (const bool mirror : {false, true}) {
      CropParams params = crop_params(table.view());
      // Reads columns 9 to 39 and rows 18 to 51.
      params.warp = {
          .matrix = {0.47, -0.13, -1.3, 0.13, 0.52, -13.7}, .rule = rule, .mirror = mirror};
      const Values expected = plain_crop(exec(), x, params, size);
      params.warp.origin_x = static_cast<std::int32_t>(left);
      params.warp.origin_y = static_cast<std::int32_t>(top);
      const Values window = window_of(x, mirror ? 57 - left - part[1] : left, top, part);
      const DeviceTensor dx(provider(), window, DType::u8);
      const auto dy = poisoned(provider(), size, DType::f32);
      AKIMBO_PROVIDED(crop_forward)(exec(), dx.view(), params, dy.view());
      expect_equal(dy.read(), expected);
      expect_equal(plain_crop(exec(), window, params, size), expected);
      params.warp.origin_x += 10000;  // nothing of it is in the crop
      AKIMBO_PROVIDED(crop_forward)(exec(), dx.view(), params, dy.view());
      expect_equal(dy.read(), plain_crop(exec(), filled({1, 1, 3}, 0), params, size));
    }
  }
}

TEST_P(Warp, CropToHalfTypes) {
  if (provider() == Provider::cpu) GTEST_SKIP() << "the CPU crops to f32";
  const DeviceTensor table(provider(), table_values(), DType::f32);
  const Values x = picture({12, 11, 3}, 3);
  CropParams params = crop_params(table.view());
  params.warp.matrix = kMatrices[1];
  const Shape size{9, 10, 3};
  const DeviceTensor dx(provider(), x, DType::u8);
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const auto dy = poisoned(provider(), size, dtype);
    kernels::cuda::crop_forward(exec(), dx.view(), params, dy.view());
    const Values expected =
        map(plain_crop(exec(), x, params, size), [&](double v) { return rounded(v, dtype); });
    expect_equal(dy.read(), expected);
  }
}

}  // namespace
}  // namespace akimbo
