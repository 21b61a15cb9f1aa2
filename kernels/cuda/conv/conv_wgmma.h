// The products of conv_gather.h and conv_weight_grad.h on sm_90a: operands come through tensor maps
// (im2col mode for the gathered map), wgmma multiplies. What they take, and when they may be used.
#pragma once

#include <optional>

#include "kernels/common/host_device.h"
#include "kernels/cuda/conv/conv_gather.h"
#include "kernels/cuda/conv/conv_weight_grad.h"
#include "kernels/cuda/tensor_map.h"

namespace akimbo::kernels::cuda {

// ---- when (conv_wgmma.cpp) ----

// Whether choose_gather, choose_weight_grad and the autotuner consider these kernels on the current
// device: AKIMBO_WGMMA=0 or 1 says so; unset, they do on a GPU where the self-test has passed with
// this program and driver, and never in the emulator. Throws std::invalid_argument for another
// value, and for 1 where the device or the program cannot run them.
[[nodiscard]] bool wgmma_is_on();
// Whether the current device's record of the self-test (record_guarded_kernels) is there and is
// about this device, driver and program; read anew.
[[nodiscard]] bool wgmma_is_recorded();

// What the self-test forces (force_guarded_kernel).
[[nodiscard]] std::optional<GatherChoice> forced_gather();
[[nodiscard]] std::optional<WeightGradChoice> forced_weight_grad();
// Called at every launch (guarded_kernel_ran).
void note_wgmma_launch();

// Beside a tile of the same size of the mma.sync kernels, for the rules that choose: the multiply
// rate of wgmma is about 1.6 times theirs on an H100, and the last slice of `channels` is padded.
// An expectation from the published rates of both instructions; not measured yet.
[[nodiscard]] double wgmma_time_factor(int channels, int slice);

// ---- what (conv_wgmma_maps.cpp) ----

[[nodiscard]] bool is_wgmma(GatherTile tile);
[[nodiscard]] bool is_wgmma(WeightGradTile tile);
// bf16 and f16, one group, channels in multiples of 8, operands aligned to 16 bytes, and offsets of
// the taps within the fields of a tensor map. The rest is the mma.sync kernels'.
[[nodiscard]] bool wgmma_takes(Product product, const GatherProblem& problem);
[[nodiscard]] bool wgmma_takes(Product product, const WeightGradProblem& problem);
// Terms of the sum that a slice holds: 32 where 64 would be half empty.
[[nodiscard]] int slice_terms(const GatherProblem& problem);
// Channels of the big map that are columns of one box, likewise.
[[nodiscard]] int box_channels(const WeightGradProblem& problem);

// Maps of the operands for a tile; false where the driver refuses one.
[[nodiscard]] bool make_source_map(device::TensorMap& map, Product product,
                                   const GatherProblem& problem, const GatherPhase& phase,
                                   TileExtents tile);
[[nodiscard]] bool make_filter_map(device::TensorMap& map, Product product,
                                   const GatherProblem& problem, TileExtents tile);
[[nodiscard]] bool make_small_map(device::TensorMap& map, Product product,
                                  const WeightGradProblem& problem);
[[nodiscard]] bool make_big_map(device::TensorMap& map, Product product,
                                const WeightGradProblem& problem);

// Pixels of the small map that a slice of the weight gradient's sum holds.
inline constexpr int kSlicePixels = 64;

// Offsets of a tensor map are not negative: taps count from the one that reads the lowest source
// pixel. That pixel, for output pixel b = 0:
[[nodiscard]] AKIMBO_HD inline int lowest_source(const GatherAxis& axis, const PhaseAxis& phase) {
  return phase.source_offset + (axis.tap_step < 0 ? (phase.taps - 1) * axis.tap_step : 0);
}
// How far from it tap t reads.
[[nodiscard]] AKIMBO_HD inline int tap_offset(const GatherAxis& axis, const PhaseAxis& phase,
                                              int t) {
  return (axis.tap_step < 0 ? t - (phase.taps - 1) : t) * axis.tap_step;
}

}  // namespace akimbo::kernels::cuda
