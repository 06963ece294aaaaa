// y = (x − mean) / sqrt(variance + ε) · γ + β over the last axis (Ba, Kiros and Hinton, "Layer
// normalization", 2016).
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct layer_norm_op;

/// x [..., D], gamma [D], beta [D] → the extents of x. \throws error if the widths differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> layer_norm(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                              variable<Backend, T> const& gamma,
                                              variable<Backend, T> const& beta, double epsilon = 1e-5) {
  if (x.extents().rank() == 0 || gamma.extents() != shape{x.extent(-1)} || beta.extents() != gamma.extents())
    fail({"layer_norm",
          "x " + to_string(x.extents()) + ", gamma " + to_string(gamma.extents()) + ", beta " +
              to_string(beta.extents()),
          "the widths differ", "Give one gain and one bias per element of a row"});
  tensor<Backend, T> y(x.extents());
  tensor<Backend, widened<T>> statistics({x.extents().rows(), 2});
  implement<layer_norm_op, Backend>::forward(x.view(), gamma.view(), beta.view(), epsilon, y.view(),
                                             statistics.view());
  return tape.record(std::move(y), {x, gamma, beta},
                     [x = x.value(), gamma = gamma.value(), statistics, dx = gradient_of(x),
                      dgamma = gradient_of(gamma), dbeta = gradient_of(beta)](array_view<T const> dy) {
                       implement<layer_norm_op, Backend>::backward(x.const_view(), gamma.const_view(),
                                                                   statistics.const_view(), dy, dx.sink(),
                                                                   dgamma.sink(), dbeta.sink());
                     });
}

}  // namespace sysdpo
