// Tiles in shared memory and the products of a warp with them, on tensor cores: 16 rows a warp, accumulators
// in float. T is bf16 or half, multiplied as they are, or float: each number is then split into three of
// bf16, whose 24 bits are all of it, and the six largest of the nine products are added, smallest first: at a
// sixth of the rate of bf16, and nearly as exact as float arithmetic (the sum of 16 products may lose the
// last bits of its largest).
//
// Accumulators of a warp's 16 × 8·N numbers: c[n][0], c[n][1] are row lane / 4 at columns 8n + 2·(lane % 4)
// and the next, c[n][2], c[n][3] the same 8 rows below.
#pragma once

#include <bit>

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// Rows in shared memory, 16 bytes apart from each other, so that eight of them lie in different banks.
template <class T, int Rows, int Columns>
struct tile {
  static_assert(Columns % 16 == 0);
  static constexpr int stride = Columns + pack_width<T>;

  alignas(16) T element[Rows * stride];

  [[nodiscard]] SYSDPO_DEVICE T* row(int i) { return element + i * stride; }
  [[nodiscard]] SYSDPO_DEVICE T const* row(int i) const { return element + i * stride; }
};

/// Starts to copy `rows` rows of `columns` elements, a multiple of pack_width, from memory whose rows are
/// `stride` apart; the rest of the tile becomes 0. All threads of the block take part.
template <int Threads, class Block, class T, int Rows, int Columns>
SYSDPO_DEVICE void copy_tile(Block& block, tile<T, Rows, Columns>& to, T const* from, index_t stride,
                             int rows, int columns) {
  constexpr int n = pack_width<T>;
  constexpr int packs = Columns / n;
  constexpr int step = Threads / packs;  // rows at a time; a thread keeps to its column
  static_assert(step > 0);
  int const first = block.thread() / packs;
  if (Threads % packs != 0 && first >= step) return;
  int const column = block.thread() % packs * n;
  int const end = column < columns ? rows : 0;
  auto* target = to.row(first) + column;
  auto const* source = from + first * stride + column;
  SYSDPO_UNROLL_BY(4) for (int row = first; row < Rows; row += step) {
    bool const there = row < end;
    block.copy_async(target, there ? source : from, there ? 16 : 0);
    target += step * tile<T, Rows, Columns>::stride;
    source += step * stride;
  }
}

namespace detail {

/// Registers that stand for one register of numbers.
template <class T>
inline constexpr int terms = std::is_same_v<T, float> ? 3 : 1;

/// Two numbers as operands: to[term · Stride].
template <class T, int Stride>
SYSDPO_DEVICE void split(float first, float second, std::uint32_t* to) {
  if constexpr (std::is_same_v<T, float>) {
    SYSDPO_UNROLL for (int term = 0; term < 3; ++term) {
      auto const pair = pair_of<bf16>(first, second);
      to[term * Stride] = pair;
      first -= std::bit_cast<float>(pair << 16);
      second -= std::bit_cast<float>(pair & 0xffff0000U);
    }
  } else {
    to[0] = pair_of<T>(first, second);
  }
}

}  // namespace detail

/// What mma multiplies from the left, 16 × 16.
template <class T>
struct left_operand {
  std::uint32_t part[detail::terms<T>][4];
};
/// What it multiplies from the right, 16 × 8.
template <class T>
struct right_operand {
  std::uint32_t part[detail::terms<T>][2];
};

/// Rows `row` to row + 15 of a tile, columns `column` to column + 15.
template <class Block, class T, int Rows, int Columns>
SYSDPO_DEVICE void load_left(Block& block, left_operand<T>& to, tile<T, Rows, Columns> const& from, int row,
                             int column) {
  int const lane = block.thread() % warp_size;
  if constexpr (sizeof(T) == 2) {
    block.load_matrices(to.part[0], from.row(row + lane % 16) + column + lane / 16 * 8);
  } else {
    SYSDPO_UNROLL for (int i = 0; i < 4; ++i) {
      auto const* const x = from.row(row + lane / 4 + i % 2 * 8) + column + lane % 4 * 2 + i / 2 * 8;
      detail::split<T, 4>(x[0], x[1], &to.part[0][i]);
    }
  }
}

/// The transposes of rows `row` to row + 7 and of the next 8 of a tile, columns `column` to column + 15.
template <class Block, class T, int Rows, int Columns>
SYSDPO_DEVICE void load_right_rows(Block& block, right_operand<T> (&to)[2],
                                   tile<T, Rows, Columns> const& from, int row, int column) {
  int const lane = block.thread() % warp_size;
  if constexpr (sizeof(T) == 2) {
    std::uint32_t matrices[4];
    block.load_matrices(matrices, from.row(row + lane % 8 + lane / 16 * 8) + column + lane / 8 % 2 * 8);
    SYSDPO_UNROLL for (int i = 0; i < 4; ++i)
      to[i / 2].part[0][i % 2] = matrices[i];
  } else {
    SYSDPO_UNROLL for (int i = 0; i < 4; ++i) {
      auto const* const x = from.row(row + lane / 4 + i / 2 * 8) + column + lane % 4 * 2 + i % 2 * 8;
      detail::split<T, 2>(x[0], x[1], &to[i / 2].part[0][i % 2]);
    }
  }
}

