// Two axes change places: x [outer, a, b], y [outer, b, a], as weights of convolutions do between OIHW and
// OHWI. An element a thread; reads lie apart, so it is for arrays that the L2 cache holds. Nothing aliases.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// y[n, j, i] = x[n, i, j], or += it.
template <class T>
struct swap_axes {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    index_t outer;
    int a;
    int b;
    T* y;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(size_of(given), threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const at = block.index() * threads + block.thread();
    if (at >= size_of(given)) return;
    auto const row = at / given.a;  // n·b + j
    auto const n = row / given.b;
    float x[1];
    load(x, given.x + (n * given.a + (at - row * given.a)) * given.b + (row - n * given.b));
    store(given.y + at, x, given.accumulate);
  }

 private:
  static SYSDPO_HOST_DEVICE index_t size_of(arguments const& given) {
    return given.outer * given.a * given.b;
  }
};

}  // namespace sysdpo::kernel
