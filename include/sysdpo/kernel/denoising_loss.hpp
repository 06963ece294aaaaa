// The squared error of a denoising model, row by row, and by how much it is smaller than a reference's: one
// sweep over both predictions. The difference is formed element by element, (p − ref)·(2·target − p − ref);
// packs are added up in float, everything beyond them in double, in a fixed order.
//
// The target is an array, or the noise itself, made anew from its Philox stream instead of read. Bound by
// memory (predictions and target in, next to nothing out); with the stream by arithmetic.
#pragma once

#include "sysdpo/kernel/add_noise.hpp"

namespace sysdpo::kernel {

namespace detail {

/// Elements i to i + N − 1 of a row's target: from memory, or from its stream where there is no memory.
template <int N, class T>
SYSDPO_DEVICE void load_target(float (&to)[N], T const* target, philox_stream const* streams, index_t row,
                               int i) {
  if (target != nullptr)
    load(to, target + i);
  else
    normals_at(streams[row], i, to);
}

}  // namespace detail

/// p, reference, target [rows, size] → partial sums [rows, parts, 2]: of (p − ref)·(2·target − p − ref) and
/// of (target − p)². The reference may be null: the first is 0 then. The target may be null where `streams`
/// [rows] is not. denoising_loss_end makes numbers of them.
template <class T>
struct denoising_loss {
  static constexpr int threads = 256;
  struct arguments {
    T const* p;
    T const* reference;
    T const* target;
    philox_stream const* streams;
    index_t rows;
    int size;
    int parts;
    double* sums;
  };
  struct shared {
    double ratio_of_warp[threads / warp_size];
    double loss_of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& given) { return given.rows * given.parts; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    row_part<n> const at(block.index(), given.parts, given.size);
    auto const start = at.row * given.size;
    auto const* const p = given.p + start;
    bool const compares = given.reference != nullptr;
    auto const* const reference = compares ? given.reference + start : p;
    auto const* const target = given.target == nullptr ? nullptr : given.target + start;
    bool const aligned = is_aligned<n>(p, at.begin) && is_aligned<n>(reference, at.begin) &&
                         (target == nullptr || is_aligned<n>(target, at.begin));
    double ratio = 0;
    double loss = 0;
    sweep<threads, n>(block.thread(), at.begin, at.end, aligned ? at.begin : at.end, [&](int i, auto size) {
      float x[size.value];
      float y[size.value];
      float goal[size.value];
      load(x, p + i);
      detail::load_target(goal, target, given.streams, at.row, i);
      float part = 0;
      for (int j = 0; j < size.value; ++j) part += (goal[j] - x[j]) * (goal[j] - x[j]);
      loss += static_cast<double>(part);
      if (!compares) return;
      load(y, reference + i);
      part = 0;
      for (int j = 0; j < size.value; ++j) part += (x[j] - y[j]) * ((goal[j] - x[j]) + (goal[j] - y[j]));
      ratio += static_cast<double>(part);
    });
    ratio = block_sum<threads>(block, ratio, memory.ratio_of_warp);
    loss = block_sum<threads>(block, loss, memory.loss_of_warp);
    if (block.thread() != 0) return;
    given.sums[2 * block.index()] = ratio;
    given.sums[2 * block.index() + 1] = loss;
  }
};

/// log_ratios, losses [rows] = weight · sum, or · sum / size, over the parts of denoising_loss. Either may be
/// null.
struct denoising_loss_end {
  static constexpr int threads = 128;
  struct arguments {
    double const* sums;
    float const* weight;
    index_t rows;
    int size;
    int parts;
    bool mean;
    float* log_ratios;
    float* losses;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.rows, threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const row = block.index() * threads + block.thread();
    if (row >= given.rows) return;
    double ratio = 0;
    double loss = 0;
    for (int part = 0; part < given.parts; ++part) {
      auto const* const sums = given.sums + 2 * (row * given.parts + part);
      ratio += sums[0];
      loss += sums[1];
    }
    auto const factor =
        static_cast<double>(given.weight[row]) / (given.mean && given.size > 0 ? given.size : 1);
    if (given.log_ratios != nullptr) given.log_ratios[row] = static_cast<float>(factor * ratio);
    if (given.losses != nullptr) given.losses[row] = static_cast<float>(factor * loss);
  }
};

/// dp = sign · 2 · weight · dy · (target − p), divided by the size if y is a mean, or +=. The sign is 1 for
/// the log-ratio and −1 for the loss. dp may be p, or the target.
template <class T>
struct denoising_loss_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* p;
    T const* target;
    philox_stream const* streams;
    float const* weight;
    float const* dy;
    index_t rows;
    int size;
    int parts;
    bool mean;
    int sign;
    T* dp;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return given.rows * given.parts; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    row_part<n> const at(block.index(), given.parts, given.size);
    auto const start = at.row * given.size;
    auto const* const p = given.p + start;
    auto const* const target = given.target == nullptr ? nullptr : given.target + start;
    auto* const dp = given.dp + start;
    bool const aligned = is_aligned<n>(p, at.begin) && is_aligned<n>(dp, at.begin) &&
                         (target == nullptr || is_aligned<n>(target, at.begin));
    auto const factor = static_cast<float>(2.0 * given.sign * static_cast<double>(given.weight[at.row]) *
                                           static_cast<double>(given.dy[at.row]) /
                                           (given.mean && given.size > 0 ? given.size : 1));
    sweep<threads, n>(block.thread(), at.begin, at.end, aligned ? at.begin : at.end, [&](int i, auto size) {
      float x[size.value];
      float goal[size.value];
      load(x, p + i);
      detail::load_target(goal, target, given.streams, at.row, i);
      for (int j = 0; j < size.value; ++j) x[j] = factor * (goal[j] - x[j]);
      store(dp + i, x, given.accumulate);
    });
  }
};

}  // namespace sysdpo::kernel
