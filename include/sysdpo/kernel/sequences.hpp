// Where a row of packed sequences belongs: `offsets` [sequences + 1] delimit the rows of each.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// The sequence of a row; those without rows have none.
[[nodiscard]] SYSDPO_DEVICE inline int sequence_of(std::int32_t const* offsets, int sequences, index_t row) {
  int low = 0;
  int high = sequences;
  while (high - low > 1) {
    int const middle = (low + high) / 2;
    (offsets[middle] <= row ? low : high) = middle;
  }
  return low;
}

}  // namespace sysdpo::kernel
