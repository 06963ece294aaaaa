// to[rows[n]] = from[n] on the CPU. from [N, ...], rows [N] all different and within `to`; nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/check_ids.hpp"

namespace sysdpo {

struct scatter_rows_op;

template <>
struct implement<scatter_rows_op, cpu> {
  template <class T>
  static void forward(array_view<T const> from, array_view<std::int32_t const> rows, array_view<T> to) {
    auto const width = from.size() / std::max<index_t>(rows.size(), 1);
    for (index_t n = 0; n < rows.size(); ++n)
      cpu::copy(to.data + rows[n] * width, from.data + n * width,
                static_cast<std::size_t>(width) * sizeof(T));
  }
};

}  // namespace sysdpo
