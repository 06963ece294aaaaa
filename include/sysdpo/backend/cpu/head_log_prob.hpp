// Head and log-probability on the CPU. hidden [N, D], head [V, D], targets [N] within [0, V), y and log_sums
// [N]; nothing aliases. Logits exist for a chunk of tokens × vocabulary at a time, small enough for the
// caches.
#pragma once

#include <cmath>
#include <limits>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/check_ids.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"

namespace sysdpo {

struct head_log_prob_op;

template <>
struct implement<head_log_prob_op, cpu> {
  template <class T>
  static void forward(array_view<T const> hidden, array_view<T const> head,
                      array_view<std::int32_t const> targets, array_view<T> y, array_view<T> log_sums) {
    chunks const cut(targets.size(), head.extents[0]);
    cpu_detail::scratch<T> logits(cut.token_step * cut.word_step);
    cpu_detail::scratch<T> highest(cut.token_step);
    cpu_detail::scratch<T> sums(cut.token_step);
    for (index_t token = 0; token < cut.tokens; token += cut.token_step) {
      auto const m = std::min(cut.token_step, cut.tokens - token);
      std::fill_n(highest.data(), m, -std::numeric_limits<T>::infinity());
      std::fill_n(sums.data(), m, T{0});
      for (index_t word = 0; word < cut.words; word += cut.word_step) {
        auto const n = std::min(cut.word_step, cut.words - word);
        multiply_chunk(hidden, head, token, m, word, n, logits.data());
        parallel_for(m, grain(n), [&](index_t begin, index_t end) {
          for (auto i = begin; i < end; ++i) {
            cpu_detail::const_array_map<T> const row(logits.data() + i * n, n);
            auto const top = std::max(highest[i], row.maxCoeff());
            sums[i] = sums[i] * std::exp(highest[i] - top) + (row - top).exp().sum();
            highest[i] = top;
            auto const target = targets[token + i] - word;
            if (target >= 0 && target < n) y[token + i] = row[target];
          }
        });
      }
      for (index_t i = 0; i < m; ++i) {
        auto const log_sum = std::log(sums[i]);
        y[token + i] = y[token + i] - highest[i] - log_sum;
        log_sums[token + i] = highest[i] + log_sum;
      }
    }
  }

  /// With G = dy·(onehot(target) − softmax): dhidden = G·head, dhead = Gᵀ·hidden.
  template <class T>
  static void backward(array_view<T const> hidden, array_view<T const> head,
                       array_view<std::int32_t const> targets, array_view<T const> log_sums,
                       array_view<T const> dy, gradient_view<T> dhidden, gradient_view<T> dhead) {
    if (!dhidden && !dhead) return;
    auto const d = hidden.extents[1];
    chunks const cut(targets.size(), head.extents[0]);
    if (dhead && !dhead.accumulate && cut.tokens == 0)
      cpu::zero(dhead.data, static_cast<std::size_t>(dhead.size()) * sizeof(T));
    cpu_detail::scratch<T> slopes(cut.token_step * cut.word_step);
    for (index_t token = 0; token < cut.tokens; token += cut.token_step) {
      auto const m = std::min(cut.token_step, cut.tokens - token);
      for (index_t word = 0; word < cut.words; word += cut.word_step) {
        auto const n = std::min(cut.word_step, cut.words - word);
        multiply_chunk(hidden, head, token, m, word, n, slopes.data());
        parallel_for(m, grain(n), [&](index_t begin, index_t end) {
          for (auto i = begin; i < end; ++i) {
            cpu_detail::array_map<T> row(slopes.data() + i * n, n);
            row = (row - log_sums[token + i]).exp() * -dy[token + i];
            auto const target = targets[token + i] - word;
            if (target >= 0 && target < n) row[target] += dy[token + i];
          }
        });
        auto const slope = cpu_detail::stored<T>(slopes.data(), m, n);
        if (dhidden)
          cpu_detail::multiply(slope, cpu_detail::stored(head.data + word * d, n, d),
                               dhidden.data + token * d, d, dhidden.accumulate || word > 0);
        if (dhead)
          cpu_detail::multiply(cpu_detail::transpose(slope),
                               cpu_detail::stored(hidden.data + token * d, m, d), dhead.data + word * d, d,
                               dhead.accumulate || token > 0);
      }
    }
  }

 private:
  struct chunks {
    chunks(index_t token_count, index_t vocabulary)
        : tokens(token_count),
          words(vocabulary),
          word_step(std::clamp<index_t>(vocabulary, 1, 2048)),
          token_step(
              std::clamp<index_t>(logits_at_a_time / word_step, 1, std::max<index_t>(token_count, 1))) {}
    index_t tokens, words, word_step, token_step;

    static constexpr index_t logits_at_a_time = index_t{1} << 19;
  };

  static index_t grain(index_t words) { return 1 + cpu_detail::elementwise_grain / 4 / (words + 1); }

  template <class T>
  static void multiply_chunk(array_view<T const> hidden, array_view<T const> head, index_t token, index_t m,
                             index_t word, index_t n, T* logits) {
    auto const d = hidden.extents[1];
    cpu_detail::multiply(cpu_detail::stored(hidden.data + token * d, m, d),
                         cpu_detail::transpose(cpu_detail::stored(head.data + word * d, n, d)), logits, n,
                         false);
  }
};

}  // namespace sysdpo
