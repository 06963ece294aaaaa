// y = x · sigmoid(x), the sigmoid linear unit (swish).
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct silu_op;

/// x of any shape → the same shape, element by element.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> silu(tape<Backend, T>& tape, variable<Backend, T> const& x) {
  tensor<Backend, T> y(x.extents());
  implement<silu_op, Backend>::forward(x.view(), y.view());
  return tape.record(std::move(y), {x}, [x = x.value(), dx = gradient_of(x)](array_view<T const> dy) {
    implement<silu_op, Backend>::backward(x.const_view(), dy, dx.sink());
  });
}

}  // namespace sysdpo
