// Attention on the CPU, a tile of queries × keys at a time. q, y [Nq, H, d], k and v [Nk, Hkv, d], log_sums
// [Nq, H]; sequence i holds queries [q_offsets[i], q_offsets[i+1]) and keys [k_begins[i], k_ends[i]); nothing
// aliases. Threads share out sequences × heads, in backward × key heads, so that every gradient has one
// writer.
#pragma once

#include <cmath>
#include <limits>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"
#include "sysdpo/backend/cpu/small_product.hpp"

namespace sysdpo {

struct attention_op;

template <>
struct implement<attention_op, cpu> {
  using offsets_view = array_view<std::int32_t const>;

  template <class T>
  static void forward(array_view<T const> q, array_view<T const> k, array_view<T const> v,
                      offsets_view q_offsets, offsets_view k_begins, offsets_view k_ends,
                      index_t /*longest_q*/, index_t /*longest_k*/, bool causal, double scale,
                      array_view<T> y, array_view<T> log_sums) {
    auto const heads = q.extents[1];
    auto const items = k_begins.size() * heads;
    parallel_for(items, grain(q, k, k_begins.size(), items), [&](index_t begin, index_t end) {
      cpu_detail::scratch<T> tile((query_tile + q.extents[2]) * key_tile);
      for (auto item = begin; item < end; ++item) {
        auto const at = place(q, k, q_offsets, k_begins, k_ends, item / heads, item % heads, causal);
        for (index_t first = 0; first < at.queries; first += query_tile)
          forward_tile(q, k, v, at, first, static_cast<T>(scale), tile.data(), y, log_sums);
      }
    });
  }

  /// With P the probabilities and D = Σ dy·y of each query: dv = Pᵀ·dy, dS = P∘(dy·vᵀ − D), dq = scale·dS·k,
  /// dk = scale·dSᵀ·q.
  template <class T>
  static void backward(array_view<T const> q, array_view<T const> k, array_view<T const> v,
                       array_view<T const> y, array_view<T const> log_sums, offsets_view q_offsets,
                       offsets_view k_begins, offsets_view k_ends, index_t /*longest_q*/,
                       index_t /*longest_k*/, bool causal, double scale, array_view<T const> dy,
                       gradient_view<T> dq, gradient_view<T> dk, gradient_view<T> dv) {
    if (!dq && !dk && !dv) return;
    auto const key_heads = k.extents[1];
    auto const group = q.extents[1] / key_heads;
    auto const items = k_begins.size() * key_heads;
    parallel_for(items, grain(q, k, k_begins.size(), items), [&](index_t begin, index_t end) {
      cpu_detail::scratch<T> tiles((2 * query_tile + q.extents[2]) * key_tile);
      for (auto item = begin; item < end; ++item)
        for (index_t member = 0; member < group; ++member) {
          auto const head = item % key_heads * group + member;
          auto const at = place(q, k, q_offsets, k_begins, k_ends, item / key_heads, head, causal);
          if (member == 0) {
            clear(dk, at.k, at.keys, at.k_stride, q.extents[2]);
            clear(dv, at.k, at.keys, at.k_stride, q.extents[2]);
          }
          clear(dq, at.q, at.queries, at.q_stride, q.extents[2]);
          for (index_t first = 0; first < at.queries; first += query_tile)
            backward_tile(q, k, v, y, log_sums, dy, at, first, static_cast<T>(scale), tiles.data(), dq, dk,
                          dv);
        }
    });
  }

 private:
  static constexpr index_t query_tile = 64;
  static constexpr index_t key_tile = 128;

  /// Where one head of one sequence lies.
  struct placement {
    index_t q, k;                ///< first element of its first query and first key
    index_t log_sum;             ///< of its first query
    index_t queries, keys;       ///< how many
    index_t q_stride, k_stride;  ///< elements from one to the next
    index_t heads;
    bool causal;

    /// How many keys query i sees.
    [[nodiscard]] index_t visible(index_t i) const {
      return causal ? std::clamp<index_t>(i + 1 + keys - queries, 0, keys) : keys;
    }
  };

  template <class T>
  static placement place(array_view<T const> q, array_view<T const> k, offsets_view q_offsets,
                         offsets_view k_begins, offsets_view k_ends, index_t sequence, index_t head,
                         bool causal) {
    auto const heads = q.extents[1];
    auto const key_heads = k.extents[1];
    auto const d = q.extents[2];
    auto const key_head = head / (heads / key_heads);
    return {(q_offsets[sequence] * heads + head) * d,
            (k_begins[sequence] * key_heads + key_head) * d,
            q_offsets[sequence] * heads + head,
            q_offsets[sequence + 1] - q_offsets[sequence],
            k_ends[sequence] - k_begins[sequence],
            heads * d,
            key_heads * d,
            heads,
            causal};
  }

