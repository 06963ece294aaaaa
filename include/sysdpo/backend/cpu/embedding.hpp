// Rows of a table on the CPU. table [V, D], ids [N] within [0, V), y [N, D]; nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/check_ids.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct embedding_op;

template <>
struct implement<embedding_op, cpu> {
  template <class T>
  static void forward(array_view<T const> table, array_view<std::int32_t const> ids, array_view<T> y) {
    auto const width = table.extents[1];
    parallel_for(ids.size(), 1 + cpu_detail::elementwise_grain / (width + 1),
                 [&](index_t begin, index_t end) {
                   for (auto n = begin; n < end; ++n)
                     cpu::copy(y.data + n * width, table.data + ids[n] * width,
                               static_cast<std::size_t>(width) * sizeof(T));
                 });
  }

  /// dtable[ids[n]] += dy[n]. Each thread owns a range of the table, so the order of sums never changes.
  template <class T>
  static void backward(array_view<std::int32_t const> ids, array_view<T const> dy, gradient_view<T> dtable) {
    if (!dtable) return;
    auto const width = dy.extents[1];
    auto const rows = dtable.size() / std::max<index_t>(width, 1);
    if (!dtable.accumulate) cpu::zero(dtable.data, static_cast<std::size_t>(dtable.size()) * sizeof(T));
    auto const parts = std::max<index_t>(1, ids.size() * width / cpu_detail::elementwise_grain);
    parallel_for(rows, rows / parts + 1, [&](index_t begin, index_t end) {
      for (index_t n = 0; n < ids.size(); ++n)
        if (ids[n] >= begin && ids[n] < end)
          cpu_detail::array_map<T>(dtable.data + ids[n] * width, width) +=
              cpu_detail::const_array_map<T>(dy.data + n * width, width);
    });
  }
};

}  // namespace sysdpo
