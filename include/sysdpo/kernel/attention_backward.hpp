// Attention, backward, from what forward left: y and the log-sum-exp of each query's scores. Probabilities
// are computed again, tile by tile, once for dq and once for dk and dv: 14·d operations for each query and
// visible key where 10·d would do, but every gradient has one writer and one order, so that the same bits
// come out each time. Layout: kernel/attention_layout.hpp. With P the probabilities and D = Σ dy·y of each
// query:
//
//   dv = Pᵀ·dy,  dS = P∘(dy·vᵀ − D),  dq = scale·dS·k,  dk = scale·dSᵀ·q
//
// Run attention_products, then the other two in any order. Nothing aliases. Bound by tensor cores.
#pragma once

#include "sysdpo/kernel/attention_layout.hpp"
#include "sysdpo/kernel/tile.hpp"

namespace sysdpo::kernel {

/// products [rows] = Σ dy·y over `size` elements of each row, which is a query's head. A warp has a row.
template <class T>
struct attention_products {
  static constexpr int threads = 128;
  struct arguments {
    T const* y;
    T const* dy;
    index_t rows;
    int size;
    float* products;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.rows, threads / warp_size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const row = block.index() * (threads / warp_size) + block.thread() / warp_size;
    int const end = row < given.rows ? given.size : 0;
    auto const* const y = given.y + row * given.size;
    auto const* const dy = given.dy + row * given.size;
    float sum = 0;
    sweep<warp_size, n>(block.thread() % warp_size, 0, end, first_pack<n>(0, end, y, dy),
                        [&](int i, auto size) {
                          float a[size.value];
                          float b[size.value];
                          load(a, y + i);
                          load(b, dy + i);
                          for (int j = 0; j < size.value; ++j) sum = std::fma(a[j], b[j], sum);
                        });
    sum = warp_sum(block, sum);
    if (end > 0 && block.thread() % warp_size == 0) given.products[row] = sum;
  }
};

namespace detail {

/// Buffers for the tiles that a block walks over: two, so that the next are on their way while these are
/// used, if two more tiles and the two that stay fit the shared memory of an sm_80.
template <class T, int D>
inline constexpr int attention_buffers =
    6 * 16 * attention_warps<T, D> * (D * static_cast<int>(sizeof(T)) + 16) <= 160 * 1024 ? 2 : 1;

}  // namespace detail

/// dq, or += it.
template <class T, int D>
struct attention_backward_queries {
  static constexpr int warps = attention_warps<T, D>;
  static constexpr int threads = warps * warp_size;
  static constexpr int query_tile = 16 * warps;
  static constexpr int key_tile = attention_keys<T, D>;
  static constexpr int buffers = detail::attention_buffers<T, D>;

  struct arguments {
    T const* q;
    T const* k;
    T const* v;
    T const* dy;
    float const* log_sums;
    float const* products;
    attention_layout layout;
    T* dq;
    bool accumulate;
  };
  struct shared {
    tile<T, query_tile, D> q;
    tile<T, query_tile, D> dy;
    tile<T, key_tile, D> k[buffers];
    tile<T, key_tile, D> v[buffers];
  };

  using place = attention_queries<query_tile>;

