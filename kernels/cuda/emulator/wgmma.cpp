#include "kernels/cuda/emulator/wgmma.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/common/dtype.h"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/tensor_map.h"

namespace akimbo::kernels::device::emulator {
namespace {

constexpr int kRows = 64, kDepth = 16, kChunk = 8;  // elements of 16 bytes
constexpr std::uint32_t kGarbage = 0xffc0dead;      // a NaN that no product gives

// ---- operands ----

struct Descriptor {
  explicit Descriptor(std::uint64_t bits)
      : start(static_cast<std::uint32_t>(bits & 0x3fff) << 4),
        leading(static_cast<std::uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<std::uint32_t>(bits >> 32 & 0x3fff) << 4),
        base_offset(static_cast<int>(bits >> 49 & 7)),
        swizzle(static_cast<Swizzle>((4 - (bits >> 62 & 3)) % 4)) {}
  std::uint32_t start, leading, stride;
  int base_offset;
  Swizzle swizzle;
};

// Address of 8 elements that lie together: k-major, of row `mn` those of k-chunk k / 8; mn-major,
// of row k those of chunk mn / 8. In the canonical layouts of the PTX ISA (and of CUTLASS's
// mma_traits_sm90_gmma.hpp) with T = 8 elements and W = span / 16:
//   k-major    none ((8,m),(T,2)):((1T,SBO),(1,LBO))   swizzled ((8,m),(T,2)):((WT,SBO),(1,T))
//   mn-major   none ((T,1,m),(8,k)):((1,T,SBO),(1T,LBO))
//              swizzled ((T,W,m),(8,k)):((1,T,LBO),(WT,SBO))
std::uint32_t chunk_address(const Descriptor& d, bool is_k_major, std::uint32_t mn,
                            std::uint32_t k) {
  const auto span = static_cast<std::uint32_t>(swizzle_bytes(d.swizzle));
  std::uint32_t address = d.start;
  if (is_k_major) {
    address += mn / 8 * d.stride;
    address += span == 0 ? mn % 8 * 16 + k / 8 * d.leading : mn % 8 * span + k / 8 * 16;
  } else if (span == 0) {
    address += mn / 8 * d.stride + k % 8 * 16 + k / 8 * d.leading;
  } else {
    address += mn % (span / 2) / 8 * 16 + mn / (span / 2) * d.leading;
    address += k % 8 * span + k / 8 * d.stride;
  }
  return swizzled_address(address & 0x3ffff, d.swizzle);
}

std::string fault_of_descriptor(const char* name, const Descriptor& d) {
  const auto period = static_cast<std::uint32_t>(swizzle_period(d.swizzle));
  if (d.base_offset != 0) return std::string("has a base offset for ") + name;
  if (period != 0 && d.start % period >= static_cast<std::uint32_t>(swizzle_bytes(d.swizzle))) {
    return std::string("reads ") + name + " at address " + std::to_string(d.start) +
           " of shared memory; with this swizzle tiles start at multiples of " +
           std::to_string(period);
  }
  return "";
}

// Chunks of an operand of `rows` rows (M or N): k-major [rows][2], mn-major [16][rows / 8].
std::string find_chunks(const char* name, std::uint64_t bits, bool is_k_major, int rows,
                        const SharedArrays& shared, std::vector<const unsigned char*>& chunks) {
  const Descriptor descriptor(bits);
  std::string fault = fault_of_descriptor(name, descriptor);
  if (!fault.empty()) return fault;
  const int outer = is_k_major ? rows : kDepth, inner = is_k_major ? kDepth : rows;
  for (int i = 0; i < outer; ++i) {
    for (int j = 0; j < inner; j += kChunk) {
      const std::uint32_t address =
          chunk_address(descriptor, is_k_major, static_cast<std::uint32_t>(is_k_major ? i : j),
                        static_cast<std::uint32_t>(is_k_major ? j : i));
      const void* memory = shared.memory_at(address, 16);
      if (memory == nullptr) {
        return std::string("reads ") + name + " at address " + std::to_string(address) +
               ", outside the block's shared arrays";
      }
      if (unfenced_writer(memory, 16) >= 0) {
        return std::string("reads ") + name +
               " that ordinary stores wrote with no fence_async_shared() after them";
      }
      chunks.push_back(static_cast<const unsigned char*>(memory));
    }
  }
  return "";
}

float element_value(bool is_bf16, const unsigned char* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, 2);
  if (is_bf16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  Float16 half;
  half.bits = bits;
  return static_cast<float>(half);
}

// The operand as [16][rows].
void gather(const std::vector<const unsigned char*>& chunks, bool is_k_major, bool is_bf16,
            int rows, std::vector<float>& values) {
  values.resize(static_cast<std::size_t>(kDepth * rows));
  const int inner = is_k_major ? kDepth : rows;
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    const int outer = static_cast<int>(c) * kChunk / inner;
    const int first = static_cast<int>(c) * kChunk % inner;
    for (int e = 0; e < kChunk; ++e) {
      const int mn = is_k_major ? outer : first + e, k = is_k_major ? first + e : outer;
      values[static_cast<std::size_t>(k * rows + mn)] = element_value(is_bf16, chunks[c] + 2 * e);
    }
  }
}

// ---- results ----

// Element i of thread t: warp t / 32 has 16 rows; see the figure "D fragment" of m64nNk16.
std::size_t place_of(int thread, int i, int n) {
  const int row = thread / 32 * 16 + thread % 32 / 4 + (i % 4 >= 2 ? 8 : 0);
  const int column = i / 4 * 8 + thread % 4 * 2 + i % 2;
  return static_cast<std::size_t>(row * n + column);
}

bool is_garbage(float value) { return std::bit_cast<std::uint32_t>(value) == kGarbage; }

bool is_untouched(const float* d, int n) { return std::all_of(d, d + n / 2, is_garbage); }

bool same(const ProductOperand& a, const ProductOperand& b) {
  return a.shape.is_bf16 == b.shape.is_bf16 && a.shape.n == b.shape.n &&
         a.shape.a_is_k_major == b.shape.a_is_k_major &&
         a.shape.b_is_k_major == b.shape.b_is_k_major && a.a == b.a && a.b == b.b &&
         a.accumulate == b.accumulate;
}

constexpr const char* kTouched =
    "finds registers of d changed between wgmma and the wait that gives them back";

}  // namespace

