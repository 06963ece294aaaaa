// Rows of a table: table [table_rows, width], ids [rows], y [rows, width]. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// y[n] = table[ids[n]], NaN where there is no such row. Nothing aliases.
template <class T>
struct embedding {
  static constexpr int threads = 256;
  struct arguments {
    T const* table;
    std::int32_t const* ids;
    index_t rows;
    index_t table_rows;
    int width;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.rows * given.width);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.table, 0) && is_aligned<n>(given.y, 0);
    sweep_span<threads, n>(block, given.rows * given.width, aligned, [&](index_t i, auto size) {
      index_t const id = given.ids[i / given.width];
      float x[size.value];
      if (id >= 0 && id < given.table_rows)
        load(x, given.table + id * given.width + i % given.width);
      else
        for (auto& element : x) element = not_a_number;
      store(given.y + i, x);
    });
  }
};

/// dtable[id] += Σ dy[n] over the rows n with that id, in their order. `sorted_ids` [rows] are the ids in
/// ascending order, `order` [rows] the rows that they belong to, equal ids in ascending order of rows: so
/// each row of the table has one writer. Rows of the table that have no id are left alone, ids that have no
/// row are passed over.
template <class T>
struct embedding_backward {
  static constexpr int threads = 128;
  struct arguments {
    std::int32_t const* sorted_ids;
    std::int32_t const* order;
    T const* dy;
    index_t rows;
    index_t table_rows;
    int width;
    T* dtable;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return given.rows; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const first = block.index();
    auto const id = given.sorted_ids[first];
    if (first > 0 && given.sorted_ids[first - 1] == id) return;  // the run has its block
    if (id < 0 || id >= given.table_rows) return;
    auto* const to = given.dtable + id * index_t{given.width};
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.dy, 0) && is_aligned<n>(to, 0);
    sweep<threads, n>(block.thread(), 0, given.width, aligned ? 0 : given.width, [&](int i, auto size) {
      float sum[size.value] = {};
      for (auto at = first; at < given.rows && given.sorted_ids[at] == id; ++at) {
        float x[size.value];
        load(x, given.dy + given.order[at] * index_t{given.width} + i);
        for (int j = 0; j < size.value; ++j) sum[j] += x[j];
      }
      store(to + i, sum, true);
    });
  }
};

}  // namespace sysdpo::kernel
