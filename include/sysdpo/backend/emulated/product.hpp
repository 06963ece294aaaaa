// Products of matrices where a GPU would ask its library: plain loops.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "sysdpo/backend/emulated/backend.hpp"
#include "sysdpo/kernel/number.hpp"

namespace sysdpo {

template <>
struct implement<product_op, emulated> {
  /// c [M, N] = a·b, or c += a·b. Sums are float.
  template <class T, class Out>
  static void forward(matrix_view<T const> a, matrix_view<T const> b, matrix_view<Out> c, bool accumulate) {
    forward(a, b, nullptr, c, accumulate);
  }

  /// The same with bias [N], unless null, added to each row of c.
  template <class T, class Out>
  static void forward(matrix_view<T const> a, matrix_view<T const> b, std::type_identity_t<Out> const* bias,
                      matrix_view<Out> c, bool accumulate) {
    emulated::issue<multiply<T, Out>>(operands<T, Out>{a, b, bias, c, accumulate});
  }

 private:
  template <class T, class Out>
  struct operands {
    matrix_view<T const> a, b;
    Out const* bias;
    matrix_view<Out> c;
    bool accumulate;
  };

  template <class T, class Out>
  static void multiply(operands<T, Out> const& given) {
    auto const depth = given.a.transposed ? given.a.rows : given.a.columns;
    auto const columns = static_cast<std::size_t>(given.c.columns);
    std::vector<float> const left = dense(given.a);
    std::vector<float> const right = dense(given.b);
    std::vector<float> sums(columns);
    for (index_t i = 0; i < given.c.rows; ++i) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      for (index_t k = 0; k < depth; ++k) {
        auto const factor = left[static_cast<std::size_t>(i * depth + k)];
        auto const* const row = right.data() + k * given.c.columns;
        for (std::size_t j = 0; j < columns; ++j) sums[j] += factor * row[j];
      }
      for (std::size_t j = 0; j < columns; ++j) {
        auto& to = given.c.data[i * given.c.columns + static_cast<index_t>(j)];
        auto sum = sums[j];
        if (given.bias != nullptr) sum += kernel::to_float(given.bias[j]);
        if (given.accumulate) sum += kernel::to_float(to);
        to = kernel::from_float<Out>(sum);
      }
    }
  }

  /// The matrix that is meant, row by row.
  template <class T>
  static std::vector<float> dense(matrix_view<T const> m) {
    std::vector<float> made(static_cast<std::size_t>(m.rows * m.columns));
    for (index_t i = 0; i < m.rows; ++i)
      for (index_t j = 0; j < m.columns; ++j)
        made[static_cast<std::size_t>(m.transposed ? j * m.rows + i : i * m.columns + j)] =
            kernel::to_float(m.data[i * m.columns + j]);
    return made;
  }
};

}  // namespace sysdpo