  template <class T>
  static index_t grain(array_view<T const> q, array_view<T const> k, index_t sequences, index_t items) {
    auto const work =
        q.size() * (k.extents[0] / std::max<index_t>(sequences, 1) + 1) / std::max<index_t>(items, 1);
    return 1 + (index_t{1} << 16) / (work + 1);
  }

  /// Elements from row to row of a tile: whole cache lines, so that rows may be swept past their end.
  template <class T>
  static index_t padded(index_t n) {
    constexpr index_t line = 64 / sizeof(T);
    return (n + line - 1) / line * line;
  }

  template <class T>
  using tile_row = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64>;

  template <class T>
  static auto matrix(T* data, index_t rows, index_t columns, index_t stride) {
    return cpu_detail::matrix_map<T>(data, rows, columns, Eigen::OuterStride<>(stride));
  }
  template <class T>
  static auto matrix(T const* data, index_t rows, index_t columns, index_t stride) {
    return cpu_detail::const_matrix_map<T>(data, rows, columns, Eigen::OuterStride<>(stride));
  }

  template <class T>
  static void clear(gradient_view<T> gradient, index_t at, index_t rows, index_t stride, index_t width) {
    if (gradient && !gradient.accumulate) matrix(gradient.data + at, rows, width, stride).setZero();
  }

  /// Rows of a head, or of a tile: row i starts at data + i · stride.
  template <class T>
  using rows_of = cpu_detail::row_operand<T>;

  /// Heads up to this size are multiplied unpacked.
  static constexpr index_t narrow = 32;

  template <class T>
  static bool is_narrow(index_t d) {
    return d <= narrow && d % cpu_detail::packet_width<T> == 0;
  }

  /// tile [m, n] = a·bᵀ with a [m, d] and b [n, d]; may write whole packets past the end of the tile's rows.
  /// `turned` has room for b.
  template <class T>
  static void product_of_rows(index_t m, index_t n, index_t d, rows_of<T const> a, rows_of<T const> b,
                              rows_of<T> tile, T* turned) {
    if (is_narrow<T>(d)) {
      cpu_detail::transpose_rows<T>(n, d, b, {turned, tile.stride});
      cpu_detail::small_product<T>(m, d, cpu_detail::round_up_to_packet<T>(n), {a.data, a.stride, 1},
                                   {turned, tile.stride}, tile, false);
    } else {
      matrix(tile.data, m, n, tile.stride).noalias() =
          matrix(a.data, m, d, a.stride) * matrix(b.data, n, d, b.stride).transpose();
    }
  }

  /// out [m, d] = tile [m, n] · b [n, d], or +=.
  template <class T>
  static void tile_times_rows(index_t m, index_t n, index_t d, rows_of<T> tile, rows_of<T const> b,
                              rows_of<T> out, bool accumulate) {
    if (is_narrow<T>(d))
      cpu_detail::small_product<T>(m, n, d, {tile.data, tile.stride, 1}, b, out, accumulate);
    else
      cpu_detail::store(matrix(out.data, m, d, out.stride).noalias(), accumulate,
                        matrix(tile.data, m, n, tile.stride) * matrix(b.data, n, d, b.stride));
  }

  /// out [n, d] += tileᵀ [n, m] · b [m, d].
  template <class T>
  static void turned_tile_times_rows(index_t m, index_t n, index_t d, rows_of<T> tile, rows_of<T const> b,
                                     rows_of<T> out) {
    if (is_narrow<T>(d))
      cpu_detail::small_product<T>(n, m, d, {tile.data, 1, tile.stride}, b, out, true);
    else
      matrix(out.data, n, d, out.stride).noalias() +=
          matrix(tile.data, m, n, tile.stride).transpose() * matrix(b.data, m, d, b.stride);
  }

  /// row = exp(scale·row − shift) for the first `seen` of `size` elements, 0 for the rest. Works on whole
  /// packets: what lies beyond `seen` is garbage until the end.
  template <class T>
  static void exponentiate(T* row, index_t seen, index_t size, T scale, T shift) {
    tile_row<T> whole(row, padded<T>(seen));
    whole = (whole * scale - shift).exp();
    std::fill(row + seen, row + size, T{0});
  }

