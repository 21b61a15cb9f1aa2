// How one launch walks a list of tensors: a table of their pointers travels with the kernel's
// arguments, so that a captured launch needs no memory of the host's; blocks take chunks of equal
// length and find theirs by bisection. Lists longer than a table take several launches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/common/view.h"
#include "kernels/cuda/device.cuh"

namespace akimbo::kernels::device {

inline constexpr int kTableThreads = 256;
// Elements of a chunk: 16 for each thread. Fewer would make blocks that end before their start-up
// has paid, more would leave the last wave of blocks long.
inline constexpr std::int64_t kChunk = kTableThreads * 16;

// One tensor, or several of one size that are worked on together. An absent operand is null.
template <int kOperands>
struct TableItem {
  void* pointers[kOperands];
  DType dtypes[kOperands];
  bool aligned;  // every operand starts on 16 bytes
  std::uint32_t first_block;
  int index;           // in the caller's list
  std::int64_t count;  // elements
};

// Arguments of a kernel may take 4 KB on every driver that CUDA 12 knows, 32 KB from 12.1 on; the
// toolkit that builds this needs a newer driver anyway. `Extra` are values that go with an item.
template <int kOperands, typename Extra>
struct TensorTable {
  static constexpr std::size_t kBytes = 31 * 1024;
  static constexpr int kCapacity =
      static_cast<int>(kBytes / (sizeof(TableItem<kOperands>) + sizeof(Extra)));
  TableItem<kOperands> items[kCapacity];
  Extra extra[kCapacity];
  int num_items;
};

struct NoExtra {};

struct ChunkPlace {
  int item;
  std::int64_t begin, end;
};

// Chunk of the calling block.
template <int kOperands, typename Extra>
__device__ __forceinline__ ChunkPlace chunk_place(const TensorTable<kOperands, Extra>& table) {
  int low = 0, high = table.num_items - 1;  // the last item whose first block is not after ours
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.items[middle].first_block <= blockIdx.x) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const std::int64_t begin = (blockIdx.x - table.items[low].first_block) * kChunk;
  const std::int64_t count = table.items[low].count;
  return {low, begin, begin + kChunk < count ? begin + kChunk : count};
}

// body.template operator()<V>(i) for groups of V elements from i on, <1> where V do not fit.
template <int V, typename Body>
__device__ __forceinline__ void for_each_group(const ChunkPlace& at, bool aligned,
                                               const Body& body) {
  for (std::int64_t i = at.begin + threadIdx.x * V; i < at.end; i += kTableThreads * V) {
    if (aligned && i + V <= at.end) {
      body.template operator()<V>(i);
    } else {
#pragma unroll
      for (int k = 0; k < V; ++k) {
        if (i + k < at.end) body.template operator()<1>(i + k);
      }
    }
  }
}

// V elements from i on of an operand of the given floating dtype, in T.
template <int V, typename T>
__device__ __forceinline__ void load_as(const void* from, DType dtype, std::int64_t i, T (&to)[V]) {
  const auto load = [&]<typename From>() {
    const auto values = load_vector<V>(static_cast<const From*>(from) + i);
#pragma unroll
    for (int k = 0; k < V; ++k) to[k] = static_cast<T>(to_float(values[k]));
  };
  if (dtype == DType::bf16) return load.template operator()<BFloat16>();
  if (dtype == DType::f16) return load.template operator()<Float16>();
  load.template operator()<T>();
}

template <int V, typename T>
__device__ __forceinline__ void store_as(void* to, DType dtype, std::int64_t i,
                                         const T (&from)[V]) {
  const auto store = [&]<typename To>() {
    Vector<To, V> values;
#pragma unroll
    for (int k = 0; k < V; ++k) values[k] = from_float<To>(static_cast<Compute<To>>(from[k]));
    store_vector(static_cast<To*>(to) + i, values);
  };
  if (dtype == DType::bf16) return store.template operator()<BFloat16>();
  if (dtype == DType::f16) return store.template operator()<Float16>();
  store.template operator()<T>();
}

// Host side: fills tables and hands each, with its number of blocks, to run(table, blocks).
template <int kOperands, typename Extra>
class TableFiller {
 public:
  using Table = TensorTable<kOperands, Extra>;

  template <typename Run>
  void add(const ConstView (&operands)[kOperands], const Extra& extra, int index, const Run& run) {
    const std::int64_t count = operands[0].numel();
    if (count == 0) return;
    if (table_->num_items == Table::kCapacity) flush(run);
    TableItem<kOperands>& item = table_->items[table_->num_items];
    item.aligned = true;
    for (int k = 0; k < kOperands; ++k) {
      item.pointers[k] = const_cast<void*>(operands[k].pointer);
      item.dtypes[k] = operands[k].dtype;
      item.aligned = item.aligned && is_aligned(operands[k].pointer);
    }
    item.first_block = static_cast<std::uint32_t>(blocks_);
    item.index = index;
    item.count = count;
    table_->extra[table_->num_items++] = extra;
    blocks_ += blocks_for(count, kChunk);
  }
  template <typename Run>
  void flush(const Run& run) {
    if (table_->num_items > 0) run(*table_, blocks_);
    table_->num_items = 0;
    blocks_ = 0;
  }

 private:
  std::vector<Table> storage_ = std::vector<Table>(1);  // too large for the stack
  Table* table_ = storage_.data();
  std::int64_t blocks_ = 0;
};

}  // namespace akimbo::kernels::device
