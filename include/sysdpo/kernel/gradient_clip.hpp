// The norms of models' gradients, and what these must be multiplied by so that no norm is above a bound: all
// on the device, so that the host waits for nothing. squared_norm adds up the squares of one tensor after
// another, each into its own places of `sums`; squared_norm_end makes one number of a model's;
// gradient_scales looks at those of all models. Double, in a fixed order. Bound by memory.
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

/// scales [models] = what brings each model's norm, √squared_norms [models], down to `bound`, 1 where it is
/// not above; a bound of 0 is none. All are NaN where a norm or one of losses [loss_count] is no finite
/// number: a step that is unsound anywhere must change no weight (kernel/adamw.hpp).
struct gradient_scales {
  static constexpr int threads = 128;
  struct arguments {
    double const* squared_norms;
    int models;
    double const* losses;
    index_t loss_count;
    double bound;
    double* scales;
  };
  struct shared {
    double of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& /*given*/) { return 1; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    double unsound = 0;  // x − x: 0 of a finite number, else NaN
    for (int i = block.thread(); i < given.models; i += threads)
      unsound += given.squared_norms[i] - given.squared_norms[i];
    for (index_t i = block.thread(); i < given.loss_count; i += threads)
      unsound += given.losses[i] - given.losses[i];
    unsound = block_sum<threads>(block, unsound, memory.of_warp);
    for (int i = block.thread(); i < given.models; i += threads) {
      double const norm = std::sqrt(given.squared_norms[i]);
      given.scales[i] = (given.bound > 0 && norm > given.bound ? given.bound / norm : 1) + unsound;
    }
  }
};

}  // namespace sysdpo::kernel
