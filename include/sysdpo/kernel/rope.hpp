// Rotary position embedding: elements i and i + d/2 of each head turn by the angle of their position. x, y
// [rows, heads, d], positions [rows], cosines and sines [table_rows, d/2], in float. Backward is the turn the
// other way. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// y = x turned, or += it; direction −1 turns back. A position that the table does not have gives NaN. y may
/// be x.
template <class T>
struct rope {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    std::int32_t const* positions;
    float const* cosines;
    float const* sines;
    index_t rows;
    index_t table_rows;
    int heads;
    int head_size;
    int direction;
    T* y;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return blocks_for<threads, pack_width<T>>(pairs(given)); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    int const middle = given.head_size / 2;
    bool const aligned = middle % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.y, 0) &&
                         is_aligned<n>(given.cosines, 0) && is_aligned<n>(given.sines, 0);
    auto const sign = static_cast<float>(given.direction);
    sweep_span<threads, n>(block, pairs(given), aligned, [&](index_t i, auto size) {
      auto const head = i / middle;
      int const within = static_cast<int>(i % middle);
      auto const at = head * given.head_size + within;
      index_t const position = given.positions[head / given.heads];
      float first[size.value];
      float second[size.value];
      float cosine[size.value];
      float sine[size.value];
      load(first, given.x + at);
      load(second, given.x + at + middle);
      if (position >= 0 && position < given.table_rows) {
        load(cosine, given.cosines + position * middle + within);
        load(sine, given.sines + position * middle + within);
      } else {
        for (int j = 0; j < size.value; ++j) cosine[j] = sine[j] = not_a_number;
      }
      for (int j = 0; j < size.value; ++j) {
        float const s = sign * sine[j];
        float const turned = first[j] * cosine[j] - second[j] * s;
        second[j] = second[j] * cosine[j] + first[j] * s;
        first[j] = turned;
      }
      store(given.y + at, first, given.accumulate);
      store(given.y + at + middle, second, given.accumulate);
    });
  }

 private:
  static SYSDPO_HOST_DEVICE index_t pairs(arguments const& given) {
    return given.rows * given.heads * (given.head_size / 2);
  }
};

}  // namespace sysdpo::kernel
