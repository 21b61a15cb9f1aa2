// The calls of emulator/hopper.h, handed to the block that runs.
#include <utility>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/emulator/race.h"
#include "kernels/cuda/emulator/running_block.h"
#include "kernels/cuda/hopper.cuh"

namespace akimbo::kernels::device::emulator {
namespace {

int warp_of_group() { return thread_in_block() % kGroupThreads / kLanes; }

}  // namespace

unsigned shared_address(const void* pointer, const Where& where) {
  const Untracked untracked;
  const SharedMemory* array = running_block().shared().at(pointer);
  if (array == nullptr) fault("takes the shared address of memory that is not shared", where);
  return array->address() + static_cast<unsigned>(static_cast<const unsigned char*>(pointer) -
                                                  static_cast<unsigned char*>(array->data()));
}

void init_barrier(std::uint64_t* barrier, int arrivals, const Where& where) {
  const Untracked untracked;
  running_block().init_barrier(barrier, arrivals, where);
}
void fence_barrier_init() {
  const Untracked untracked;
  running_block().fence_barrier_init();
}
void arrive(std::uint64_t* barrier, int bytes, const Where& where) {
  const Untracked untracked;
  running_block().arrive(barrier, bytes, where);
}
void wait_for_barrier(std::uint64_t* barrier, int parity, const Where& where) {
  const Untracked untracked;
  running_block().wait_for_barrier(barrier, parity, where);
}

void copy_tensor(const char* what, void* to, const TensorMap* map, std::uint64_t* barrier,
                 TensorPlace place, const Where& where) {
  const Untracked untracked;
  if (is_mutated(what, where)) ++place.coordinates[0];
  running_block().copy_tensor(what, to, map, barrier, place, where);
}

void fence_async_shared() {
  const Untracked untracked;
  running_block().ordering().fence(race_context.thread);
}
void wait_for_threads(int id, int count, const Where& where) {
  const Untracked untracked;
  running_block().wait_for_threads(id, count, where);
}

void fence_products(const Where& where) {
  const Untracked untracked;
  running_block().meet_warp(
      "wgmma_fence", nullptr,
      [](void* const*) { running_block().warpgroup().fence(warp_of_group()); }, where);
}
void commit_products(const Where& where) {
  const Untracked untracked;
  running_block().meet_warp(
      "wgmma_commit", nullptr,
      [](void* const*) { running_block().warpgroup().commit(warp_of_group()); }, where);
}

void wait_products(int newest, const Where& where) {
  const Untracked untracked;
  struct Operand {
    int newest;
    const Where* where;
  } operand{newest, &where};
  running_block().meet_warp(
      "wgmma_wait", &operand,
      [](void* const* operands) {
        const auto& first = *static_cast<const Operand*>(operands[0]);
        running_block().wait_for_products(first.newest, *first.where);
      },
      where);
}

void multiply_group(const ProductShape& shape, float* d, std::uint64_t a, std::uint64_t b,
                    bool accumulate, const Where& where) {
  const Untracked untracked;
  struct Operand {
    ProductOperand product;
    const Where* where;
  } operand{{.shape = shape, .d = d, .a = a, .b = b, .accumulate = accumulate}, &where};
  if (is_mutated("wgmma", where)) std::swap(operand.product.a, operand.product.b);
  running_block().meet_warpgroup(
      "wgmma", &operand,
      [](void* const* operands) {
        const ProductOperand* products[kGroupThreads];
        for (int t = 0; t < kGroupThreads; ++t) {
          products[t] = &static_cast<const Operand*>(operands[t])->product;
        }
        running_block().issue_product(products, *static_cast<const Operand*>(operands[0])->where);
      },
      where);
}

}  // namespace akimbo::kernels::device::emulator
