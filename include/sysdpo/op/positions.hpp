// The position of each packed row within its sequence: starts[i], starts[i] + 1, … for sequence i.
#pragma once

#include "sysdpo/tensor/packed.hpp"

namespace sysdpo {

struct positions_op;

/// → [total]. `starts` [count], or empty for sequences that start at 0. Takes no part in differentiation.
template <class Backend>
[[nodiscard]] tensor<Backend, std::int32_t> positions(packed_sequences<Backend> const& sequences,
                                                      tensor<Backend, std::int32_t> const& starts = {}) {
  tensor<Backend, std::int32_t> made({sequences.total});
  implement<positions_op, Backend>::forward(sequences.offsets.const_view(), starts.const_view(), made.view());
  return made;
}

}  // namespace sysdpo
