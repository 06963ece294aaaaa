// The check of ids against the size of a table on the CPU.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

struct check_ids_op;

template <>
struct implement<check_ids_op, cpu> {
  static void forward(char const* user, char const* table, array_view<std::int32_t const> ids,
                      index_t bound) {
    for (index_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || ids[i] >= bound)
        fail({user, "position " + std::to_string(i),
              "id " + std::to_string(ids[i]) + " lies outside the " + table + " of " + std::to_string(bound),
              "Use ids from 0 to " + std::to_string(bound - 1)});
  }
};

}  // namespace sysdpo
