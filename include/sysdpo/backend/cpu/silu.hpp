// silu(x) = x · sigmoid(x) and its slope on the CPU, element by element; y may alias x.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct silu_op;

namespace cpu_detail {

/// x · sigmoid(x) as an expression over an array.
template <class Array>
[[nodiscard]] auto silu(Array const& x) {
  using scalar = typename Array::Scalar;
  return x / (scalar{1} + (-x).exp());
}

/// The slope of silu from x and s = sigmoid(x).
template <class Array, class Sigmoid>
[[nodiscard]] auto silu_slope(Array const& x, Sigmoid const& s) {
  using scalar = typename Array::Scalar;
  return s * (scalar{1} + x * (scalar{1} - s));
}

/// Elements that loops with an intermediate result take at a time, so that it stays in the cache.
inline constexpr index_t tile_elements = 256;
template <class T>
using tile_array = Eigen::Array<T, Eigen::Dynamic, 1, 0, tile_elements, 1>;

/// Calls body(first, count) for tiles of at most `tile_elements` that cover [0, size), over the threads.
template <class Body>
void for_each_tile(index_t size, Body&& body) {
  parallel_for(size, elementwise_grain, [&](index_t begin, index_t end) {
    for (auto first = begin; first < end; first += tile_elements)
      body(first, std::min(tile_elements, end - first));
  });
}

}  // namespace cpu_detail

template <>
struct implement<silu_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T> y) {
    using namespace cpu_detail;
    for_each_tile(y.size(), [&](index_t first, index_t count) {
      array_map<T>(y.data + first, count) = cpu_detail::silu(const_array_map<T>(x.data + first, count));
    });
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> dy, gradient_view<T> dx) {
    using namespace cpu_detail;
    for_each_tile(dy.size(), [&](index_t first, index_t count) {
      const_array_map<T> const input(x.data + first, count);
      tile_array<T> const sigmoid = (T{1} + (-input).exp()).inverse();
      store(array_map<T>(dx.data + first, count), dx.accumulate,
            const_array_map<T>(dy.data + first, count) * silu_slope(input, sigmoid));
    });
  }
};

}  // namespace sysdpo
