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

/// What the gradient of a table has to go by. `sorted_ids` [rows] are the ids in ascending order, `order`
/// [rows] the rows that they belong to, equal ids in ascending order of rows. A text's commonest words come
/// by the thousand: runs of equal ids are cut where a chunk of the sorted rows ends, the pieces of one that
/// is cut go to `pieces` [2 · chunks(rows), width]: at 2c what chunk c begins with, at 2c + 1 what it ends
/// with.
template <class T>
struct embedding_gradient {
  static constexpr int chunk = 64;
  std::int32_t const* sorted_ids;
  std::int32_t const* order;
  T const* dy;  ///< [rows, width]
  index_t rows;
  index_t table_rows;
  int width;
  T* dtable;      ///< [table_rows, width]
  float* pieces;  ///< not read or written up to one chunk

  static constexpr index_t chunks(index_t rows) { return ceil_divide(rows, chunk); }

  [[nodiscard]] SYSDPO_DEVICE bool is_id(index_t at, std::int32_t id) const {
    return at >= 0 && at < rows && sorted_ids[at] == id;
  }
  [[nodiscard]] SYSDPO_DEVICE bool has_row(std::int32_t id) const { return id >= 0 && id < table_rows; }
};

/// dtable[id] += Σ dy[n] over the rows n with that id, in their order, so that each row of the table has one
/// writer; of runs that are cut, pieces = Σ dy[n]. Rows of the table that have no id are left alone, ids that
/// have no row are passed over.
template <class T>
struct embedding_backward {
  static constexpr int threads = 128;
  using arguments = embedding_gradient<T>;
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return given.rows; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const first = block.index();
    auto const id = given.sorted_ids[first];
    auto const chunk = first / given.chunk;
    bool const begins = !given.is_id(first - 1, id);
    if (!given.has_row(id) || (!begins && first % given.chunk != 0)) return;  // the run has its block
    auto const end = (chunk + 1) * given.chunk;
    auto last = first;
    while (last + 1 < end && given.is_id(last + 1, id)) ++last;
    bool const is_cut = !begins || (last + 1 == end && given.is_id(end, id));

    auto const add_up = [&](auto* to, bool accumulate) {
      bool const aligned = given.width % n == 0 && is_aligned<n>(given.dy, 0) && is_aligned<n>(to, 0);
      sweep<threads, n>(block.thread(), 0, given.width, aligned ? 0 : given.width, [&](int i, auto size) {
        float sum[size.value] = {};
        for (auto at = first; at <= last; ++at) {
          float x[size.value];
          load(x, given.dy + given.order[at] * index_t{given.width} + i);
          for (int j = 0; j < size.value; ++j) sum[j] += x[j];
        }
        store(to + i, sum, accumulate);
      });
    };
    if (is_cut)
      add_up(given.pieces + (2 * chunk + (begins ? 1 : 0)) * given.width, false);
    else
      add_up(given.dtable + id * index_t{given.width}, true);
  }
};

/// dtable[id] += Σ pieces of each run that was cut, in their order.
template <class T>
struct embedding_backward_end {
  static constexpr int threads = 128;
  using arguments = embedding_gradient<T>;
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return arguments::chunks(given.rows); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<float>;
    auto const begin = block.index() * given.chunk;
    auto const end = begin + given.chunk;
    if (end >= given.rows) return;
    auto const id = given.sorted_ids[end];
    if (!given.has_row(id) || !given.is_id(end - 1, id) || given.is_id(begin - 1, id)) return;  // began here
    auto const* const pieces = given.pieces + 2 * block.index() * given.width;
    auto* const to = given.dtable + id * index_t{given.width};
    index_t cuts = 1;
    while (given.is_id(begin + (cuts + 1) * given.chunk, id)) ++cuts;
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.pieces, 0) && is_aligned<n>(to, 0);
    sweep<threads, n>(block.thread(), 0, given.width, aligned ? 0 : given.width, [&](int i, auto size) {
      float sum[size.value];
      load(sum, pieces + given.width + i);
      for (index_t cut = 1; cut <= cuts; ++cut) {
        float x[size.value];
        load(x, pieces + 2 * cut * given.width + i);
        for (int j = 0; j < size.value; ++j) sum[j] += x[j];
      }
      store(to + i, sum, true);
    });
  }
};

}  // namespace sysdpo::kernel
