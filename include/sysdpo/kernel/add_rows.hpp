// A row for each image, added at all its places: x, y [images, places, channels], rows [images, channels].
// With one image it adds a bias to the rows of a matrix. Bound by memory. The gradient of rows is
// kernel/column_sums.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// y[n, p, c] = x[n, p, c] + rows[n, c]. y may be x.
template <class T>
struct add_rows {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    T const* rows;
    index_t images;
    index_t places;
    int channels;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return blocks_for<threads, pack_width<T>>(size_of(given)); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    bool const aligned = given.channels % n == 0 && is_aligned<n>(given.x, 0) &&
                         is_aligned<n>(given.rows, 0) && is_aligned<n>(given.y, 0);
    auto const image_size = given.places * given.channels;
    sweep_span<threads, n>(block, size_of(given), aligned, [&](index_t i, auto size) {
      float x[size.value];
      float row[size.value];
      load(x, given.x + i);
      load(row, given.rows + i / image_size * given.channels + i % given.channels);
      for (int j = 0; j < size.value; ++j) x[j] += row[j];
      store(given.y + i, x);
    });
  }

 private:
  static SYSDPO_HOST_DEVICE index_t size_of(arguments const& given) {
    return given.images * given.places * given.channels;
  }
};

}  // namespace sysdpo::kernel
