// The norm of a model's gradients, and what they must be multiplied by so that it stays below a bound: all on
// the device, so that the host waits for nothing. squared_norm adds up the squares of one tensor after
// another, each into its own places of `sums`; gradient_scale makes one number of all. Double, in a fixed
// order. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// sums [parts] = Σ x² of each part of x [size].
template <class T>
struct squared_norm {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    index_t size;
    int parts;
    double* sums;
  };
  struct shared {
    double of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& given) { return given.parts; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    auto const packs = ceil_divide(given.size, n);
    auto const share = ceil_divide(packs, given.parts);
    auto const last = (block.index() + 1) * share < packs ? (block.index() + 1) * share : packs;
    bool const aligned = is_aligned<n>(given.x, 0);
    double sum = 0;
    for (auto pack = block.index() * share + block.thread(); pack < last; pack += threads) {
      auto const i = pack * n;
      float x[n] = {};
      if (aligned && i + n <= given.size)
        load(x, given.x + i);
      else
        for (int j = 0; j < n && i + j < given.size; ++j) x[j] = to_float(given.x[i + j]);
      for (int j = 0; j < n; ++j) sum += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    }
    sum = block_sum<threads>(block, sum, memory.of_warp);
    if (block.thread() == 0) given.sums[block.index()] = sum;
  }
};

/// total [1] = Σ sums.
struct squared_norm_end {
  static constexpr int threads = 256;
  struct arguments {
    double const* sums;
    int count;
    double* total;
  };
  struct shared {
    double of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& /*given*/) { return 1; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    double sum = 0;
    for (int i = block.thread(); i < given.count; i += threads) sum += given.sums[i];
    sum = block_sum<threads>(block, sum, memory.of_warp);
    if (block.thread() == 0) given.total[0] = sum;
  }
};

/// norm [1] = √Σ sums, scale [1] = what brings the norm down to `bound`, or 1 where it is not above. A norm
/// that is no number gives that: the weights show it.
struct gradient_scale {
  static constexpr int threads = 256;
  struct arguments {
    double const* sums;
    int count;
    float bound;
    float* norm;
    float* scale;
  };
  struct shared {
    double of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& /*given*/) { return 1; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    double sum = 0;
    for (int i = block.thread(); i < given.count; i += threads) sum += given.sums[i];
    sum = block_sum<threads>(block, sum, memory.of_warp);
    if (block.thread() != 0) return;
    double const norm = std::sqrt(sum);
    given.norm[0] = static_cast<float>(norm);
    given.scale[0] = norm <= static_cast<double>(given.bound)
                         ? 1.0F
                         : static_cast<float>(static_cast<double>(given.bound) / norm);
  }
};

}  // namespace sysdpo::kernel
