#include "datasets/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "engine/core/error.h"
#include "engine/core/stage_times.h"
#include "kernels/common/parallel.h"

namespace akimbo::datasets {
namespace {

using Clock = std::chrono::steady_clock;

// A batch being made. Slots are plain pointers, taken once: Tensor itself counts writes and is not
// to be touched by several threads.
struct Pending {
  Batch batch;
  std::vector<std::int64_t> indices;  // of its samples in the data set
  float* input = nullptr;
  float* target = nullptr;
  float* weight = nullptr;
  Point* joints_crop = nullptr;  // of a packed batch
  std::int64_t num_done = 0;
  std::int64_t failed_sample = 0;  // position of the first sample that failed
  std::exception_ptr error;

  [[nodiscard]] bool done() const { return num_done == static_cast<std::int64_t>(indices.size()); }
};

Tensor make_tensor(const Shape& shape, bool pinned, DType dtype = DType::f32) {
  return pinned ? Tensor::empty_pinned(shape, dtype) : Tensor::empty(shape, dtype);
}

std::shared_ptr<Pending> make_pending(const TopDownDataset& dataset,
                                      std::vector<std::int64_t> indices, std::int64_t batch_index,
                                      const BatchOrder& order) {
  const HeatmapCodec& codec = dataset.options().codec;
  const auto n = static_cast<std::int64_t>(indices.size());
  const std::int64_t k = dataset.skeleton().num_keypoints();
  auto pending = std::make_shared<Pending>();
  pending->indices = std::move(indices);
  Batch& batch = pending->batch;
  batch.weight = make_tensor({n, k}, order.pinned);
  batch.samples.resize(static_cast<std::size_t>(n));
  batch.index = batch_index;
  pending->weight = batch.weight.data<float>();
  if (order.packed) {
    batch.crops = std::make_shared<PackedCrops>(dataset.cropper(), n);
    batch.joints_crop = make_tensor({n, k, 2}, order.pinned, DType::f64);
    static_assert(sizeof(Point) == 2 * sizeof(double), "joints are written as [K,2]");
    pending->joints_crop = reinterpret_cast<Point*>(batch.joints_crop.data<double>());
    return pending;
  }
  const Size2 input = codec.input_size, map = codec.heatmap_size;
  batch.input = make_tensor({n, input.height, input.width, 3}, order.pinned);
  batch.target = make_tensor({n, map.height, map.width, k}, order.pinned);
  pending->input = batch.input.data<float>();
  pending->target = batch.target.data<float>();
  return pending;
}

std::span<float> slot_of(float* start, const Tensor& tensor, std::int64_t sample) {
  const auto size = static_cast<std::size_t>(tensor.numel() / tensor.dim(0));
  return {start + static_cast<std::size_t>(sample) * size, size};
}

void make_one(const TopDownDataset& dataset, std::int64_t epoch, Pending& pending,
              std::int64_t sample) {
  const auto position = static_cast<std::size_t>(sample);
  Batch& batch = pending.batch;
  const std::int64_t index = pending.indices[position];
  const std::span<float> weight = slot_of(pending.weight, batch.weight, sample);
  if (batch.crops == nullptr) {
    const SampleSlot slot{slot_of(pending.input, batch.input, sample),
                          slot_of(pending.target, batch.target, sample), weight};
    batch.samples[position] = dataset.make_sample(index, epoch, slot);
    return;
  }
  const std::span<Point> joints{pending.joints_crop + position * weight.size(), weight.size()};
  batch.samples[position] =
      dataset.make_sample(index, epoch, PackedSlot{*batch.crops, sample, joints, weight});
}

}  // namespace

std::vector<std::int64_t> epoch_order(std::int64_t size, const BatchOrder& order) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(size));
  std::iota(indices.begin(), indices.end(), 0);
  if (order.shuffle) {
    RandomStream random(order.seed ^ stream_of("shuffle"), static_cast<std::uint64_t>(order.epoch));
    shuffle(indices.begin(), indices.end(), random);
  }
  return indices;
}

struct BatchLoader::Impl {
  Impl(const TopDownDataset& d, const BatchOrder& o)
      : dataset(d), order(o), indices(epoch_order(d.size(), o)), batch_index(o.first_batch) {}

