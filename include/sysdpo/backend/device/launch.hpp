// What the operations of backend/device/ share: how work is cut into blocks, and sizes as kernels take them.
#pragma once

#include <limits>
#include <string>

#include "sysdpo/backend/concept.hpp"
#include "sysdpo/backend/scratch.hpp"
#include "sysdpo/core/error.hpp"
#include "sysdpo/kernel/number.hpp"

namespace sysdpo::device_detail {

/// A size that kernels count in 32 bits, where there is room for a step beyond the end. \throws error if it
/// does not fit.
[[nodiscard]] inline int narrow(char const* op, index_t size) {
  if (size > std::numeric_limits<std::int32_t>::max() - (1 << 16))
    fail({op, "a size of " + std::to_string(size), "kernels count it in 32 bits",
          "Cut the batch into smaller ones"});
  return static_cast<int>(size);
}

/// In how many parts each of `items` is cut, `most` at most, so that blocks enough for the device come out.
template <kernel_backend Backend>
[[nodiscard]] int parts_of(index_t items, index_t most) {
  auto const wanted = (Backend::wanted_blocks + items - 1) / (items < 1 ? 1 : items);
  return static_cast<int>(wanted < most ? (wanted < 1 ? 1 : wanted) : (most < 1 ? 1 : most));
}

/// visit(kernel::width<N>{}) with as many threads as a row of `size` deserves: a warp, or `Many`.
template <int Many = 512, class Visit>
void with_row_threads(index_t size, Visit&& visit) {
  if (size <= 1024)
    visit(kernel::width<kernel::warp_size>{});
  else
    visit(kernel::width<Many>{});
}

}  // namespace sysdpo::device_detail
