// y[n] = table[ids[n]]: token embeddings, and the choice of some rows out of many.
#pragma once

#include "sysdpo/op/check_ids.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct embedding_op;

/// table [V, D], ids [N] → [N, D]; ids may repeat, their gradients add up.
/// \throws error if an id lies outside [0, V), naming its position.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> embedding(tape<Backend, T>& tape, variable<Backend, T> const& table,
                                             tensor<Backend, std::int32_t> const& ids) {
  if (table.extents().rank() != 2)
    fail({"embedding", "table " + to_string(table.extents()), "a table has two axes",
          "Give [vocabulary, width]"});
  check_ids("embedding", "vocabulary", ids, table.extent(0));
  tensor<Backend, T> y({ids.size(), table.extent(1)});
  implement<embedding_op, Backend>::forward(table.view(), ids.const_view(), y.view());
  return tape.record(std::move(y), {table}, [ids, dtable = gradient_of(table)](array_view<T const> dy) {
    implement<embedding_op, Backend>::backward(ids.const_view(), dy, dtable.sink());
  });
}

}  // namespace sysdpo
