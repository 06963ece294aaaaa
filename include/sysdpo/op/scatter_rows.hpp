// to[rows[n]] = from[n]: what a key-value cache takes in. No gradient.
#pragma once

#include "sysdpo/op/check_ids.hpp"
#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct scatter_rows_op;

/// from [N, ...], rows [N] all different, to [M, ...] of the same row size. \throws error if they do not fit.
template <class Backend, class T>
void scatter_rows(tensor<Backend, T> const& from, tensor<Backend, std::int32_t> const& rows,
                  tensor<Backend, T> const& to) {
  if (from.extents().rank() == 0 || to.extents().rank() == 0 || from.extent(0) != rows.size() ||
      from.size() * to.extent(0) != to.size() * from.extent(0))
    fail({"scatter_rows", "from " + to_string(from.extents()) + ", to " + to_string(to.extents()),
          "the rows do not fit", "Give rows of one size and a place for each"});
  check_ids("scatter_rows", "destination", rows, to.extent(0));
  implement<scatter_rows_op, Backend>::forward(from.const_view(), rows.const_view(), to.view());
}

}  // namespace sysdpo
