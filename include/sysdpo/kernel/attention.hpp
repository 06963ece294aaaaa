// Attention, forward: y = softmax(scale · q·kᵀ)·v for each sequence and head, exact, with running maxima and
// sums; log_sums keeps the log-sum-exp of each query's scores for the backward pass. A block takes 16 queries
// a strip, one or two strips a warp, through all keys that they see, a tile at a time: while scores are
// computed, the tile's values are on their way, and while values are added up, the next tile's keys. Layout:
// kernel/attention_layout.hpp. A query that sees no key gives 0 and −∞. Nothing aliases.
//
// Bound by tensor cores: 4·d operations for each query and visible key.
#pragma once

#include "sysdpo/kernel/attention_layout.hpp"
#include "sysdpo/kernel/tile.hpp"

namespace sysdpo::kernel {

/// The running maximum and sum of a lane's two rows of scores.
struct online_softmax {
  float highest[2] = {-infinity, -infinity};
  /// The maximum in powers of 2, rounded: what all exponents of a row are relative to. It is kept, since a
  /// difference to a product made anew would bring the rounding into each tile's correction, on one side.
  float base[2] = {-infinity, -infinity};
  float sum[2] = {0, 0};  ///< of this lane's columns, relative to `base`

  /// Turns scores into 2^(score·scale_log2 − base) and gives what earlier sums must be multiplied by: 1 where
  /// the maximum has not moved.
  template <class Block, int N>
  SYSDPO_DEVICE void advance(Block& block, float (&scores)[N][4], float scale_log2, float (&correction)[2]) {
    SYSDPO_UNROLL for (int half = 0; half < 2; ++half) {
      float top = highest[half];
      SYSDPO_UNROLL for (int n = 0; n < N; ++n)
        top = larger(larger(top, scores[n][2 * half]), scores[n][2 * half + 1]);
      top = larger(top, block.shuffle_xor(top, 1));
      top = larger(top, block.shuffle_xor(top, 2));
      if (top > highest[half]) {
        float const moved = std::fma(top, scale_log2, 0.0F);  // a product that no compiler fuses with a sum
        correction[half] = fast_exp2(base[half] - moved);
        highest[half] = top;
        base[half] = moved;
      } else {
        correction[half] = 1;
      }
      float const from = top == -infinity ? 0 : base[half];
      float total = 0;
      SYSDPO_UNROLL for (int n = 0; n < N; ++n) SYSDPO_UNROLL
        for (int j = 2 * half; j < 2 * half + 2; ++j) {
          scores[n][j] = fast_exp2(std::fma(scores[n][j], scale_log2, -from));
          total += scores[n][j];
        }
      sum[half] = sum[half] * correction[half] + total;
    }
  }

  /// The whole rows' sums; of no use for another advance().
  template <class Block>
  SYSDPO_DEVICE void finish(Block& block) {
    SYSDPO_UNROLL for (float& row : sum) {
      row += block.shuffle_xor(row, 1);
      row += block.shuffle_xor(row, 2);
    }
  }
};

/// D, a multiple of 16, is at least the head size: the least that the caller has is the fastest.
template <class T, int D, int Warps = attention_warps<T, D>, int Strips = attention_strips<T, D>>
struct attention {
  static constexpr int threads = Warps * warp_size;
  static constexpr int query_tile = 16 * Strips * Warps;
  static constexpr int key_tile = attention_keys<T, D>;

  struct arguments {
    T const* q;
    T const* k;
    T const* v;
    attention_layout layout;
    T* y;
    float* log_sums;
  };
  struct shared {
    tile<T, query_tile, D> q;
    tile<T, key_tile, D> k;
    tile<T, key_tile, D> v;
  };

  using place = attention_queries<query_tile>;

  static index_t blocks(arguments const& given) { return place::blocks(given.layout); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    auto const& layout = given.layout;
    place const here(layout, block.index());
    auto const& [first, rows, keys, at, q_stride, k_stride, q_start, k_start] = here;
    if (rows == 0) return;
    int const d = layout.head_size;
    auto const* const k = given.k + k_start;
    auto const* const v = given.v + k_start;
    if (keys > 0) {
      copy_tile<threads>(block, memory.q, given.q + q_start, q_stride, rows, d);
      copy_tile<threads>(block, memory.k, k, k_stride, keys, d);
      block.commit_copies();
    }

    int const lane = block.thread() % warp_size;
    int const warp_row = block.thread() / warp_size * 16 * Strips;
    int const row = first + warp_row + lane / 4;  // and 8 rows below, and so on for each strip
    float const scale_log2 = layout.scale * detail::log2_e;
    online_softmax softmax[Strips];
    float out[Strips][D / 8][4] = {};
    for (int key = 0; key < keys; key += key_tile) {
      block.wait_copies(0);
      block.sync();  // the keys are here, and nobody needs the last values any more
      copy_tile<threads>(block, memory.v, v + key * k_stride, k_stride, keys - key, d);
      block.commit_copies();

      float scores[Strips][key_tile / 8][4] = {};
      multiply_rows(block, scores, memory.q, warp_row, memory.k);
      if (key + key_tile > at.visible(first + warp_row)) {
        SYSDPO_UNROLL for (int s = 0; s < Strips; ++s)
          hide(at, row + 16 * s, key + lane % 4 * 2, scores[s]);
      }

      block.wait_copies(0);
      block.sync();  // the values are here, and nobody needs the keys any more
      if (key + key_tile < keys)
        copy_tile<threads>(block, memory.k, k + (key + key_tile) * k_stride, k_stride, keys - key - key_tile,
                           d);
      block.commit_copies();

      SYSDPO_UNROLL for (int s = 0; s < Strips; ++s) {
        float correction[2];
        softmax[s].advance(block, scores[s], scale_log2, correction);
        if (correction[0] == 1 && correction[1] == 1) continue;  // as in most tiles of long sequences
        SYSDPO_UNROLL for (int n = 0; n < D / 8; ++n) SYSDPO_UNROLL
          for (int j = 0; j < 4; ++j) out[s][n][j] *= correction[j / 2];
      }
      block.converge();
      multiply_columns(block, out, scores, memory.v, 0);
    }

    // The queries have been multiplied, by all lanes together: their tile is free.
    SYSDPO_UNROLL for (int s = 0; s < Strips; ++s) {
      softmax[s].finish(block);
      float factor[2];
      SYSDPO_UNROLL for (int half = 0; half < 2; ++half) {
        float const sum = softmax[s].sum[half];
        int const i = row + 16 * s + 8 * half;
        factor[half] = sum == 0 ? 0 : 1 / sum;
        if (lane % 4 == 0 && i < at.queries)
          given.log_sums[at.query_row(layout, i)] =
              sum == 0 ? -infinity : std::fma(softmax[s].base[half], detail::log_2, std::log(sum));
      }
      int const strip = warp_row + 16 * s;
      store_rows(block, out[s], factor, memory.q, strip, given.y + q_start + strip * q_stride, q_stride,
                 rows - strip, d, false);
    }
  }

 private:
  /// Scores of keys that their query does not see become −∞.
  template <int N>
  static SYSDPO_DEVICE void hide(attention_place const& at, int row, int key, float (&scores)[N][4]) {
    SYSDPO_UNROLL for (int half = 0; half < 2; ++half) {
      int const seen = at.visible(row + 8 * half);
      SYSDPO_UNROLL for (int n = 0; n < N; ++n) SYSDPO_UNROLL
        for (int j = 0; j < 2; ++j)
          if (key + 8 * n + j >= seen) scores[n][2 * half + j] = -infinity;
    }
  }
};

}  // namespace sysdpo::kernel
