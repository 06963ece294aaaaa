// What each row of packed sequences takes from its sequence: `offsets` [sequences + 1] delimit their rows,
// `total` in all. A row a thread, which searches for its sequence; small arrays, bound by latency.
#pragma once

#include "sysdpo/kernel/sequences.hpp"

namespace sysdpo::kernel {

/// positions [total]: starts[i], starts[i] + 1, … for sequence i; `starts` [sequences] may be null, for 0.
struct positions {
  static constexpr int threads = 128;
  struct arguments {
    std::int32_t const* offsets;
    std::int32_t const* starts;
    int sequences;
    index_t total;
    std::int32_t* positions;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.total, threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const row = block.index() * threads + block.thread();
    if (row >= given.total) return;
    int const sequence = sequence_of(given.offsets, given.sequences, row);
    given.positions[row] = static_cast<std::int32_t>(row) - given.offsets[sequence] +
                           (given.starts == nullptr ? 0 : given.starts[sequence]);
  }
};

/// dx [total] = dy [sequences] of each row's sequence, or += it: the gradient of a sum over sequences.
struct spread {
  static constexpr int threads = 128;
  struct arguments {
    std::int32_t const* offsets;
    float const* dy;
    int sequences;
    index_t total;
    float* dx;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.total, threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const row = block.index() * threads + block.thread();
    if (row >= given.total) return;
    float const dy[1] = {given.dy[sequence_of(given.offsets, given.sequences, row)]};
    store(given.dx + row, dy, given.accumulate);
  }
};

}  // namespace sysdpo::kernel
