// y = [a, b] along the last axis on the CPU. a [..., A], b [..., B], y [..., A + B]; nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct concat_op;

template <>
struct implement<concat_op, cpu> {
  template <class T>
  static void forward(array_view<T const> a, array_view<T const> b, array_view<T> y) {
    auto const left = a.extents[-1];
    auto const right = b.extents[-1];
    for_each_row(y.extents, [&](index_t row) {
      auto* const to = y.data + row * (left + right);
      std::copy_n(a.data + row * left, left, to);
      std::copy_n(b.data + row * right, right, to + left);
    });
  }

  /// da and db are the two sides of dy, where wanted; a has `left` columns.
  template <class T>
  static void backward(array_view<T const> dy, gradient_view<T> da, gradient_view<T> db, index_t left) {
    auto const width = dy.extents[-1];
    auto const side = [&](gradient_view<T> to, index_t row, index_t first, index_t count) {
      if (to)
        cpu_detail::store(cpu_detail::array_map<T>(to.data + row * count, count), to.accumulate,
                          cpu_detail::const_array_map<T>(dy.data + row * width + first, count));
    };
    for_each_row(dy.extents, [&](index_t row) {
      side(da, row, 0, left);
      side(db, row, left, width - left);
    });
  }

 private:
  template <class Body>
  static void for_each_row(shape const& extents, Body&& body) {
    parallel_for(extents.rows(), 1 + cpu_detail::elementwise_grain / (extents[-1] + 1),
                 [&](index_t begin, index_t end) {
                   for (auto row = begin; row < end; ++row) body(row);
                 });
  }
};

}  // namespace sysdpo
