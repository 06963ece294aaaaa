// y = x / sqrt(mean(x²) + ε) · γ over the last axis (Zhang and Sennrich, "Root mean square layer
// normalization", 2019).
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct rms_norm_op;

/// x [..., D], gamma [D] → the extents of x. \throws error if the widths differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> rms_norm(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                            variable<Backend, T> const& gamma, double epsilon = 1e-5) {
  if (x.extents().rank() == 0 || gamma.extents() != shape{x.extent(-1)})
    fail({"rms_norm", "x " + to_string(x.extents()) + ", gamma " + to_string(gamma.extents()),
          "the widths differ", "Give one gain per element of a row"});
  tensor<Backend, T> y(x.extents());
  tensor<Backend, widened<T>> inverse({x.extents().rows()});
  implement<rms_norm_op, Backend>::forward(x.view(), gamma.view(), epsilon, y.view(), inverse.view());
  return tape.record(std::move(y), {x, gamma},
                     [x = x.value(), gamma = gamma.value(), inverse, dx = gradient_of(x),
                      dgamma = gradient_of(gamma)](array_view<T const> dy) {
                       implement<rms_norm_op, Backend>::backward(x.const_view(), gamma.const_view(),
                                                                 inverse.const_view(), dy, dx.sink(),
                                                                 dgamma.sink());
                     });
}

}  // namespace sysdpo
