// y = a · gelu(b) for x = [a, b], the gated unit of diffusion transformers (Shazeer, "GLU variants improve
// transformer", 2020). gelu is the exact one, b · Φ(b).
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct geglu_op;

/// x [..., 2D] → [..., D]. \throws error if the last extent is odd.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> geglu(tape<Backend, T>& tape, variable<Backend, T> const& x) {
  if (x.extents().rank() == 0 || x.extents()[-1] % 2 != 0)
    fail({"geglu", "x " + to_string(x.extents()), "the last extent is not even",
          "Give values and gates, [..., 2D]"});
  shape extents;
  for (int axis = 0; axis + 1 < x.extents().rank(); ++axis) extents.append(x.extent(axis));
  extents.append(x.extents()[-1] / 2);

  tensor<Backend, T> y(extents);
  implement<geglu_op, Backend>::forward(x.view(), y.view());
  return tape.record(std::move(y), {x}, [x = x.value(), dx = gradient_of(x)](array_view<T const> dy) {
    implement<geglu_op, Backend>::backward(x.const_view(), dy, dx.sink());
  });
}

}  // namespace sysdpo
