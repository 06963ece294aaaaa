// Sums of columns: x [groups, rows, width] → [groups, width], the gradient of a bias or of a row for each
// image. Two kernels: column_sums_parts adds up `parts` shares of a group's rows, column_sums_end those sums.
// All in float and in a fixed order. Bound by memory: x is read once; enough parts for the blocks to fill the
// device, and several rows for each thread of a block, make it so.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// sums [groups, parts, width]; a part without rows has 0. Threads stand side by side along the columns, a
/// pack each, and share the rows where there are fewer packs than threads.
template <class T>
struct column_sums_parts {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    index_t groups;
    index_t rows;
    int width;
    int parts;
    float* sums;
  };
  struct shared {
    float sums[threads * pack_width<T>];
  };

  static index_t blocks(arguments const& given) {
    return given.groups * given.parts * column_blocks(given, in_packs(given) ? pack_width<T> : 1);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    if (in_packs(given))
      run<pack_width<T>>(block, given, memory);
    else
      run<1>(block, given, memory);
  }

 private:
  static SYSDPO_HOST_DEVICE bool in_packs(arguments const& given) {
    return given.width % pack_width<T> == 0 && is_aligned<pack_width<T>>(given.x, 0);
  }

  static SYSDPO_HOST_DEVICE int column_blocks(arguments const& given, int pack) {
    return ceil_divide(given.width, threads * pack);
  }

  template <int N, class Block>
  static SYSDPO_DEVICE void run(Block& block, arguments const& given, shared& memory) {
    int const column_count = column_blocks(given, N);
    int const first_column = static_cast<int>(block.index() % column_count) * threads * N;
    auto const share = block.index() / column_count;
    auto const group = share / given.parts;
    auto const part = share % given.parts;
    int const left = given.width - first_column;
    int const columns = left < threads * N ? left : threads * N;
    int const packs = columns / N;
    int const lanes = threads / packs;
    int const lane = block.thread() / packs;
    auto const span = ceil_divide(given.rows, given.parts);
    auto const last = (part + 1) * span < given.rows ? (part + 1) * span : given.rows;
    auto const* const x =
        given.x + group * given.rows * given.width + first_column + block.thread() % packs * N;
    float sums[N] = {};
    if (lane < lanes)
      for (auto row = part * span + lane; row < last; row += lanes) {
        float a[N];
        load(a, x + row * given.width);
        for (int j = 0; j < N; ++j) sums[j] += a[j];
      }
    for (int j = 0; j < N; ++j) memory.sums[block.thread() * N + j] = sums[j];
    block.sync();
    for (int i = block.thread(); i < columns; i += threads) {
      float total = 0;
      for (int j = 0; j < lanes; ++j) total += memory.sums[j * columns + i];
      given.sums[share * given.width + first_column + i] = total;
    }
  }
};

/// y [groups, width] = Σ over parts of sums [groups, parts, width], or += it. A warp stands side by side
/// along the columns, and the warps of a block share the parts.
template <class T>
struct column_sums_end {
  static constexpr int threads = 256;
  struct arguments {
    float const* sums;
    index_t groups;
    int width;
    int parts;
    T* y;
    bool accumulate;
  };
  struct shared {
    float of_warp[threads / warp_size][warp_size];
  };

  static index_t blocks(arguments const& given) { return ceil_divide(given.groups * given.width, warp_size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int warps = threads / warp_size;
    int const warp = block.thread() / warp_size;
    int const lane = block.thread() % warp_size;
    auto const i = block.index() * warp_size + lane;
    bool const is_there = i < given.groups * given.width;
    float total[1] = {0};
    if (is_there) {
      auto const first = i / given.width * given.parts;
      for (int part = warp; part < given.parts; part += warps)
        total[0] += given.sums[(first + part) * given.width + i % given.width];
    }
    memory.of_warp[warp][lane] = total[0];
    block.sync();
    if (warp != 0 || !is_there) return;
    for (int other = 1; other < warps; ++other) total[0] += memory.of_warp[other][lane];
    store(given.y + i, total, given.accumulate);
  }
};

}  // namespace sysdpo::kernel
