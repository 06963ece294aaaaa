// The people's side of matrices: an array of two axes as an Eigen matrix, without a copy. The map lives as
// long as the elements.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "sysdpo/core/array_view.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// `view` [rows, columns] as a row-major Eigen matrix; elements can be written where T is not const.
template <class T>
[[nodiscard]] auto as_matrix(array_view<T> view) {
  using matrix = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using map = Eigen::Map<std::conditional_t<std::is_const_v<T>, matrix const, matrix>>;
  if (view.extents.rank() != 2)
    fail({.thing = "as_matrix",
          .place = to_string(view.extents),
          .cause = "a matrix has two axes",
          .remedy = "Fold or pick axes until two are left"});
  return map(view.data, view.extents[0], view.extents[1]);
}

}  // namespace sysdpo
