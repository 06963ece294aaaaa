// Nearest-neighbour upsampling by 2: x [images, height, width, channels], y [images, 2·height, 2·width,
// channels]. Bound by memory. Nothing aliases.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

namespace detail {

/// x's sizes, and where its elements go.
struct upsample_layout {
  index_t images;
  int height, width, channels;

  /// Elements of x.
  [[nodiscard]] SYSDPO_HOST_DEVICE index_t size() const { return images * height * row(); }
  /// Elements of a row of x.
  [[nodiscard]] SYSDPO_HOST_DEVICE int row() const { return width * channels; }
  /// Of element i of x, the place of its first copy. The second is `channels` further on, the others a row of
  /// y below, which is 2 · row().
  [[nodiscard]] SYSDPO_HOST_DEVICE index_t first_copy(index_t i) const {
    auto const line = i / row();
    int const within = static_cast<int>(i - line * row());
    return line * 4 * row() + within + within / channels * channels;
  }
};

}  // namespace detail

/// Each element of x to its four places of y.
template <class T>
struct upsample {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    detail::upsample_layout layout;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.layout.size());
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const& layout = given.layout;
    bool const aligned = layout.channels % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.y, 0);
    sweep_span<threads, n>(block, layout.size(), aligned, [&](index_t i, auto size) {
      float x[size.value];
      load(x, given.x + i);
      auto* const upper = given.y + layout.first_copy(i);
      auto* const lower = upper + 2 * layout.row();
      store(upper, x);
      store(upper + layout.channels, x);
      store(lower, x);
      store(lower + layout.channels, x);
    });
  }
};

/// dx = the sum of dy over the four copies, or += it.
template <class T>
struct upsample_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* dy;
    detail::upsample_layout layout;
    T* dx;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.layout.size());
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const& layout = given.layout;
    bool const aligned = layout.channels % n == 0 && is_aligned<n>(given.dy, 0) && is_aligned<n>(given.dx, 0);
    sweep_span<threads, n>(block, layout.size(), aligned, [&](index_t i, auto size) {
      auto const* const upper = given.dy + layout.first_copy(i);
      auto const* const lower = upper + 2 * layout.row();
      float a[size.value];
      float b[size.value];
      float c[size.value];
      float d[size.value];
      load(a, upper);
      load(b, upper + layout.channels);
      load(c, lower);
      load(d, lower + layout.channels);
      for (int j = 0; j < size.value; ++j) a[j] = (a[j] + b[j]) + (c[j] + d[j]);
      store(given.dx + i, a, given.accumulate);
    });
  }
};

}  // namespace sysdpo::kernel
