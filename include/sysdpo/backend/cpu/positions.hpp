// Positions of packed rows on the CPU. offsets [count + 1], starts [count] or absent, positions [total].
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

struct positions_op;

template <>
struct implement<positions_op, cpu> {
  static void forward(array_view<std::int32_t const> offsets, array_view<std::int32_t const> starts,
                      array_view<std::int32_t> positions) {
    for (index_t i = 0; i + 1 < offsets.size(); ++i)
      for (auto n = offsets[i]; n < offsets[i + 1]; ++n)
        positions[n] = n - offsets[i] + (starts ? starts[i] : 0);
  }
};

}  // namespace sysdpo
