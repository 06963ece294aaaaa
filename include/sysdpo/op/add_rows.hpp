// One vector an image, added at all its places: how the time embedding enters a UNet.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct add_rows_op;

/// x [N, ..., C], rows [N, C] → x[n, ..., c] + rows[n, c]. \throws error if N or C differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> add_rows(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                            variable<Backend, T> const& rows) {
  if (x.extents().rank() < 2 || rows.extents() != shape{x.extent(0), x.extents()[-1]})
    fail({"add_rows", "x " + to_string(x.extents()) + ", rows " + to_string(rows.extents()),
          "the extents differ", "Give one row of channels an image"});
  tensor<Backend, T> y(x.extents());
  implement<add_rows_op, Backend>::forward(x.view(), rows.view(), y.view());
  return tape.record(std::move(y), {x, rows},
                     [dx = gradient_of(x), drows = gradient_of(rows)](array_view<T const> dy) {
                       auto const images = dx.sink();  // in this order: x and rows may be one variable
                       auto const sums = drows.sink();
                       implement<add_rows_op, Backend>::backward(dy, images, sums);
                     });
}

}  // namespace sysdpo