  static index_t blocks(arguments const& given) { return place::blocks(given.layout); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    auto const& layout = given.layout;
    place const here(layout, block.index());
    if (here.rows == 0) return;
    auto const& at = here.at;
    int const d = layout.head_size;
    auto const* const k = given.k + here.k_start;
    auto const* const v = given.v + here.k_start;
    auto const fetch = [&](int key) {
      int const buffer = key / key_tile % buffers;
      copy_tile<threads>(block, memory.k[buffer], k + key * here.k_stride, here.k_stride, here.keys - key, d);
      copy_tile<threads>(block, memory.v[buffer], v + key * here.k_stride, here.k_stride, here.keys - key, d);
    };
    if (here.keys > 0) {
      copy_tile<threads>(block, memory.q, given.q + here.q_start, here.q_stride, here.rows, d);
      copy_tile<threads>(block, memory.dy, given.dy + here.q_start, here.q_stride, here.rows, d);
      fetch(0);
      block.commit_copies();
    }

    int const lane = block.thread() % warp_size;
    int const warp_row = block.thread() / warp_size * 16;
    float const scale_log2 = layout.scale * detail::log2_e;
    float log_sum[2];
    float product[2];
    int seen[2];
    SYSDPO_UNROLL for (int half = 0; half < 2; ++half) {
      int const row = here.first + warp_row + lane / 4 + 8 * half;
      bool const there = row < at.queries;
      log_sum[half] = there ? given.log_sums[at.query_row(layout, row)] * detail::log2_e : 0;
      product[half] = there ? given.products[at.query_row(layout, row)] : 0;
      seen[half] = there ? at.visible(row) : 0;
    }

    float out[1][D / 8][4] = {};
    for (int key = 0; key < here.keys; key += key_tile) {
      int const buffer = key / key_tile % buffers;
      block.wait_copies(0);
      block.sync();  // this tile is here, and nobody needs the one before
      if (buffers == 2 && key + key_tile < here.keys) fetch(key + key_tile);
      block.commit_copies();

      float scores[1][key_tile / 8][4] = {};
      float slopes[1][key_tile / 8][4] = {};
      multiply_rows(block, scores, memory.q, warp_row, memory.k[buffer]);
      multiply_rows(block, slopes, memory.dy, warp_row, memory.v[buffer]);
      SYSDPO_UNROLL for (int n = 0; n < key_tile / 8; ++n) SYSDPO_UNROLL
        for (int j = 0; j < 4; ++j) {
          bool const is_seen = key + 8 * n + lane % 4 * 2 + j % 2 < seen[j / 2];
          float const p = fast_exp2(std::fma(scores[0][n][j], scale_log2, -log_sum[j / 2]));
          slopes[0][n][j] = is_seen ? p * (slopes[0][n][j] - product[j / 2]) : 0;
        }
      multiply_columns(block, out, slopes, memory.k[buffer], 0);
      if (buffers == 1 && key + key_tile < here.keys) {
        block.sync();  // nobody needs this tile any more
        fetch(key + key_tile);
        block.commit_copies();
      }
    }
    float const factor[2] = {layout.scale, layout.scale};
    store_rows(block, out[0], factor, memory.q, warp_row, given.dq + here.q_start + warp_row * here.q_stride,
               here.q_stride, here.rows - warp_row, d, given.accumulate);
  }
};

/// dk and dv, or += them; either may be null. A block takes 16 keys a warp through the queries that see them,
/// of all heads that read this key head; scores stand on their side, keys by queries. Above 128 columns of
/// the gradients are more than a warp's registers hold: two blocks then share a tile.
template <class T, int D>
struct attention_backward_keys {
  static constexpr int warps = attention_warps<T, D>;
  static constexpr int threads = warps * warp_size;
  static constexpr int key_tile = 16 * warps;
  static constexpr int query_tile = attention_keys<T, D>;
  static constexpr int buffers = detail::attention_buffers<T, D>;
  static constexpr int parts = D > 128 ? 2 : 1;
  static constexpr int columns = D / parts;
  static_assert(columns % 16 == 0 && query_tile <= threads);

  struct arguments {
    T const* q;
    T const* k;
    T const* v;
    T const* dy;
    float const* log_sums;
    float const* products;
    attention_layout layout;
    T* dk;
    T* dv;
    bool accumulate_dk;
    bool accumulate_dv;
  };
  struct shared {
    tile<T, key_tile, D> k;
    tile<T, key_tile, D> v;
    tile<T, query_tile, D> q[buffers];
    tile<T, query_tile, D> dy[buffers];
    float log_sums[buffers][query_tile];
    float products[buffers][query_tile];
  };

