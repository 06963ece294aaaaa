// Non-owning N-d views: what backends and kernels see of a tensor. Row-major, contiguous, at most six axes. A
// view owns nothing and checks nothing; whoever makes one vouches for it.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "sysdpo/core/config.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// Counts and positions. Signed, so that differences are numbers too.
using index_t = std::int64_t;

/// The extents of an N-d array, outermost first; rank 0 is a scalar of size 1.
class shape {
 public:
  static constexpr int max_rank = 6;

  constexpr shape() = default;
  /// \throws error beyond `max_rank` axes.
  constexpr shape(std::initializer_list<index_t> extents) {
    if (extents.size() > max_rank)
      fail({"shape", "", "more than six axes were given", "Fold some axes into one"});
    for (auto const extent : extents) extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  [[nodiscard]] constexpr int rank() const noexcept { return rank_; }

  /// The extent of `axis`; negative axes count from the end.
  [[nodiscard]] constexpr index_t operator[](int axis) const noexcept {
    return extents_[static_cast<std::size_t>(axis < 0 ? rank_ + axis : axis)];
  }

  /// The number of elements.
  [[nodiscard]] constexpr index_t size() const noexcept {
    index_t product = 1;
    for (int axis = 0; axis < rank_; ++axis) product *= extents_[static_cast<std::size_t>(axis)];
    return product;
  }

  /// All axes but the last, folded: the number of rows of the array seen as a matrix.
  [[nodiscard]] constexpr index_t rows() const noexcept {
    return rank_ == 0 || (*this)[-1] == 0 ? 0 : size() / (*this)[-1];
  }

  /// One axis more, the innermost.
  constexpr void append(index_t extent) {
    if (rank_ == max_rank)
      fail({"shape", "", "more than six axes were asked for", "Fold some axes into one"});
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  /// Equal axes, equally many.
  friend constexpr bool operator==(shape const& a, shape const& b) noexcept {
    if (a.rank_ != b.rank_) return false;
    for (int axis = 0; axis < a.rank_; ++axis)
      if (a[axis] != b[axis]) return false;
    return true;
  }

 private:
  std::array<index_t, max_rank> extents_{};
  int rank_ = 0;
};

/// "[2, 3, 4]", for messages.
[[nodiscard]] inline std::string to_string(shape const& extents) {
  std::string text = "[";
  for (int axis = 0; axis < extents.rank(); ++axis)
    text += (axis == 0 ? "" : ", ") + std::to_string(extents[axis]);
  return text + "]";
}

/// A contiguous row-major array somewhere in a backend's memory. `data` may be null only when nothing is
/// there at all (an optional operand that was not given).
template <class T>
struct array_view {
  T* data = nullptr;
  shape extents{};

  [[nodiscard]] SYSDPO_HOST_DEVICE index_t size() const noexcept { return extents.size(); }
  [[nodiscard]] SYSDPO_HOST_DEVICE T& operator[](index_t i) const noexcept { return data[i]; }
  [[nodiscard]] explicit operator bool() const noexcept { return data != nullptr; }

  /// A view of mutable elements is also a view of constant ones.
  template <class Constant>
    requires(!std::is_const_v<T> && std::is_same_v<Constant, T const>)
  operator array_view<Constant>() const noexcept {  // NOLINT(google-explicit-constructor)
    return {data, extents};
  }
};

/// Where a gradient goes. Null: nobody wants it, skip the work. `accumulate`: add to what is there (`+=`);
/// otherwise the content is garbage and must be overwritten (`=`). Every backward implementation honours
/// both.
template <class T>
struct gradient_view {
  T* data = nullptr;
  shape extents{};
  bool accumulate = false;

  [[nodiscard]] index_t size() const noexcept { return extents.size(); }
  [[nodiscard]] explicit operator bool() const noexcept { return data != nullptr; }
};

}  // namespace sysdpo
