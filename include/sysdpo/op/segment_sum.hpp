// Sums over the rows of each packed sequence: token log-probabilities to those of whole answers.
#pragma once

#include "sysdpo/tensor/packed.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct segment_sum_op;

/// x [N] → [count], the sum of each sequence, 0 for an empty one; summed in double on the CPU.
/// \throws error if the sequences do not hold N rows.
template <class Backend, class T, class U>
[[nodiscard]] variable<Backend, U> segment_sum(tape<Backend, T>& tape, variable<Backend, U> const& x,
                                               packed_sequences<Backend> const& sequences) {
  if (x.extents() != shape{sequences.total})
    fail({"segment_sum", "x " + to_string(x.extents()),
          "the sequences hold " + std::to_string(sequences.total) + " rows",
          "Give one number per packed row"});
  tensor<Backend, U> y({sequences.count});
  implement<segment_sum_op, Backend>::forward(x.view(), sequences.offsets.const_view(), y.view());
  return tape.record(std::move(y), {x},
                     [offsets = sequences.offsets, dx = gradient_of(x)](array_view<U const> dy) {
                       implement<segment_sum_op, Backend>::backward(offsets.const_view(), dy, dx.sink());
                     });
}

}  // namespace sysdpo
