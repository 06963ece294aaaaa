// y = silu(gate)·up, element by element. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// gate, up, y [size]; y may be either.
template <class T>
struct swiglu {
  static constexpr int threads = 256;
  struct arguments {
    T const* gate;
    T const* up;
    index_t size;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return blocks_for<threads, pack_width<T>>(given.size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    bool const aligned =
        is_aligned<n>(given.gate, 0) && is_aligned<n>(given.up, 0) && is_aligned<n>(given.y, 0);
    sweep_span<threads, n>(block, given.size, aligned, [&](index_t i, auto size) {
      float gate[size.value];
      float up[size.value];
      load(gate, given.gate + i);
      load(up, given.up + i);
      for (int j = 0; j < size.value; ++j) up[j] *= gate[j] * sigmoid(gate[j]);
      store(given.y + i, up);
    });
  }
};

/// With s = 1 / (1 + exp(−gate)): dgate = dy·up·s·(1 + gate·(1 − s)), dup = dy·gate·s, or += them; either may
/// be null. dgate may be the gate or dy, dup may be the other.
template <class T>
struct swiglu_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* gate;
    T const* up;
    T const* dy;
    index_t size;
    T* dgate;
    T* dup;
    bool accumulate_dgate;
    bool accumulate_dup;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return blocks_for<threads, pack_width<T>>(given.size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    bool const aligned = is_aligned<n>(given.gate, 0) && is_aligned<n>(given.up, 0) &&
                         is_aligned<n>(given.dy, 0) && is_aligned<n>(given.dgate, 0) &&
                         is_aligned<n>(given.dup, 0);
    sweep_span<threads, n>(block, given.size, aligned, [&](index_t i, auto size) {
      float gate[size.value];
      float up[size.value];
      float dy[size.value];
      load(gate, given.gate + i);
      load(up, given.up + i);
      load(dy, given.dy + i);
      for (int j = 0; j < size.value; ++j) {
        float const s = sigmoid(gate[j]);
        float const slope = s * (1 + gate[j] * (1 - s));
        gate[j] = dy[j] * gate[j] * s;
        up[j] *= dy[j] * slope;
      }
      if (given.dgate != nullptr) store(given.dgate + i, up, given.accumulate_dgate);
      if (given.dup != nullptr) store(given.dup + i, gate, given.accumulate_dup);
    });
  }
};

}  // namespace sysdpo::kernel
