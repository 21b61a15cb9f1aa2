// Ours or a vendor's: convolutions, matrix products and batch norm run on our kernels, or on
// cuDNN's and cuBLASLt's where those are installed and take the problem. AKIMBO_CONV says which,
// for all:
//   own    our kernels, chosen by their own rules (always so on the emulator unless something else
//          is said)
//   cudnn  the vendor's; ours where it does not take a problem
//   auto   (default) the fastest, timed once per problem and remembered (tuner.h)
// With exec.deterministic nothing is timed: results must not depend on how busy the device was.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/common/exec.h"
#include "kernels/common/view.h"

namespace akimbo::kernels::cuda {

enum class ProviderMode { own, cudnn, automatic };
// Throws std::invalid_argument when AKIMBO_CONV has another value.
[[nodiscard]] ProviderMode provider_mode();

// "bf16", "f32", or "tf32" where f32 factors may be rounded: as a tuner's key names it.
[[nodiscard]] std::string product_dtype(const Exec& exec, DType dtype);

// Memory of the same shapes, for runs that are timed: they must not touch the outputs, which may be
// inputs too or are updated in place. Absent views stay absent.
class ViewsApart {
 public:
  ViewsApart(const Exec& exec, std::span<const View> views);
  [[nodiscard]] std::span<const View> views() const { return views_; }

 private:
  std::vector<std::unique_ptr<Scratch<std::byte>>> memory_;
  std::vector<View> views_;
};

// Null where memory is too short for a second set, though it holds the first: then nothing can be
// timed now.
[[nodiscard]] std::unique_ptr<ViewsApart> views_apart(const Exec& exec,
                                                      std::span<const View> views);

// A problem that the vendor has one way for.
struct EitherWay {
  std::string vendor;                // as the tuner's file names it
  std::function<std::string()> key;  // of the problem: all that its time depends on
  std::function<void(std::span<const View> outputs)> own, theirs;
};
// Fills the outputs in the way that the mode says; `own` follows where `theirs` throws. Call it for
// problems that the vendor takes.
void own_or_vendor(const Exec& exec, const EitherWay& ways, std::span<const View> outputs);

}  // namespace akimbo::kernels::cuda
