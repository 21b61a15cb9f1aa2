// wgmma of an emulated block: products that four warps issue together and that run beside them.
// PTX ISA, "Asynchronous warpgroup level matrix multiply-accumulate instructions".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/shared_arrays.h"

namespace akimbo::kernels::device::emulator {

inline constexpr int kGroupThreads = 128;

struct ProductShape {
  bool is_bf16;  // else f16
  int n;         // d is [64, n], a [64, 16], b [16, n]
  bool a_is_k_major, b_is_k_major;
};

// What each thread of the warpgroup brings.
struct ProductOperand {
  ProductShape shape;
  float* d;  // [n / 2]
  std::uint64_t a, b;
  bool accumulate;
};

// The products of one warpgroup, in the order of their issue. Any of them may run at any time from
// its issue on; that is what run_next() is for. Functions return which rule is broken, "" if none.
class Warpgroup {
 public:
  // By all 128 threads together. The product runs at a step of the scheduler with this `chance` of
  // 256, or when it is waited for. For the race checker its reads are those of `thread`.
  [[nodiscard]] std::string issue(const ProductOperand* const* operands, const SharedArrays& shared,
                                  std::uint32_t chance, int thread);
  // By one warp, 0 to 3.
  void fence(int warp) { warps_[static_cast<std::size_t>(warp)].is_fenced = true; }
  void commit(int warp);
  // All groups of products but the `newest` are over: this warp's d hold their results.
  [[nodiscard]] std::string wait(int warp, int newest);
  // Stamp after the reads of all that wait(warp, newest) ends.
  [[nodiscard]] std::uint32_t stamp_of(int warp, int newest) const;
  // Whether products add to registers of this warp that no wait has given back.
  [[nodiscard]] bool has_work(int warp) const;

  // Of 256 that the oldest product which has not run does so now; 0 when there is none.
  [[nodiscard]] std::uint32_t chance_to_run() const {
    return num_run_ < products_.size() ? products_[num_run_].chance : 0;
  }
  void run_next();

 private:
  // One set of registers, from the first product that adds to it to the wait. Meanwhile the
  // threads' own hold garbage.
  struct Accumulators {
    std::array<float*, kGroupThreads> d;
    int n;
    std::vector<float> values;  // [64, n]
    std::size_t last_product;
    unsigned given_back = 0;  // a bit a warp
  };
  struct Product {
    ProductShape shape;
    std::shared_ptr<Accumulators> sum;
    bool accumulate;
    std::uint32_t chance, stamp;
    std::vector<const unsigned char*> a, b;  // chunks of 8 elements (gather() in wgmma.cpp)
  };
  struct Warp {
    bool is_fenced = false;
    std::vector<std::size_t> commits;  // how many products were issued before each
  };

  // Products that are over when all groups but the newest are.
  [[nodiscard]] std::size_t count_of(int warp, int newest) const;
  [[nodiscard]] std::string join(const ProductOperand* const* operands,
                                 std::shared_ptr<Accumulators>& sum);

  std::vector<Product> products_;
  std::vector<std::shared_ptr<Accumulators>> live_;
  std::size_t num_run_ = 0;
  std::array<Warp, 4> warps_;
};

}  // namespace akimbo::kernels::device::emulator
