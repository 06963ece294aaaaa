// y = value · gate · Φ(gate) for rows x = [value, gate]: x [rows, 2·width], y [rows, width]. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

namespace detail {

/// Φ(x), the normal distribution function.
SYSDPO_DEVICE inline float normal_distribution(float x) { return 0.5F + 0.5F * std::erf(x * 0.707106781F); }

}  // namespace detail

/// Nothing aliases.
template <class T>
struct geglu {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    index_t rows;
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
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.y, 0);
    sweep_span<threads, n>(block, given.rows * given.width, aligned, [&](index_t i, auto size) {
      auto const* const from = given.x + i + i / given.width * given.width;
      float value[size.value];
      float gate[size.value];
      load(value, from);
      load(gate, from + given.width);
      for (int j = 0; j < size.value; ++j) value[j] *= gate[j] * detail::normal_distribution(gate[j]);
      store(given.y + i, value);
    });
  }
};

/// dx = dy·[gate·Φ(gate), value·(Φ(gate) + gate·φ(gate))], φ being the density, or += it. dx may be x.
template <class T>
struct geglu_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    T const* dy;
    index_t rows;
    int width;
    T* dx;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.rows * given.width);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.dy, 0) &&
                         is_aligned<n>(given.dx, 0);
    sweep_span<threads, n>(block, given.rows * given.width, aligned, [&](index_t i, auto size) {
      auto const at = i + i / given.width * given.width;
      float value[size.value];
      float gate[size.value];
      float dy[size.value];
      load(value, given.x + at);
      load(gate, given.x + at + given.width);
      load(dy, given.dy + i);
      for (int j = 0; j < size.value; ++j) {
        float const phi = detail::normal_distribution(gate[j]);
        float const density = 0.398942280F * fast_exp(-0.5F * gate[j] * gate[j]);
        float const slope = phi + gate[j] * density;
        gate[j] *= dy[j] * phi;
        value[j] *= dy[j] * slope;
      }
      store(given.dx + at, gate, given.accumulate);
      store(given.dx + at + given.width, value, given.accumulate);
    });
  }
};

}  // namespace sysdpo::kernel