  // ---- by the consumer, under the mutex ----
  void refill() {
    const int ahead = order.workers == 0 ? 1 : std::max(1, order.prefetch);
    const auto limit = static_cast<std::size_t>(ahead);
    while (queue.size() < limit && batch_index < dataset.num_batches(order.batch_size)) {
      queue.push_back(make_pending(dataset, indices_of(batch_index), batch_index, order));
      ++batch_index;
    }
  }
  [[nodiscard]] std::vector<std::int64_t> indices_of(std::int64_t batch) const {
    const std::int64_t begin = batch * order.batch_size;
    const std::int64_t end = std::min(begin + order.batch_size, dataset.size());
    return {indices.begin() + begin, indices.begin() + end};
  }

  // ---- by the workers ----
  void work() {
    mark_background_thread();
    const kernels::SerialScope serial;  // workers are the parallelism; no teams within
    std::unique_lock lock(mutex);
    while (true) {
      work_ready.wait(lock, [&] { return stopping || find_work() != nullptr; });
      if (stopping) return;
      const std::shared_ptr<Pending> pending = find_work();
      const std::int64_t sample = next_sample++;
      lock.unlock();
      std::exception_ptr error;
      try {
        make_one(dataset, order.epoch, *pending, sample);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && (!pending->error || sample < pending->failed_sample)) {
        pending->error = error;
        pending->failed_sample = sample;
      }
      ++pending->num_done;
      if (pending->done()) batch_ready.notify_all();
    }
  }
  // The batch that the next sample belongs to, or null when all queued ones are given out.
  std::shared_ptr<Pending> find_work() {
    for (const std::shared_ptr<Pending>& pending : queue) {
      if (pending->batch.index < working_batch) continue;
      if (pending->batch.index > working_batch) {
        working_batch = pending->batch.index;
        next_sample = 0;
      }
      if (next_sample < static_cast<std::int64_t>(pending->indices.size())) return pending;
    }
    return nullptr;
  }

  const TopDownDataset& dataset;
  BatchOrder order;
  std::vector<std::int64_t> indices;
  std::int64_t batch_index;  // next to be queued

  mutable std::mutex mutex;
  std::condition_variable work_ready, batch_ready;
  std::deque<std::shared_ptr<Pending>> queue;  // in order; the front is what next() gives
  std::int64_t working_batch = -1;             // index of the batch whose samples are given out
  std::int64_t next_sample = 0;
  bool stopping = false;
  double waited_seconds = 0;
  std::vector<std::thread> threads;
};

BatchLoader::BatchLoader(const TopDownDataset& dataset, const BatchOrder& order) {
  if (order.batch_size < 1 || order.first_batch < 0 || order.workers < 0) {
    throw_error<ArgumentError>(
        "[loader] batch size {}, first batch {}, {} workers; wanted at least 1, 0 and 0",
        order.batch_size, order.first_batch, order.workers);
  }
  impl_ = std::make_unique<Impl>(dataset, order);
  impl_->refill();
  for (int i = 0; i < order.workers; ++i) impl_->threads.emplace_back([this] { impl_->work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->work_ready.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

std::int64_t BatchLoader::num_batches() const {
  return impl_->dataset.num_batches(impl_->order.batch_size);
}

bool BatchLoader::has_next() const { return !impl_->queue.empty(); }

double BatchLoader::waited_seconds() const { return impl_->waited_seconds; }

Batch BatchLoader::next() {
  const StageTimer timer(Stage::wait);
  Impl& impl = *impl_;
  const auto start = Clock::now();
  std::unique_lock lock(impl.mutex);
  if (impl.queue.empty()) throw_error<ArgumentError>("[loader] there is no batch after the last");
  const std::shared_ptr<Pending> front = impl.queue.front();
  if (impl.threads.empty()) {
    const kernels::SerialScope serial;  // a crop is too small a job for a team of threads
    for (std::size_t i = 0; i < front->indices.size(); ++i) {
      make_one(impl.dataset, impl.order.epoch, *front, static_cast<std::int64_t>(i));
    }
  } else {
    impl.batch_ready.wait(lock, [&] { return front->done(); });
  }
  if (front->error) std::rethrow_exception(front->error);
  impl.queue.pop_front();
  impl.refill();
  lock.unlock();
  impl.work_ready.notify_all();
  impl.waited_seconds += std::chrono::duration<double>(Clock::now() - start).count();
  return std::move(front->batch);
}

}  // namespace akimbo::datasets
