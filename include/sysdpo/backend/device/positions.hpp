// Positions of packed rows, and rows to their places, by kernels.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/positions.hpp"
#include "sysdpo/kernel/scatter_rows.hpp"

namespace sysdpo {

struct positions_op;
struct scatter_rows_op;

template <kernel_backend Backend>
struct implement<positions_op, Backend> {
  static void forward(array_view<std::int32_t const> offsets, array_view<std::int32_t const> starts,
                      array_view<std::int32_t> positions) {
    Backend::template launch<kernel::positions>(
        {.offsets = offsets.data,
         .starts = starts.data,
         .sequences = device_detail::narrow("positions", offsets.size() - 1),
         .total = positions.size(),
         .positions = positions.data});
  }
};

template <kernel_backend Backend>
struct implement<scatter_rows_op, Backend> {
  template <class T>
  static void forward(array_view<T const> from, array_view<std::int32_t const> rows, array_view<T> to) {
    if (from.size() == 0) return;
    Backend::template launch<kernel::scatter_rows<T>>(
        {.x = from.data,
         .places = rows.data,
         .rows = rows.size(),
         .to_rows = to.extents[0],

         .width = device_detail::narrow("scatter_rows", from.size() / rows.size()),
         .to = to.data});
  }
};

}  // namespace sysdpo
