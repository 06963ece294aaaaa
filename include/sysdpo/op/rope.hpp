// Rotary position embedding (Su et al., "RoFormer", 2021) in the convention of Hugging Face's Llama: element
// i of the first half of a head is rotated with element i of the second half, by position · θ^(−2i/d).
#pragma once

#include <cmath>
#include <vector>

#include "sysdpo/op/check_ids.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct rope_op;

/// Cosines and sines of every position and frequency, [positions, d/2] each.
template <class Backend, class T>
struct rope_table {
  tensor<Backend, widened<T>> cosines;
  tensor<Backend, widened<T>> sines;
};

/// The table of `positions` positions for heads of `head_size` elements, computed in double.
/// \throws error if head_size is odd or theta not positive.
template <class Backend, class T>
[[nodiscard]] rope_table<Backend, T> make_rope_table(index_t positions, index_t head_size, double theta) {
  if (head_size < 2 || head_size % 2 != 0 || !(theta > 0))
    fail({"rope", "heads of " + std::to_string(head_size) + ", theta " + std::to_string(theta),
          "elements are rotated in pairs at positive frequencies",
          "Give an even head size and a positive theta"});
  auto const half = head_size / 2;
  std::vector<widened<T>> cosines;
  std::vector<widened<T>> sines;
  for (index_t position = 0; position < positions; ++position)
    for (index_t i = 0; i < half; ++i) {
      auto const angle = static_cast<double>(position) *
                         std::pow(theta, -2 * static_cast<double>(i) / static_cast<double>(head_size));
      cosines.push_back(static_cast<widened<T>>(std::cos(angle)));
      sines.push_back(static_cast<widened<T>>(std::sin(angle)));
    }
  return {tensor<Backend, widened<T>>::from_host({positions, half}, cosines),
          tensor<Backend, widened<T>>::from_host({positions, half}, sines)};
}

/// x [N, H, d] with row n at positions[n] → the extents of x.
/// \throws error if the shapes do not fit or a position lies beyond the table.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> rope(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                        tensor<Backend, std::int32_t> const& positions,
                                        rope_table<Backend, T> const& table) {
  if (x.extents().rank() != 3 || x.extent(0) != positions.size() ||
      x.extent(2) != 2 * table.cosines.extent(1))
    fail({"rope", "x " + to_string(x.extents()) + ", table " + to_string(table.cosines.extents()),
          "rows, positions or head sizes differ", "Give [rows, heads, head size] and one position a row"});
  check_ids("rope", "table of positions", positions, table.cosines.extent(0));
  tensor<Backend, T> y(x.extents());
  implement<rope_op, Backend>::forward(x.view(), positions.const_view(), table.cosines.const_view(),
                                       table.sines.const_view(), y.view());
  return tape.record(std::move(y), {x}, [positions, table, dx = gradient_of(x)](array_view<T const> dy) {
    implement<rope_op, Backend>::backward(positions.const_view(), table.cosines.const_view(),
                                          table.sines.const_view(), dy, dx.sink());
  });
}

}  // namespace sysdpo