/// Rows `row` to row + 15 of a tile, columns `column` to column + 7 and the next 8.
template <class Block, class T, int Rows, int Columns>
SYSDPO_DEVICE void load_right(Block& block, right_operand<T> (&to)[2], tile<T, Rows, Columns> const& from,
                              int row, int column) {
  int const lane = block.thread() % warp_size;
  if constexpr (sizeof(T) == 2) {
    std::uint32_t matrices[4];
    block.load_matrices_transposed(matrices, from.row(row + lane % 16) + column + lane / 16 * 8);
    SYSDPO_UNROLL for (int i = 0; i < 4; ++i)
      to[i / 2].part[0][i % 2] = matrices[i];
  } else {
    SYSDPO_UNROLL for (int i = 0; i < 4; ++i) {
      auto const* const x = from.row(row + lane % 4 * 2 + i % 2 * 8) + column + lane / 4 + i / 2 * 8;
      detail::split<T, 2>(x[0], x[from.stride], &to[i / 2].part[0][i % 2]);
    }
  }
}

/// 16 × 16 accumulators as what is multiplied from the left.
template <class T>
SYSDPO_DEVICE void convert(left_operand<T>& to, float const (&first)[4], float const (&second)[4]) {
  detail::split<T, 4>(first[0], first[1], &to.part[0][0]);
  detail::split<T, 4>(first[2], first[3], &to.part[0][1]);
  detail::split<T, 4>(second[0], second[1], &to.part[0][2]);
  detail::split<T, 4>(second[2], second[3], &to.part[0][3]);
}

/// c += a·b.
template <class Block, class T>
SYSDPO_DEVICE void multiply(Block& block, float (&c)[4], left_operand<T> const& a,
                            right_operand<T> const& b) {
  if constexpr (sizeof(T) == 2) {
    block.mma(T{}, c, a.part[0], b.part[0]);
  } else {
    // Tensor cores cut off what they add to a large sum: they get small ones, which ordinary sums, rounded to
    // nearest, add up.
    float sum[4] = {};
    SYSDPO_UNROLL for (int order = 2; order >= 0; --order) {  // of the terms' sizes: 2^−8 to its power
      SYSDPO_UNROLL for (int i = 0; i <= order; ++i)
        block.mma(bf16{}, sum, a.part[order - i], b.part[i]);
    }
    SYSDPO_UNROLL for (int i = 0; i < 4; ++i)
      c[i] += sum[i];
  }
}

/// c [16·S, 8·N] += a·bᵀ for 16·S rows of a, from `row` on, and the first 8·N rows of b. The more strips S a
/// warp has, the less it reads of b for each product.
template <class Block, class T, int S, int N, int RowsA, int RowsB, int Columns>
SYSDPO_DEVICE void multiply_rows(Block& block, float (&c)[S][N][4], tile<T, RowsA, Columns> const& a, int row,
                                 tile<T, RowsB, Columns> const& b) {
  static_assert(N % 2 == 0 && 8 * N <= RowsB);
  SYSDPO_UNROLL for (int column = 0; column < Columns; column += 16) {
    left_operand<T> left[S];
    SYSDPO_UNROLL for (int s = 0; s < S; ++s)
      load_left(block, left[s], a, row + 16 * s, column);
    SYSDPO_UNROLL for (int n = 0; n < N; n += 2) {
      right_operand<T> right[2];
      load_right_rows(block, right, b, 8 * n, column);
      SYSDPO_UNROLL for (int s = 0; s < S; ++s) {
        multiply(block, c[s][n], left[s], right[0]);
        multiply(block, c[s][n + 1], left[s], right[1]);
      }
    }
  }
}

/// c [16·S, 8·N] += p·b for accumulators p [16·S, 8·K] and the first 8·K rows of b, columns from `column` on.
template <class Block, class T, int S, int N, int K, int Rows, int Columns>
SYSDPO_DEVICE void multiply_columns(Block& block, float (&c)[S][N][4], float const (&p)[S][K][4],
                                    tile<T, Rows, Columns> const& b, int column) {
  static_assert(N % 2 == 0 && K % 2 == 0 && 8 * K <= Rows);
  SYSDPO_UNROLL for (int k = 0; k < K; k += 2) {
    left_operand<T> left[S];
    SYSDPO_UNROLL for (int s = 0; s < S; ++s)
      convert(left[s], p[s][k], p[s][k + 1]);
    SYSDPO_UNROLL for (int n = 0; n < N; n += 2) {
      right_operand<T> right[2];
      load_right(block, right, b, 8 * k, column + 8 * n);
      SYSDPO_UNROLL for (int s = 0; s < S; ++s) {
        multiply(block, c[s][n], left[s], right[0]);
        multiply(block, c[s][n + 1], left[s], right[1]);
      }
    }
  }
}

/// Stores the warp's accumulators times `factor` of each half of their rows to memory whose rows are `stride`
/// apart, the first `rows` rows and `columns` columns of them; through 16 rows of a tile that only this warp
/// uses now.
template <class Block, class T, int N, int Rows, int Columns>
SYSDPO_DEVICE void store_rows(Block& block, float const (&c)[N][4], float const (&factor)[2],
                              tile<T, Rows, Columns>& through, int row, T* to, index_t stride, int rows,
                              int columns, bool accumulate) {
  static_assert(8 * N <= Columns);
  constexpr int n = pack_width<T>;
  constexpr int packs = 8 * N / n;
  int const lane = block.thread() % warp_size;
  SYSDPO_UNROLL for (int i = 0; i < N; ++i) SYSDPO_UNROLL
    for (int half = 0; half < 2; ++half) {
      float const x[2] = {c[i][2 * half] * factor[half], c[i][2 * half + 1] * factor[half]};
      store(through.row(row + lane / 4 + 8 * half) + 8 * i + lane % 4 * 2, x);
    }
  block.sync_warp();
  for (int i = lane; i < 16 * packs; i += warp_size) {
    int const j = i / packs;
    int const column = i % packs * n;
    if (j >= rows || column >= columns) continue;
    float x[n];
    load(x, through.row(row + j) + column);
    store(to + j * stride + column, x, accumulate);
  }
}

}  // namespace sysdpo::kernel
