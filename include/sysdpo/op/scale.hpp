// y = c·x for a number c.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct scale_op;

/// x of any extents → the same extents.
template <class Backend, class T, class U>
[[nodiscard]] variable<Backend, U> scale(tape<Backend, T>& tape, variable<Backend, U> const& x,
                                         double factor) {
  tensor<Backend, U> y(x.extents());
  implement<scale_op, Backend>::forward(x.view(), factor, y.view());
  return tape.record(std::move(y), {x}, [factor, dx = gradient_of(x)](array_view<U const> dy) {
    implement<scale_op, Backend>::backward(dy, factor, dx.sink());
  });
}

}  // namespace sysdpo
