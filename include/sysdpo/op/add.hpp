// y = a + b, the residual connection.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct add_op;

/// a and b of one size → the extents of a. \throws error if the sizes differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> add(tape<Backend, T>& tape, variable<Backend, T> const& a,
                                       variable<Backend, T> const& b) {
  if (a.extents().size() != b.extents().size())
    fail({"add", to_string(a.extents()) + " + " + to_string(b.extents()), "the sizes differ",
          "Give operands of one size"});
  tensor<Backend, T> y(a.extents());
  implement<add_op, Backend>::forward(a.view(), b.view(), y.view());
  return tape.record(std::move(y), {a, b},
                     [da = gradient_of(a), db = gradient_of(b)](array_view<T const> dy) {
                       implement<add_op, Backend>::backward(dy, da.sink());
                       implement<add_op, Backend>::backward(dy, db.sink());
                     });
}

}  // namespace sysdpo
