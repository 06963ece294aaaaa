// log p(target) from logits [N, V], one sweep over them: each block walks along a row with a running maximum
// and running sums, so that the entropy and the most probable token can come with it. T is float, bf16 or
// half; sums are float, a row's in a fixed order.
//
// Bound by memory: forward reads the logits once, backward reads and writes them once.
#pragma once

#include "sysdpo/kernel/number.hpp"
#include "sysdpo/kernel/sequences.hpp"

namespace sysdpo::kernel {

namespace detail {

/// Of some logits: the highest, Σ e^(x − highest) and, for `Statistics`, the highest one's place and Σ (x −
/// highest)·e^(x − highest).
template <bool Statistics>
struct softmax_sums {
  float highest = -infinity;
  int place = std::numeric_limits<int>::max();
  float sum = 0;
  float weighted = 0;

  /// The same sums, relative to a higher logit.
  SYSDPO_DEVICE void raise(float to) {
    if (sum > 0) {
      float const step = highest - to;
      float const factor = fast_exp(step);
      if constexpr (Statistics) weighted = factor * (weighted + step * sum);
      sum *= factor;
    }
    highest = to;
  }

  /// Adds the logits at i, i + 1 …; i is higher than any before.
  template <int N>
  SYSDPO_DEVICE void add(float const (&x)[N], int i) {
    float top = x[0];
    for (int j = 1; j < N; ++j) top = larger(top, x[j]);
    if (top > highest) {
      raise(top);
      if constexpr (Statistics)
        for (int j = N - 1; j >= 0; --j)
          if (x[j] == top) place = i + j;
    }
    if (highest == -infinity) {  // none above −∞ so far, unless one is NaN
      for (int j = 0; j < N; ++j)
        if (!(x[j] == -infinity)) sum += x[j];
      return;
    }
    for (int j = 0; j < N; ++j) {
      float const step = x[j] - highest;
      float const term = fast_exp(step);
      sum += term;
      if constexpr (Statistics) weighted += term == 0 ? 0 : step * term;  // −∞ · 0 is 0 here
    }
  }

  /// Adds those of other logits. Of two equals the first is the most probable.
  SYSDPO_DEVICE void add(softmax_sums other) {
    if constexpr (Statistics)
      if (other.highest > highest || (other.highest == highest && other.place < place)) place = other.place;
    if (other.highest > highest)
      raise(other.highest);
    else if (other.highest < highest)
      other.raise(highest);
    sum += other.sum;
    if constexpr (Statistics) weighted += other.weighted;
  }

  /// Adds those of all lanes of a warp, in each of them.
  template <class Block>
  SYSDPO_DEVICE void add_lanes(Block& block) {
    for (int mask = warp_size / 2; mask > 0; mask /= 2) {
      softmax_sums other;
      other.highest = block.shuffle_xor(highest, mask);
      other.sum = block.shuffle_xor(sum, mask);
      if constexpr (Statistics) {
        other.place = block.shuffle_xor(place, mask);
        other.weighted = block.shuffle_xor(weighted, mask);
      }
      add(other);
    }
  }
};

}  // namespace detail

/// log_probs, log_sums, entropies [N], tops [N]: log softmax(row)[target], log Σ exp(row), −Σ p log p and the
/// most probable token, the first of equals, 0 if there is none. Entropies and tops may be null; without
/// `Statistics` nobody looks at them. A target outside [0, V) gives a log-probability of NaN. A logit of −∞
/// has probability 0; a row of nothing else gives NaN.
template <class T, int Threads = 512, bool Statistics = true>
struct log_softmax_gather {
  static constexpr int threads = Threads;
  using sums_type = detail::softmax_sums<Statistics>;
  struct arguments {
    T const* logits;
    std::int32_t const* targets;
    index_t rows;
    int vocabulary;
    float* log_probs;
    float* log_sums;
    float* entropies;
    std::int32_t* tops;
  };
  struct shared {
    sums_type of_warp[Threads / warp_size];
  };

