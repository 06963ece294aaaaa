// Rows side by side: a [rows, left], b [rows, right], y [rows, left + right]. Bound by memory. Nothing
// aliases.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// y[r] = [a[r], b[r]].
template <class T>
struct concat {
  static constexpr int threads = 256;
  struct arguments {
    T const* a;
    T const* b;
    index_t rows;
    int left;
    int right;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.rows * (given.left + given.right));
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    int const width = given.left + given.right;
    bool const aligned = given.left % n == 0 && given.right % n == 0 && is_aligned<n>(given.a, 0) &&
                         is_aligned<n>(given.b, 0) && is_aligned<n>(given.y, 0);
    sweep_span<threads, n>(block, given.rows * width, aligned, [&](index_t i, auto size) {
      auto const row = i / width;
      int const column = static_cast<int>(i - row * width);
      float x[size.value];
      if (column < given.left)
        load(x, given.a + row * given.left + column);
      else
        load(x, given.b + row * given.right + column - given.left);
      store(given.y + i, x);
    });
  }
};

/// da and db are the two sides of dy, or += them; either may be null.
template <class T>
struct concat_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* dy;
    index_t rows;
    int left;
    int right;
    T* da;
    T* db;
    bool accumulate_da;
    bool accumulate_db;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.rows * (given.left + given.right));
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    int const width = given.left + given.right;
    bool const aligned = given.left % n == 0 && given.right % n == 0 && is_aligned<n>(given.dy, 0) &&
                         is_aligned<n>(given.da, 0) && is_aligned<n>(given.db, 0);
    sweep_span<threads, n>(block, given.rows * width, aligned, [&](index_t i, auto size) {
      auto const row = i / width;
      int const column = static_cast<int>(i - row * width);
      bool const is_left = column < given.left;
      if ((is_left ? given.da : given.db) == nullptr) return;
      float x[size.value];
      load(x, given.dy + i);
      if (is_left)
        store(given.da + row * given.left + column, x, given.accumulate_da);
      else
        store(given.db + row * given.right + column - given.left, x, given.accumulate_db);
    });
  }
};

}  // namespace sysdpo::kernel
