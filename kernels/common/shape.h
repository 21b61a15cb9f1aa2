// Extents of a tensor: up to six axes, value semantics, no allocation.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace akimbo {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) {
    assert(dims.size() <= kMaxRank);
    for (const std::int64_t d : dims) dims_[rank_++] = d;
  }

  [[nodiscard]] int rank() const { return rank_; }
  // A negative axis counts from the end.
  [[nodiscard]] std::int64_t operator[](int axis) const {
    assert(axis >= -rank_ && axis < rank_);
    return dims_[axis < 0 ? axis + rank_ : axis];
  }
  std::int64_t& operator[](int axis) {
    assert(axis >= -rank_ && axis < rank_);
    return dims_[axis < 0 ? axis + rank_ : axis];
  }
  [[nodiscard]] std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  void push_back(std::int64_t dim) {
    assert(rank_ < kMaxRank);
    dims_[rank_++] = dim;
  }
  [[nodiscard]] const std::int64_t* begin() const { return dims_.data(); }
  [[nodiscard]] const std::int64_t* end() const { return dims_.data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a.dims_[i] != b.dims_[i]) return false;
    }
    return true;
  }

  // "[1,64,48,17]", the form in which messages print shapes.
  [[nodiscard]] std::string str() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) {
      if (i > 0) text += ',';
      text += std::to_string(dims_[i]);
    }
    return text + "]";
  }

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace akimbo