  static index_t blocks(arguments const& given) { return given.rows; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    auto const* const row = given.logits + block.index() * given.vocabulary;
    sums_type sums;
    sweep<Threads, n>(block.thread(), 0, given.vocabulary, first_pack<n>(0, given.vocabulary, row),
                      [&](int i, auto size) {
                        float x[size.value];
                        load(x, row + i);
                        sums.add(x, i);
                      });
    sums.add_lanes(block);
    if (block.thread() % warp_size == 0) memory.of_warp[block.thread() / warp_size] = sums;
    block.sync();
    if (block.thread() != 0) return;
    for (int warp = 1; warp < Threads / warp_size; ++warp) sums.add(memory.of_warp[warp]);
    auto const log_sum = std::log(sums.sum);
    auto const n_row = block.index();
    int const target = given.targets[n_row];
    float const logit = target >= 0 && target < given.vocabulary ? to_float(row[target]) : not_a_number;
    given.log_sums[n_row] = sums.highest + log_sum;
    given.log_probs[n_row] = logit - sums.highest - log_sum;
    if constexpr (Statistics) {
      if (given.entropies != nullptr) given.entropies[n_row] = log_sum - sums.weighted / sums.sum;
      bool const has_top = sums.place < given.vocabulary;  // not where nothing is above −∞, or a number
      if (given.tops != nullptr) given.tops[n_row] = has_top ? sums.place : 0;
    }
  }
};

/// dlogits = dy·(onehot(target) − softmax), over the logits or elsewhere, or +=. dy belongs to sequences,
/// [sequences], whose rows `offsets` [sequences + 1] delimit, or to single rows, [N], where offsets is null.
/// Rows without upstream read no logits. `parts` blocks share a row.
template <class T, int Threads = 512>
struct log_softmax_gather_backward {
  static constexpr int threads = Threads;
  struct arguments {
    T const* logits;
    std::int32_t const* targets;
    float const* log_sums;
    float const* dy;
    std::int32_t const* offsets;
    int sequences;
    index_t rows;
    int vocabulary;
    int parts;
    T* dlogits;  ///< may be the logits
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return given.rows * given.parts; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const at = block.index() / given.parts;
    int const part = static_cast<int>(block.index() % given.parts);
    int const span = ceil_divide(given.vocabulary, given.parts);
    int const begin = part * span < given.vocabulary ? part * span : given.vocabulary;
    int const end = given.vocabulary - begin < span ? given.vocabulary : begin + span;
    auto const* const row = given.logits + at * given.vocabulary;
    auto* const out = given.dlogits + at * given.vocabulary;
    int const target = given.targets[at];
    float const log_sum = given.log_sums[at];
    float const upstream =
        given.dy[given.offsets == nullptr ? at : sequence_of(given.offsets, given.sequences, at)];
    bool const accumulate = given.accumulate;
    sweep<Threads, n>(block.thread(), begin, end, first_pack<n>(begin, end, row, out), [&](int i, auto size) {
      float x[size.value] = {};
      if (upstream != 0) {
        load(x, row + i);
        for (int j = 0; j < size.value; ++j)
          x[j] = upstream * ((i + j == target ? 1.0F : 0.0F) - fast_exp(x[j] - log_sum));
      }
      store(out + i, x, accumulate);
    });
  }
};

/// sums [sequences] of values [N], whose rows `offsets` [sequences + 1] delimit; added up in double, in a
/// fixed order.
struct sequence_sum {
  static constexpr int threads = 128;
  struct arguments {
    float const* values;
    std::int32_t const* offsets;
    int sequences;
    float* sums;
  };
  struct shared {
    double of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& given) { return given.sequences; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    double sum = 0;
    for (int i = given.offsets[block.index()] + block.thread(); i < given.offsets[block.index() + 1];
         i += threads)
      sum += static_cast<double>(given.values[i]);
    sum = block_sum<threads>(block, sum, memory.of_warp);
    if (block.thread() == 0) given.sums[block.index()] = static_cast<float>(sum);
  }
};

}  // namespace sysdpo::kernel
