// Sums over rows by kernels: the gradients of biases.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/column_sums.hpp"

namespace sysdpo::device_detail {

/// sums [groups, width] of x [groups, rows, width], where wanted.
template <kernel_backend Backend, class T>
void column_sums(index_t groups, index_t rows, index_t width, T const* x, gradient_view<T> sums) {
  if (!sums || groups * width == 0) return;
  auto const columns = narrow("sums of columns", width);
  auto const parts = parts_of<Backend>(groups * (1 + width / 1024), rows / 32);
  scratch_of<Backend, float> const part_sums(groups * parts * width);
  Backend::template launch<kernel::column_sums_parts<T>>(
      {.x = x, .groups = groups, .rows = rows, .width = columns, .parts = parts, .sums = part_sums.data()});
  Backend::template launch<kernel::column_sums_end<T>>({.sums = part_sums.data(),
                                                        .groups = groups,
                                                        .width = columns,
                                                        .parts = parts,
                                                        .y = sums.data,
                                                        .accumulate = sums.accumulate});
}

}  // namespace sysdpo::device_detail
