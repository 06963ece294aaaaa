// y = silu(gate)·up with silu(g) = g / (1 + exp(−g)) (Shazeer, "GLU variants improve transformer", 2020).
#pragma once

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct swiglu_op;

/// gate and up of the same extents → these extents. \throws error if they differ.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> swiglu(tape<Backend, T>& tape, variable<Backend, T> const& gate,
                                          variable<Backend, T> const& up) {
  if (gate.extents() != up.extents())
    fail({"swiglu", "gate " + to_string(gate.extents()) + ", up " + to_string(up.extents()),
          "the extents differ", "Give operands of one shape"});
  tensor<Backend, T> y(gate.extents());
  implement<swiglu_op, Backend>::forward(gate.view(), up.view(), y.view());
  return tape.record(std::move(y), {gate, up},
                     [gate = gate.value(), up = up.value(), dgate = gradient_of(gate),
                      dup = gradient_of(up)](array_view<T const> dy) {
                       auto const gate_sink = dgate.sink();  // the first to write if both operands are one
                       auto const up_sink = dup.sink();
                       implement<swiglu_op, Backend>::backward(gate.const_view(), up.const_view(), dy,
                                                               gate_sink, up_sink);
                     });
}

}  // namespace sysdpo
