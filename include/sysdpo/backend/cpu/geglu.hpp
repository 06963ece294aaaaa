// y = a · b · Φ(b) on the CPU for rows x = [a, b]. x [..., 2D], y [..., D]; nothing aliases.
#pragma once

#include <numbers>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/normal_distribution.hpp"
#include "sysdpo/backend/cpu/silu.hpp"

namespace sysdpo {

struct geglu_op;

namespace cpu_detail {

/// Calls body(row, first, count) for pieces of at most `tile_elements` of each of `rows` rows of `width`
/// elements.
template <class Body>
void for_each_row_tile(index_t rows, index_t width, Body&& body) {
  parallel_for(rows, 1 + elementwise_grain / (width + 1), [&](index_t begin, index_t end) {
    for (auto row = begin; row < end; ++row)
      for (index_t first = 0; first < width; first += tile_elements)
        body(row, first, std::min(tile_elements, width - first));
  });
}

}  // namespace cpu_detail

template <>
struct implement<geglu_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T> y) {
    using namespace cpu_detail;
    auto const width = y.extents[-1];
    for_each_row_tile(y.extents.rows(), width, [&](index_t row, index_t first, index_t count) {
      const_array_map<T> const value(x.data + 2 * row * width + first, count);
      const_array_map<T> const gate(x.data + (2 * row + 1) * width + first, count);
      array_map<T>(y.data + row * width + first, count) =
          value * gate * gate.unaryExpr(normal_distribution<T>{});
    });
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> dy, gradient_view<T> dx) {
    using namespace cpu_detail;
    auto const width = dy.extents[-1];
    auto const density_at_zero = std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
    for_each_row_tile(dy.extents.rows(), width, [&](index_t row, index_t first, index_t count) {
      auto const value_at = 2 * row * width + first;
      auto const gate_at = value_at + width;
      const_array_map<T> const value(x.data + value_at, count);
      const_array_map<T> const gate(x.data + gate_at, count);
      const_array_map<T> const upstream(dy.data + row * width + first, count);
      tile_array<T> const phi = gate.unaryExpr(normal_distribution<T>{});
      store(array_map<T>(dx.data + value_at, count), dx.accumulate, upstream * gate * phi);
      store(array_map<T>(dx.data + gate_at, count), dx.accumulate,
            upstream * value * (phi + gate * density_at_zero * (T{-0.5} * gate.square()).exp()));
    });
  }
};

}  // namespace sysdpo
