// The norms of models' gradients, and what these must be multiplied by so that no norm is above a bound: all
// on the device, so that the host waits for nothing. squared_norm adds up the squares of a model's
// tensors, a number a block; squared_norm_end makes one of them; gradient_scales looks at those of all
// models. Double, in a fixed order. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// One tensor of those whose squares are added up.
template <class T>
struct squared_norm_tensor {
  T const* x;
  index_t size;
  index_t first_block;  ///< the sum of squared_norm<T>::blocks_of over the tensors before
};

/// sums [blocks] = Σ x² of each block's `share` elements of one tensor, a multiple of pack_width.
template <class T>
struct squared_norm {
  static constexpr int threads = 256;
  struct arguments {
    squared_norm_tensor<T> const* tensors;
    int count;
    index_t share;
    index_t total_blocks;
    double* sums;
  };
  struct shared {
    double of_warp[threads / warp_size];
  };

  static index_t blocks_of(index_t size, index_t share) { return ceil_divide(size, share); }
  static index_t blocks(arguments const& given) { return given.total_blocks; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    int const number = tensor_of_block(given.tensors, given.count, block.index());
    auto const [tensor, size, first_block] = given.tensors[number];
    auto const begin = (block.index() - first_block) * given.share;
    auto const* const x = tensor + begin;
    int const count = static_cast<int>(size - begin < given.share ? size - begin : given.share);
    double sum = 0;
    sweep<threads, n>(block.thread(), 0, count, is_aligned<n>(x, 0) ? 0 : count, [&](int i, auto elements) {
      float some[elements.value];
      load(some, x + i);
      for (float const each : some) sum += static_cast<double>(each) * static_cast<double>(each);
    });
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