  /// One tile of queries against all keys they see, with running maxima and sums.
  template <class T>
  static void forward_tile(array_view<T const> q, array_view<T const> k, array_view<T const> v,
                           placement const& at, index_t first, T scale, T* tile, array_view<T> y,
                           array_view<T> log_sums) {
    constexpr auto lowest = -std::numeric_limits<T>::infinity();
    auto const d = q.extents[2];
    auto const m = std::min(query_tile, at.queries - first);
    auto const keys = at.visible(first + m - 1);
    auto const start = at.q + first * at.q_stride;
    auto out = matrix(y.data + start, m, d, at.q_stride);
    if (keys == 0) out.setZero();
    T highest[query_tile];
    T sums[query_tile];
    std::fill_n(highest, m, lowest);
    std::fill_n(sums, m, T{0});
    for (index_t key = 0; key < keys; key += key_tile) {
      auto const n = std::min(key_tile, keys - key);
      auto const stride = padded<T>(n);
      auto const there = at.k + key * at.k_stride;
      product_of_rows<T>(m, n, d, {q.data + start, at.q_stride}, {k.data + there, at.k_stride},
                         {tile, stride}, tile + query_tile * key_tile);
      for (index_t i = 0; i < m; ++i) {
        auto* const row = tile + i * stride;
        auto const seen = std::clamp<index_t>(at.visible(first + i) - key, 0, n);
        if (seen == 0) {
          std::fill_n(row, n, T{0});
          continue;
        }
        auto const top = std::max(highest[i], scale * tile_row<T>(row, seen).maxCoeff());
        exponentiate(row, seen, n, scale, top);
        auto const sum = tile_row<T>(row, seen).sum();
        if (key == 0) {
          sums[i] = sum;
        } else {
          auto const correction = std::exp(highest[i] - top);
          sums[i] = sums[i] * correction + sum;
          out.row(i) *= correction;
        }
        highest[i] = top;
      }
      tile_times_rows<T>(m, n, d, {tile, stride}, {v.data + there, at.k_stride}, {out.data(), at.q_stride},
                         key > 0);
    }
    for (index_t i = 0; i < m; ++i) {
      if (sums[i] != 0) cpu_detail::array_map<T>(out.row(i).data(), d) *= 1 / sums[i];
      log_sums[at.log_sum + (first + i) * at.heads] = highest[i] + std::log(sums[i]);
    }
  }

  template <class T>
  static void backward_tile(array_view<T const> q, array_view<T const> k, array_view<T const> v,
                            array_view<T const> y, array_view<T const> log_sums, array_view<T const> dy,
                            placement const& at, index_t first, T scale, T* tiles, gradient_view<T> dq,
                            gradient_view<T> dk, gradient_view<T> dv) {
    auto const d = q.extents[2];
    auto const m = std::min(query_tile, at.queries - first);
    auto const keys = at.visible(first + m - 1);
    auto const start = at.q + first * at.q_stride;
    rows_of<T const> const query{q.data + start, at.q_stride};
    rows_of<T const> const upstream{dy.data + start, at.q_stride};
    T products[query_tile];
    for (index_t i = 0; i < m; ++i)
      products[i] = matrix(upstream.data, m, d, at.q_stride)
                        .row(i)
                        .dot(matrix(y.data + start, m, d, at.q_stride).row(i));
    for (index_t key = 0; key < keys; key += key_tile) {
      auto const n = std::min(key_tile, keys - key);
      auto const stride = padded<T>(n);
      auto const there = at.k + key * at.k_stride;
      rows_of<T const> const key_rows{k.data + there, at.k_stride};
      rows_of<T> const probabilities{tiles, stride};
      rows_of<T> const slopes{tiles + query_tile * key_tile, stride};
      auto* const turned = slopes.data + query_tile * key_tile;
      product_of_rows<T>(m, n, d, query, key_rows, probabilities, turned);
      product_of_rows<T>(m, n, d, upstream, {v.data + there, at.k_stride}, slopes, turned);
      for (index_t i = 0; i < m; ++i) {
        auto const seen = std::clamp<index_t>(at.visible(first + i) - key, 0, n);
        exponentiate(probabilities.data + i * stride, seen, n, scale,
                     log_sums[at.log_sum + (first + i) * at.heads]);
        tile_row<T> slope(slopes.data + i * stride, n);
        slope = tile_row<T>(probabilities.data + i * stride, n) * (slope - products[i]) * scale;
      }
      if (dv) turned_tile_times_rows<T>(m, n, d, probabilities, upstream, {dv.data + there, at.k_stride});
      if (dq) tile_times_rows<T>(m, n, d, slopes, key_rows, {dq.data + start, at.q_stride}, true);
      if (dk) turned_tile_times_rows<T>(m, n, d, slopes, query, {dk.data + there, at.k_stride});
    }
  }
};

}  // namespace sysdpo
