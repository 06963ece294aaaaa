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
    emulated::issue<sort>(operands{ids, sorted, order});
  }

 private:
  struct operands {
    array_view<std::int32_t const> ids;
    array_view<std::int32_t> sorted, order;
  };

  static void sort(operands const& given) {
    std::iota(given.order.data, given.order.data + given.order.size(), 0);
    std::stable_sort(given.order.data, given.order.data + given.order.size(),
                     [&](std::int32_t a, std::int32_t b) { return given.ids[a] < given.ids[b]; });
    for (index_t i = 0; i < given.order.size(); ++i) given.sorted[i] = given.ids[given.order[i]];
  }
};

}  // namespace sysdpo
