// The sinusoidal embedding of diffusion steps: t [rows], y [rows, width], width even. A pair of elements a
// thread, in double, for float does not hold an angle of 1000 to 1e-4; rows are few, so nothing bounds it but
// the launch.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// y[r, i] = cos(t[r]·f_i), y[r, width/2 + i] = sin(t[r]·f_i), f_i = 10000^(−2i / width).
template <class T>
struct timestep_embedding {
  static constexpr int threads = 128;
  struct arguments {
    std::int32_t const* t;
    index_t rows;
    int width;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return ceil_divide(given.rows * (given.width / 2), threads);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr double log_of_longest = 9.210340371976184;  // log 10000
    int const middle = given.width / 2;
    auto const at = block.index() * threads + block.thread();
    if (at >= given.rows * middle) return;
    auto const row = at / middle;
    int const i = static_cast<int>(at - row * middle);
    double const angle = given.t[row] * std::exp(-log_of_longest * i / middle);
    auto* const y = given.y + row * given.width + i;
    y[0] = from_float<T>(static_cast<float>(std::cos(angle)));
    y[middle] = from_float<T>(static_cast<float>(std::sin(angle)));
  }
};

}  // namespace sysdpo::kernel
