// The number formats of a run: how weights are stored, what ops compute in, what sums over many terms are
// kept in.
#pragma once

namespace sysdpo {

/// `Parameter` is the storage of weights, `Compute` the type of activations and gradients, `Accumulate` that
/// of optimiser state and long sums. `precision<float>` is plain fp32; `precision<bf16, float>` stores
/// weights in half the memory.
template <class Parameter, class Compute = Parameter, class Accumulate = Compute>
struct precision {
  using parameter = Parameter;
  using compute = Compute;
  using accumulate = Accumulate;
};

}  // namespace sysdpo
