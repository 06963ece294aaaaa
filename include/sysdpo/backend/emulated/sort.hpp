// Sorting of ids where a GPU would ask its library.
#pragma once

#include <algorithm>
#include <numeric>

#include "sysdpo/backend/emulated/backend.hpp"

namespace sysdpo {

template <>
struct implement<sort_ids_op, emulated> {
  static void forward(array_view<std::int32_t const> ids, array_view<std::int32_t> sorted,
                      array_view<std::int32_t> order) {
    std::iota(order.data, order.data + order.size(), 0);
    std::stable_sort(order.data, order.data + order.size(),
                     [&](std::int32_t a, std::int32_t b) { return ids[a] < ids[b]; });
    for (index_t i = 0; i < order.size(); ++i) sorted[i] = ids[order[i]];
  }
};

}  // namespace sysdpo