// The registers that the operands name: those of products under way, or new ones.
std::string Warpgroup::join(const ProductOperand* const* operands,
                            std::shared_ptr<Accumulators>& sum) {
  const int n = operands[0]->shape.n;
  for (const auto& each : live_) {
    if (each->d[0] != operands[0]->d) continue;
    for (std::size_t t = 0; t < kGroupThreads; ++t) {
      if (each->d[t] != operands[t]->d || each->n != n) {
        return "adds to d of another shape while wgmma is under way on it";
      }
      if (!is_untouched(each->d[t], n)) return kTouched;
    }
    sum = each;
    return "";
  }
  for (const Warp& warp : warps_) {
    if (!warp.is_fenced) return "has no wgmma_fence() since d was last the threads' own";
  }
  sum = std::make_shared<Accumulators>();
  sum->n = n;
  sum->values.resize(static_cast<std::size_t>(kRows * n));
  for (int t = 0; t < kGroupThreads; ++t) {
    float* d = sum->d[static_cast<std::size_t>(t)] = operands[t]->d;
    for (int i = 0; i < n / 2; ++i) {
      sum->values[place_of(t, i, n)] = d[i];
      d[i] = std::bit_cast<float>(kGarbage);
    }
  }
  live_.push_back(sum);
  return "";
}

std::string Warpgroup::issue(const ProductOperand* const* operands, const SharedArrays& shared,
                             std::uint32_t chance, int thread) {
  const ProductOperand& first = *operands[0];
  for (int t = 1; t < kGroupThreads; ++t) {
    if (!same(first, *operands[t])) return "has other operands than thread 0 of its warpgroup";
  }
  Product product;
  product.shape = first.shape;
  product.accumulate = first.accumulate;
  product.chance = chance;
  std::string fault = find_chunks("a", first.a, first.shape.a_is_k_major, kRows, shared, product.a);
  if (!fault.empty()) return fault;
  fault = find_chunks("b", first.b, first.shape.b_is_k_major, first.shape.n, shared, product.b);
  if (!fault.empty()) return fault;
  fault = join(operands, product.sum);
  if (!fault.empty()) return fault;
  for (const auto* chunk : product.a) access_beside(thread, chunk, 16, false);
  for (const auto* chunk : product.b) access_beside(thread, chunk, 16, false);
  product.stamp = ++race_context.stamp;
  product.sum->last_product = products_.size();
  products_.push_back(std::move(product));
  return "";
}

void Warpgroup::commit(int warp) {
  warps_[static_cast<std::size_t>(warp)].commits.push_back(products_.size());
}

std::size_t Warpgroup::count_of(int warp, int newest) const {
  const auto& commits = warps_[static_cast<std::size_t>(warp)].commits;
  const auto kept = static_cast<std::size_t>(newest);
  return commits.size() > kept ? commits[commits.size() - 1 - kept] : 0;
}

std::uint32_t Warpgroup::stamp_of(int warp, int newest) const {
  const std::size_t count = count_of(warp, newest);
  return count > 0 ? products_[count - 1].stamp : 0;
}

std::string Warpgroup::wait(int warp, int newest) {
  Warp& self = warps_[static_cast<std::size_t>(warp)];
  const std::size_t count = count_of(warp, newest);
  while (num_run_ < count) run_next();
  const unsigned bit = 1u << warp;
  for (const auto& sum : live_) {
    if (sum->last_product >= count || (sum->given_back & bit) != 0) continue;
    for (int t = warp * 32; t < warp * 32 + 32; ++t) {
      float* d = sum->d[static_cast<std::size_t>(t)];
      if (!is_untouched(d, sum->n)) return kTouched;
      for (int i = 0; i < sum->n / 2; ++i) d[i] = sum->values[place_of(t, i, sum->n)];
    }
    sum->given_back |= bit;
    self.is_fenced = false;
  }
  std::erase_if(live_, [](const auto& sum) { return sum->given_back == 0xf; });
  return "";
}

bool Warpgroup::has_work(int warp) const {
  return std::any_of(live_.begin(), live_.end(),
                     [&](const auto& sum) { return (sum->given_back & 1u << warp) == 0; });
}

// In f32 and in the order of k; that of the hardware is not specified.
void Warpgroup::run_next() {
  Product& product = products_[num_run_++];
  const int n = product.shape.n;
  std::vector<float> a, b;
  gather(product.a, product.shape.a_is_k_major, product.shape.is_bf16, kRows, a);
  gather(product.b, product.shape.b_is_k_major, product.shape.is_bf16, n, b);
  for (int row = 0; row < kRows; ++row) {
    float* sums = product.sum->values.data() + row * n;
    if (!product.accumulate) std::fill_n(sums, n, 0.0f);
    for (int k = 0; k < kDepth; ++k) {
      const float factor = a[static_cast<std::size_t>(k * kRows + row)];
      const float* factors = b.data() + k * n;
      for (int column = 0; column < n; ++column) sums[column] += factor * factors[column];
    }
  }
  // A long loop has thousands.
  product.a = product.b = {};
  product.sum.reset();
}

}  // namespace akimbo::kernels::device::emulator
