// Rows to their places: x [rows, width], places [rows], all different, to [to_rows, width]. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// to[places[n]] = x[n]; rows whose place is not there go nowhere. Nothing aliases.
template <class T>
struct scatter_rows {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    std::int32_t const* places;
    index_t rows;
    index_t to_rows;
    int width;
    T* to;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.rows * given.width);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.to, 0);
    sweep_span<threads, n>(block, given.rows * given.width, aligned, [&](index_t i, auto size) {
      index_t const place = given.places[i / given.width];
      if (place < 0 || place >= given.to_rows) return;
      float x[size.value];
      load(x, given.x + i);
      store(given.to + place * given.width + i % given.width, x);
    });
  }
};

}  // namespace sysdpo::kernel
