// Sums over rows by kernels: the gradients of biases.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/column_sums.hpp"

namespace sysdpo::device_detail {

/// y [groups, width] of part sums [groups, parts, width], where wanted.
template <kernel_backend Backend, class T>
void add_parts(index_t groups, index_t parts, index_t width, float const* sums, gradient_view<T> y) {
  if (!y) return;
  Backend::template launch<kernel::column_sums_end<T>>({.sums = sums,
                                                        .groups = groups,
                                                        .width = narrow("sums of columns", width),
                                                        .parts = narrow("sums of columns", parts),
                                                        .y = y.data,
                                                        .accumulate = y.accumulate});
}

/// sums [groups, width] of x [groups, rows, width], where wanted.
template <kernel_backend Backend, class T>
void column_sums(index_t groups, index_t rows, index_t width, T const* x, gradient_view<T> sums) {
  if (!sums || groups * width == 0) return;
  auto const parts = parts_of<Backend>(groups * (1 + width / 1024), rows / 32);
  scratch_of<Backend, float> const part_sums(groups * parts * width);
  Backend::template launch<kernel::column_sums_parts<T>>({.x = x,
                                                          .groups = groups,
                                                          .rows = rows,
                                                          .width = narrow("sums of columns", width),
                                                          .parts = parts,
                                                          .sums = part_sums.data()});
  add_parts<Backend>(groups, parts, width, part_sums.data(), sums);
}

}  // namespace sysdpo::device_detail
