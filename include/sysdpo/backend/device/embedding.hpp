// Rows of a table by kernels. Backward sorts the ids first, so that each row of the table has one writer and
// sums their order.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/embedding.hpp"

namespace sysdpo {

struct embedding_op;

template <kernel_backend Backend>
struct implement<embedding_op, Backend> {
  template <class T>
  static void forward(array_view<T const> table, array_view<std::int32_t const> ids, array_view<T> y) {
    Backend::template launch<kernel::embedding<T>>(
        {.table = table.data,
         .ids = ids.data,
         .rows = ids.size(),
         .table_rows = table.extents[0],
         .width = device_detail::narrow("embedding", table.extents[1]),
         .y = y.data});
  }

  /// dtable[ids[n]] += dy[n].
  template <class T>
  static void backward(array_view<std::int32_t const> ids, array_view<T const> dy, gradient_view<T> dtable) {
    if (!dtable) return;
    if (!dtable.accumulate) Backend::zero(dtable.data, static_cast<std::size_t>(dtable.size()) * sizeof(T));
    auto const rows = ids.size();
    if (rows == 0) return;
    scratch_of<Backend, std::int32_t> const sorted(rows);
    scratch_of<Backend, std::int32_t> const order(rows);
    implement<sort_ids_op, Backend>::forward(ids, array_view<std::int32_t>{sorted.data(), {rows}},
                                             array_view<std::int32_t>{order.data(), {rows}});
    using chunked = kernel::embedding_gradient<T>;
    auto const width = device_detail::narrow("embedding", dy.extents[1]);
    bool const is_cut = rows > chunked::chunk;
    scratch_of<Backend, float> const pieces(is_cut ? 2 * chunked::chunks(rows) * width : 0);
    chunked const gradient{.sorted_ids = sorted.data(),
                           .order = order.data(),
                           .dy = dy.data,
                           .rows = rows,
                           .table_rows = dtable.size() / (width < 1 ? 1 : width),
                           .width = width,
                           .dtable = dtable.data,
                           .pieces = pieces.data()};
    Backend::template launch<kernel::embedding_backward<T>>(gradient);
    if (is_cut) Backend::template launch<kernel::embedding_backward_end<T>>(gradient);
  }
};

}  // namespace sysdpo
