// One comparison: two complete assignments of a system's values for the same sources, one preferred.
#pragma once

#include <cstdint>

#include "sysdpo/graph/system.hpp"

namespace sysdpo {

/// `chosen` and `rejected` hold the same source values; every node's value is observed in both. `id` names
/// the pair for good: random draws are keyed by it, never by the place in a batch, so ids are distinct within
/// a data set. `weight` multiplies the pair's loss.
template <class System>
struct preference {
  using system = System;

  std::uint64_t id = 0;
  assignment<System> chosen;
  assignment<System> rejected;
  double weight = 1;
};

}  // namespace sysdpo