  static index_t blocks(arguments const& given) {
    return index_t{given.layout.sequences} * given.layout.key_heads * tiles(given.layout) * parts;
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    auto const& layout = given.layout;
    int const count = tiles(layout);
    int const part = static_cast<int>(block.index() % parts);
    int const first = static_cast<int>(block.index() / parts % count) * key_tile;
    auto const rest = block.index() / parts / count;
    int const group = layout.heads / layout.key_heads;
    int const head = static_cast<int>(rest % layout.key_heads) * group;
    attention_place const at(layout, static_cast<int>(rest / layout.key_heads), head);
    if (first >= at.keys) return;
    int const rows = at.keys - first < key_tile ? at.keys - first : key_tile;

    auto const d = layout.head_size;
    auto const q_stride = index_t{layout.heads} * d;
    auto const k_stride = index_t{layout.key_heads} * d;
    auto const start = at.key_row(layout, first) * d;
    // Steps: the tiles of queries that see any of the keys, head by head.
    int const first_query = at.first_viewer(first) / query_tile * query_tile;
    int const query_tiles = first_query < at.queries ? ceil_divide(at.queries - first_query, query_tile) : 0;
    int const steps = query_tiles * group;
    auto const fetch = [&](int step) {
      int const buffer = step % buffers;
      int const query = first_query + step % query_tiles * query_tile;
      auto const from = at.query_row(layout, query) + step / query_tiles;
      copy_tile<threads>(block, memory.q[buffer], given.q + from * d, q_stride, at.queries - query, d);
      copy_tile<threads>(block, memory.dy[buffer], given.dy + from * d, q_stride, at.queries - query, d);
      if (int const i = block.thread(); i < query_tile) {
        bool const there = query + i < at.queries;
        auto const row = from + index_t{i} * layout.heads;
        memory.log_sums[buffer][i] = there ? given.log_sums[row] * detail::log2_e : 0;
        memory.products[buffer][i] = there ? given.products[row] : 0;
      }
    };
    if (steps > 0) {
      copy_tile<threads>(block, memory.k, given.k + start, k_stride, rows, d);
      copy_tile<threads>(block, memory.v, given.v + start, k_stride, rows, d);
      fetch(0);
      block.commit_copies();
    }

    int const lane = block.thread() % warp_size;
    int const warp_row = block.thread() / warp_size * 16;
    float const scale_log2 = layout.scale * detail::log2_e;
    int viewer[2];  // the first query that sees the lane's keys
    SYSDPO_UNROLL for (int half = 0; half < 2; ++half) {
      int const key = first + warp_row + lane / 4 + 8 * half;
      viewer[half] = key < at.keys ? at.first_viewer(key) : at.queries;
    }

    float out_k[1][columns / 8][4] = {};
    float out_v[1][columns / 8][4] = {};
    for (int step = 0; step < steps; ++step) {
      int const buffer = step % buffers;
      int const query = first_query + step % query_tiles * query_tile;
      block.wait_copies(0);
      block.sync();  // this tile is here, and nobody needs the one before
      if (buffers == 2 && step + 1 < steps) fetch(step + 1);
      block.commit_copies();

      float scores[1][query_tile / 8][4] = {};
      float slopes[1][query_tile / 8][4] = {};
      multiply_rows(block, scores, memory.k, warp_row, memory.q[buffer]);
      multiply_rows(block, slopes, memory.v, warp_row, memory.dy[buffer]);
      SYSDPO_UNROLL for (int n = 0; n < query_tile / 8; ++n) SYSDPO_UNROLL
        for (int j = 0; j < 4; ++j) {
          int const i = 8 * n + lane % 4 * 2 + j % 2;
          bool const is_seen = query + i >= viewer[j / 2] && query + i < at.queries;
          float const p = fast_exp2(std::fma(scores[0][n][j], scale_log2, -memory.log_sums[buffer][i]));
          scores[0][n][j] = is_seen ? p : 0;
          slopes[0][n][j] = is_seen ? p * (slopes[0][n][j] - memory.products[buffer][i]) : 0;
        }
      multiply_columns(block, out_v, scores, memory.dy[buffer], part * columns);
      multiply_columns(block, out_k, slopes, memory.q[buffer], part * columns);
      if (buffers == 1 && step + 1 < steps) {
        block.sync();  // nobody needs this tile any more
        fetch(step + 1);
        block.commit_copies();
      }
    }
    // A warp's own keys and values are read by no other: their places are free.
    auto const to = start + warp_row * k_stride + part * columns;
    int const wide = d - part * columns;
    float const factor[2] = {layout.scale, layout.scale};
    float const one[2] = {1, 1};
    if (given.dk != nullptr)
      store_rows(block, out_k[0], factor, memory.k, warp_row, given.dk + to, k_stride, rows - warp_row, wide,
                 given.accumulate_dk);
    if (given.dv != nullptr)
      store_rows(block, out_v[0], one, memory.v, warp_row, given.dv + to, k_stride, rows - warp_row, wide,
                 given.accumulate_dv);
  }

 private:
  static SYSDPO_HOST_DEVICE int tiles(attention_layout const& layout) {
    return ceil_divide(layout.max_keys, key_tile);
  }
};

}  // namespace sysdpo::kernel
