// Two arrays side by side along the last axis: the skip connections of UNets.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct concat_op;

/// a [..., A], b [..., B] → [..., A + B]. \throws error if the other extents differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> concat(tape<Backend, T>& tape, variable<Backend, T> const& a,
                                          variable<Backend, T> const& b) {
  auto fits = a.extents().rank() > 0 && a.extents().rank() == b.extents().rank();
  shape extents;
  for (int axis = 0; fits && axis + 1 < a.extents().rank(); ++axis) {
    fits = a.extent(axis) == b.extent(axis);
    extents.append(a.extent(axis));
  }
  if (!fits)
    fail({"concat", to_string(a.extents()) + " | " + to_string(b.extents()), "the outer extents differ",
          "Give operands that differ in the last extent at most"});
  extents.append(a.extents()[-1] + b.extents()[-1]);

  tensor<Backend, T> y(extents);
  implement<concat_op, Backend>::forward(a.view(), b.view(), y.view());
  return tape.record(
      std::move(y), {a, b},
      [width = a.extents()[-1], da = gradient_of(a), db = gradient_of(b)](array_view<T const> dy) {
        auto const left = da.sink();  // in this order: a and b may be one variable
        auto const right = db.sink();
        implement<concat_op, Backend>::backward(dy, left, right, width);
      });
}

}  // namespace sysdpo
