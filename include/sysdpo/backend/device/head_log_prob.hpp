// The output head and the log-probability of given tokens, without the logits: chunks of words, each against
// all tokens (up to a bound), so that a row of dhead is made by one product and never read again; dhidden is
// added up in float over the chunks. Memory beside inputs and gradients: one chunk of logits in float, its
// slopes where T has 16 bits, and dhidden in float.
#pragma once

#include <algorithm>
#include <type_traits>

#include "sysdpo/backend/device/elementwise.hpp"
#include "sysdpo/kernel/head_log_prob.hpp"

namespace sysdpo {

struct head_log_prob_op;

template <kernel_backend Backend>
struct implement<head_log_prob_op, Backend> {
  template <class T>
  static void forward(array_view<T const> hidden, array_view<T const> head,
                      array_view<std::int32_t const> targets, array_view<float> y,
                      array_view<float> log_sums) {
    auto const tokens = targets.size();
    if (tokens == 0) return;
    scratch_of<Backend, float> const highest(tokens);
    scratch_of<Backend, float> const sums(tokens);
    scratch_of<Backend, float> const target_logits(tokens);
    scratch_of<Backend, float> const logits(chunk_size(tokens, head.extents[0]));
    for_each_chunk(tokens, head.extents[0], [&](chunk const& at) {
      multiply(hidden, head, at, logits.data());
      device_detail::with_row_threads(at.words, [&](auto threads) {
        Backend::template launch<kernel::head_log_prob_chunk<float, threads.value>>(
            {.logits = logits.data(),
             .targets = targets.data + at.token,
             .rows = at.tokens,
             .first_word = at.first_word(),
             .count = at.word_count(),
             .highest = highest.data() + at.token,
             .sums = sums.data() + at.token,
             .target_logits = target_logits.data() + at.token});
      });
    });
    Backend::template launch<kernel::head_log_prob_end>({.highest = highest.data(),
                                                         .sums = sums.data(),
                                                         .target_logits = target_logits.data(),
                                                         .rows = tokens,
                                                         .log_probs = y.data,
                                                         .log_sums = log_sums.data});
  }

  /// With G = dy·(onehot(target) − softmax): dhidden = G·head, dhead = Gᵀ·hidden.
  template <class T>
  static void backward(array_view<T const> hidden, array_view<T const> head,
                       array_view<std::int32_t const> targets, array_view<float const> log_sums,
                       array_view<float const> dy, gradient_view<T> dhidden, gradient_view<T> dhead) {
    if (!dhidden && !dhead) return;
    constexpr bool is_narrow = !std::is_same_v<T, float>;
    auto const tokens = targets.size();
    auto const width = hidden.extents[1];
    if (tokens == 0) {
      if (dhead && !dhead.accumulate)
        Backend::zero(dhead.data, static_cast<std::size_t>(dhead.size()) * sizeof(T));
      return;
    }
    auto const most = chunk_size(tokens, head.extents[0]);
    scratch_of<Backend, float> const logits(most);
    scratch_of<Backend, T> const narrow_slopes(is_narrow ? most : 0);
    scratch_of<Backend, float> const wide_hidden(is_narrow && dhidden ? tokens * width : 0);
    T* slopes = nullptr;
    float* to_hidden = nullptr;  // where dhidden adds up
    if constexpr (is_narrow) {
      slopes = narrow_slopes.data();
      to_hidden = wide_hidden.data();
    } else {
      slopes = logits.data();
      to_hidden = dhidden.data;
    }
    bool const adds = !is_narrow && dhidden.accumulate;
    for_each_chunk(tokens, head.extents[0], [&](chunk const& at) {
      multiply(hidden, head, at, logits.data());
      device_detail::with_row_threads(at.words, [&](auto threads) {
        Backend::template launch<kernel::head_log_prob_backward_chunk<float, T, threads.value>>(
            {.logits = logits.data(),
             .targets = targets.data + at.token,
             .log_sums = log_sums.data + at.token,
             .dy = dy.data + at.token,
             .rows = at.tokens,
             .first_word = at.first_word(),
             .count = at.word_count(),
             .slopes = slopes});
      });
      if (dhidden)
        product::forward(matrix_view<T const>{slopes, at.tokens, at.words},
                         matrix_view<T const>{head.data + at.word * width, at.words, width},
                         matrix_view<float>{to_hidden + at.token * width, at.tokens, width},
                         adds || at.word > 0);
      if (dhead)
        product::forward(matrix_view<T const>{slopes, at.tokens, at.words, true},
                         matrix_view<T const>{hidden.data + at.token * width, at.tokens, width},
                         matrix_view<T>{dhead.data + at.word * width, at.words, width},
                         dhead.accumulate || at.token > 0);
    });
    if constexpr (is_narrow)
      if (dhidden) device_detail::map<Backend>(kernel::function::copy{}, dhidden, wide_hidden.data());
  }

 private:
  using product = implement<product_op, Backend>;

  struct chunk {
    index_t token, tokens, word, words;
    [[nodiscard]] int first_word() const { return static_cast<int>(word); }
    [[nodiscard]] int word_count() const { return static_cast<int>(words); }
  };

  /// Few enough that a chunk stays small beside all logits, a sixteenth of them if it can; so many that each
  /// product is a large one and dhidden is not added to too often. Whole tiles of a product.
  static index_t words_at_a_time(index_t vocabulary) {
    return std::clamp(kernel::ceil_divide(vocabulary, 16 * 256) * 256, index_t{2048}, index_t{8192});
  }
  static constexpr index_t tokens_at_a_time = 16384;

  static index_t chunk_size(index_t tokens, index_t vocabulary) {
    return std::min(tokens, tokens_at_a_time) * std::min(vocabulary, words_at_a_time(vocabulary));
  }

  template <class Body>
  static void for_each_chunk(index_t tokens, index_t vocabulary, Body&& body) {
    auto const words = words_at_a_time(vocabulary);
    for (index_t token = 0; token < tokens; token += tokens_at_a_time)
      for (index_t word = 0; word < vocabulary; word += words)
        body(chunk{token, std::min(tokens_at_a_time, tokens - token), word,
                   std::min(words, vocabulary - word)});
  }

  template <class T>
  static void multiply(array_view<T const> hidden, array_view<T const> head, chunk const& at, float* logits) {
    auto const width = hidden.extents[1];
    product::forward(matrix_view<T const>{hidden.data + at.token * width, at.tokens, width},
                     matrix_view<T const>{head.data + at.word * width, at.words, width, true},
                     matrix_view<float>{logits, at.tokens, at.words}, false);
  }
};

}  // namespace sysdpo
