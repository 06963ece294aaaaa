// Matrix products on the CPU: the one place that calls Eigen's GEMM, or oneDNN's where the build has it.
// Row-major with leading dimensions, cut over the threads along the longer side of the result.
#pragma once

#include <Eigen/Core>

#include "sysdpo/backend/cpu/onednn.hpp"
#include "sysdpo/backend/cpu/parallel.hpp"

namespace sysdpo::cpu_detail {

template <class T>
using row_major = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using matrix_map = Eigen::Map<row_major<T>, 0, Eigen::OuterStride<>>;
template <class T>
using const_matrix_map = Eigen::Map<row_major<T> const, 0, Eigen::OuterStride<>>;
template <class T>
using array_map = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using const_array_map = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1> const>;

/// A matrix operand: `rows` × `columns` as stored, `stride` elements from row to row, used transposed or not.
template <class T>
struct operand {
  T const* data;
  index_t rows;
  index_t columns;
  index_t stride;
  bool transposed = false;
};

template <class T>
[[nodiscard]] operand<T> stored(T const* data, index_t rows, index_t columns) {
  return {data, rows, columns, columns, false};
}
template <class T>
[[nodiscard]] operand<T> transpose(operand<T> matrix) {
  matrix.transposed = !matrix.transposed;
  return matrix;
}

/// c = a·b, or c += a·b. c is m × n with `c_stride` elements from row to row; a is m × k and b k × n after
/// transposition. c aliases neither.
template <class T>
void multiply(operand<T> const& a, operand<T> const& b, T* c, index_t c_stride, bool accumulate) {
  auto const m = a.transposed ? a.columns : a.rows;
  auto const k = a.transposed ? a.rows : a.columns;
  auto const n = b.transposed ? b.rows : b.columns;
  if (m == 0 || n == 0) return;
  auto const part = [&](index_t row, index_t rows, index_t column, index_t columns) {
    if constexpr (has_onednn && std::is_same_v<T, float>) {
      constexpr index_t worth_a_call = 1 << 15;  // multiply-adds: below, Eigen is as fast
      if (rows * columns * k >= worth_a_call)
        return onednn_multiply(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', rows, columns, k,
                               a.transposed ? a.data + row : a.data + row * a.stride, a.stride,
                               b.transposed ? b.data + column * b.stride : b.data + column, b.stride,
                               accumulate ? 1.0F : 0.0F, c + row * c_stride + column, c_stride);
    }
    matrix_map<T> out(c + row * c_stride + column, rows, columns, Eigen::OuterStride<>(c_stride));
    auto const product = [&](auto const& left, auto const& right) {
      if (accumulate)
        out.noalias() += left * right;
      else
        out.noalias() = left * right;
    };
    auto const left =
        const_matrix_map<T>(a.transposed ? a.data + row : a.data + row * a.stride, a.transposed ? k : rows,
                            a.transposed ? rows : k, Eigen::OuterStride<>(a.stride));
    auto const right = const_matrix_map<T>(b.transposed ? b.data + column * b.stride : b.data + column,
                                           b.transposed ? columns : k, b.transposed ? k : columns,
                                           Eigen::OuterStride<>(b.stride));
    if (a.transposed && b.transposed)
      product(left.transpose(), right.transpose());
    else if (a.transposed)
      product(left.transpose(), right);
    else if (b.transposed)
      product(left, right.transpose());
    else
      product(left, right);
  };
  constexpr index_t worth_a_thread = 1 << 16;  // multiply-adds
  auto const grain = [&](index_t other) {
    return std::max<index_t>(8, worth_a_thread / std::max<index_t>(1, other * k));
  };
  if (m >= n)
    parallel_for(m, grain(n), [&](index_t begin, index_t end) { part(begin, end - begin, 0, n); });
  else
    parallel_for(n, grain(m), [&](index_t begin, index_t end) { part(0, m, begin, end - begin); });
}

/// destination = value or destination += value, as a gradient_view's `accumulate` says.
template <class Destination, class Value>
void store(Destination&& destination, bool accumulate, Value const& value) {
  if (accumulate)
    destination += value;
  else
    destination = value;
}

/// Elements below which an elementwise loop is not worth a second thread.
inline constexpr index_t elementwise_grain = 1 << 14;

}  // namespace sysdpo::cpu_detail
