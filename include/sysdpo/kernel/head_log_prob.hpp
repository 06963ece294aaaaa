// log p(target) from logits that come a chunk of words at a time, so that those of the whole vocabulary never
// exist: head_log_prob_chunk for each chunk in turn, then head_log_prob_end; backward the chunks again, in
// any order, each turned into slopes by head_log_prob_backward_chunk. A chunk is [rows, count], its first
// word is number `first_word` of the vocabulary. Sums are float, a row's in a fixed order. Bound by memory:
// forward reads a chunk once, backward reads it and writes slopes once.
#pragma once

#include "sysdpo/kernel/log_softmax_gather.hpp"

namespace sysdpo::kernel {

/// Of the words so far: highest [rows], sums [rows] = Σ e^(logit − highest), target_logits [rows]. The chunk
/// with first_word 0 comes first and starts them. A target that no chunk has gives NaN in the end.
template <class T, int Threads = 512>
struct head_log_prob_chunk {
  static constexpr int threads = Threads;
  struct arguments {
    T const* logits;
    std::int32_t const* targets;
    index_t rows;
    int first_word;
    int count;
    float* highest;
    float* sums;
    float* target_logits;
  };
  struct shared {
    float highest_of_warp[Threads / warp_size];
    float sum_of_warp[Threads / warp_size];
  };

  static index_t blocks(arguments const& given) { return given.rows; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    auto const at = block.index();
    auto const* const row = given.logits + at * given.count;
    detail::softmax_sums<false> sums;
    sweep<Threads, n>(block.thread(), 0, given.count, first_pack<n>(0, given.count, row),
                      [&](int i, auto size) {
                        float x[size.value];
                        load(x, row + i);
                        sums.add(x, i);
                      });
    sums.add_lanes(block);
    if (block.thread() % warp_size == 0) {
      memory.highest_of_warp[block.thread() / warp_size] = sums.highest;
      memory.sum_of_warp[block.thread() / warp_size] = sums.sum;
    }
    block.sync();
    if (block.thread() != 0) return;
    for (int warp = 1; warp < Threads / warp_size; ++warp)
      add(sums, memory.highest_of_warp[warp], memory.sum_of_warp[warp]);
    bool const starts = given.first_word == 0;
    if (!starts) add(sums, given.highest[at], given.sums[at]);
    given.highest[at] = sums.highest;
    given.sums[at] = sums.sum;
    index_t const place = index_t{given.targets[at]} - given.first_word;
    if (place >= 0 && place < given.count)
      given.target_logits[at] = to_float(row[place]);
    else if (starts)
      given.target_logits[at] = not_a_number;
  }

 private:
  /// Adds other logits' sum.
  static SYSDPO_DEVICE void add(detail::softmax_sums<false>& sums, float highest, float sum) {
    detail::softmax_sums<false> other;
    other.highest = highest;
    other.sum = sum;
    sums.add(other);
  }
};

/// log_probs [rows] = log softmax[target], log_sums [rows] = log Σ exp, from what the chunks gave. log_probs
/// may be the target_logits, log_sums the highest or the sums.
struct head_log_prob_end {
  static constexpr int threads = 128;
  struct arguments {
    float const* highest;
    float const* sums;
    float const* target_logits;
    index_t rows;
    float* log_probs;
    float* log_sums;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return ceil_divide(given.rows, threads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const row = block.index() * threads + block.thread();
    if (row >= given.rows) return;
    float const highest = given.highest[row];
    float const log_sum = std::log(given.sums[row]);
    given.log_probs[row] = given.target_logits[row] - highest - log_sum;
    given.log_sums[row] = highest + log_sum;
  }
};

/// slopes [rows, count] = dy [rows]·(onehot(target) − exp(logit − log_sum)): what the loss's gradient is by
/// the logits. Slopes may be the logits where the types are equal. Rows without upstream read no logits.
template <class From, class To = From, int Threads = 512>
struct head_log_prob_backward_chunk {
  static constexpr int threads = Threads;
  struct arguments {
    From const* logits;
    std::int32_t const* targets;
    float const* log_sums;
    float const* dy;
    index_t rows;
    int first_word;
    int count;
    To* slopes;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return given.rows; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = common_pack_width<From, To>;
    auto const at = block.index();
    auto const* const row = given.logits + at * given.count;
    auto* const slopes = given.slopes + at * given.count;
    index_t const target = index_t{given.targets[at]} - given.first_word;
    float const log_sum = given.log_sums[at];
    float const upstream = given.dy[at];
    sweep<Threads, n>(block.thread(), 0, given.count, first_pack<n>(0, given.count, row, slopes),
                      [&](int i, auto size) {
                        float x[size.value] = {};
                        if (upstream != 0) {
                          load(x, row + i);
                          for (int j = 0; j < size.value; ++j)
                            x[j] = upstream * ((i + j == target ? 1.0F : 0.0F) - fast_exp(x[j] - log_sum));
                        }
                        store(slopes + i, x);
                      });
  }
};

}  // namespace sysdpo::kernel
