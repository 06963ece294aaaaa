// Where attention's operands lie, who sees whom, and which block works on what: shared by all attention
// kernels.
//
// q, y [Nq, heads, d], k, v [Nk, key_heads, d], log_sums [Nq, heads]: sequence i holds queries [q_offsets[i],
// q_offsets[i + 1]) and keys [k_begins[i], k_ends[i]); query head h reads key head h / (heads / key_heads).
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// Rows begin at multiples of 16 bytes: d · sizeof(T) is one, and so is each array's address.
struct attention_layout {
  std::int32_t const* q_offsets;
  std::int32_t const* k_begins;
  std::int32_t const* k_ends;
  int sequences;
  int heads;
  int key_heads;
  int head_size;
  int max_queries;  ///< of a sequence, or more; max_keys likewise
  int max_keys;
  bool causal;  ///< query i of n sees keys 0 … i + m − n of m
  float scale;  ///< of the scores, above 0
};

/// One head of one sequence.
struct attention_place {
  int sequence, head, key_head;
  index_t q_begin;  ///< its first query
  index_t k_begin;  ///< its first key
  int queries, keys;
  bool causal;

  /// Head `of_head` of sequence `of_sequence`.
  SYSDPO_DEVICE attention_place(attention_layout const& layout, int of_sequence, int of_head)
      : sequence(of_sequence),
        head(of_head),
        key_head(of_head / (layout.heads / layout.key_heads)),
        q_begin(layout.q_offsets[of_sequence]),
        k_begin(layout.k_begins[of_sequence]),
        queries(layout.q_offsets[of_sequence + 1] - layout.q_offsets[of_sequence]),
        keys(layout.k_ends[of_sequence] - layout.k_begins[of_sequence]),
        causal(layout.causal) {}

  /// How many keys query i sees.
  [[nodiscard]] SYSDPO_DEVICE int visible(int i) const {
    if (!causal) return keys;
    int const seen = i + 1 + keys - queries;
    return seen < 0 ? 0 : seen < keys ? seen : keys;
  }

  /// The first query that sees key j, perhaps beyond the last.
  [[nodiscard]] SYSDPO_DEVICE int first_viewer(int j) const {
    int const first = j - keys + queries;
    return causal && first > 0 ? first : 0;
  }

  /// The row of query i, or of its sum, counted in heads.
  [[nodiscard]] SYSDPO_DEVICE index_t query_row(attention_layout const& layout, int i) const {
    return (q_begin + i) * layout.heads + head;
  }
  /// The row of key j, counted in key heads.
  [[nodiscard]] SYSDPO_DEVICE index_t key_row(attention_layout const& layout, int j) const {
    return (k_begin + j) * layout.key_heads + key_head;
  }
};

/// What a block works on that walks along the keys: `Size` queries of one head of one sequence. Blocks that
/// run at one time share their keys; those with the most keys start first.
template <int Size>
struct attention_queries {
  int first, rows, keys;  ///< its first query, how many there are, how many keys the last of them sees
  attention_place at;
  index_t q_stride, k_stride;  ///< elements from one query, one key to the next
  index_t q_start, k_start;    ///< the first element of the first query, of the sequence's first key

  [[nodiscard]] static SYSDPO_HOST_DEVICE int tiles(attention_layout const& layout) {
    return ceil_divide(layout.max_queries, Size);
  }
  [[nodiscard]] static index_t blocks(attention_layout const& layout) {
    return index_t{layout.sequences} * layout.heads * tiles(layout);
  }

  /// That of block `block`; without queries where the sequence is too short for it.
  SYSDPO_DEVICE attention_queries(attention_layout const& layout, index_t block)
      : first((tiles(layout) - 1 - static_cast<int>(block % tiles(layout))) * Size),
        at(layout, static_cast<int>(block / tiles(layout) / layout.heads),
           static_cast<int>(block / tiles(layout) % layout.heads)),
        q_stride(index_t{layout.heads} * layout.head_size),
        k_stride(index_t{layout.key_heads} * layout.head_size),
        q_start(at.query_row(layout, first) * layout.head_size),
        k_start(at.key_row(layout, 0) * layout.head_size) {
    int const left = at.queries - first;
    rows = left < 0 ? 0 : left < Size ? left : Size;
    keys = rows == 0 ? 0 : at.visible(first + rows - 1);
  }
};

/// Keys in a tile: what fits the shared memory of an sm_80 (163 KiB) with four tiles.
template <class T, int D>
inline constexpr int attention_keys = static_cast<int>(sizeof(T)) * D > 512 ? 32 : 64;
/// Warps in a block that has as many rows, 16 a warp.
template <class T, int D>
inline constexpr int attention_warps = attention_keys<T, D> / 16;

/// Strips of 16 queries for each warp, forward: as many as its registers hold.
template <class T, int D>
inline constexpr int attention_strips = sizeof(T) == 2 && D <= 128 ? 2 : 1;

}  // namespace sysdpo::kernel
