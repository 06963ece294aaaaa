// y = x·Wᵀ + b, the affine map of every projection.
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct linear_op;

/// x [..., I], weight [O, I] (the layout of PyTorch and of safetensors files), bias [O] or empty → [..., O].
/// \throws error if the inner extents differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> linear(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                          variable<Backend, T> const& weight,
                                          variable<Backend, T> const& bias = {}) {
  if (weight.extents().rank() != 2 || x.extents()[-1] != weight.extent(1))
    fail({"linear", "x " + to_string(x.extents()) + ", weight " + to_string(weight.extents()),
          "the inner extents differ", "Give a weight of [outputs, inputs]"});
  if (bias && bias.extents() != shape{weight.extent(0)})
    fail({"linear", "bias " + to_string(bias.extents()),
          "the weight has " + std::to_string(weight.extent(0)) + " outputs", "Give one bias per output"});
  shape extents;
  for (int axis = 0; axis + 1 < x.extents().rank(); ++axis) extents.append(x.extent(axis));
  extents.append(weight.extent(0));

  tensor<Backend, T> y(extents);
  implement<linear_op, Backend>::forward(x.view(), weight.view(), bias.view(), y.view());
  return tape.record(std::move(y), {x, weight, bias},
                     [x = x.value(), w = weight.value(), dx = gradient_of(x), dw = gradient_of(weight),
                      dbias = gradient_of(bias)](array_view<T const> dy) {
                       implement<linear_op, Backend>::backward(x.const_view(), w.const_view(), dy, dx.sink(),
                                                               dw.sink(), dbias.sink());
                     });
}

}  // namespace sysdpo
