// log p(target) from logits on the CPU. logits [N, V], targets [N] within [0, V), y and log_sums [N], and so
// entropies and tops, the rows' most probable words, where they are given; dlogits may be the logits
// themselves, nothing else aliases.
#pragma once

#include <cmath>
#include <limits>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/check_ids.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct log_softmax_gather_op;

template <>
struct implement<log_softmax_gather_op, cpu> {
  template <class T>
  static void forward(array_view<T const> logits, array_view<std::int32_t const> targets, array_view<T> y,
                      array_view<T> log_sums, array_view<T> entropies = {},
                      array_view<std::int32_t> tops = {}) {
    auto const vocabulary = logits.extents[1];
    parallel_for(targets.size(), grain(vocabulary), [&](index_t begin, index_t end) {
      for (auto n = begin; n < end; ++n) {
        cpu_detail::const_array_map<T> const row(logits.data + n * vocabulary, vocabulary);
        Eigen::Index top = 0;
        auto const highest = tops ? row.maxCoeff(&top) : row.maxCoeff();
        auto const log_sum = std::log((row - highest).exp().sum());
        log_sums[n] = highest + log_sum;
        y[n] = row[targets[n]] - highest - log_sum;
        if (tops) tops[n] = static_cast<std::int32_t>(top);
        if (!entropies) continue;
        T sum = log_sums[n] - log_sums[n];  // 0, or NaN where there is no distribution
        for (auto const x : row)
          if (x != -std::numeric_limits<T>::infinity())  // words without probability have no part in it
            sum -= std::exp(x - log_sums[n]) * (x - log_sums[n]);
        entropies[n] = sum;
      }
    });
  }

  /// dlogits[n] = dy[n]·(onehot(target) − softmax). Element by element, so that it may overwrite the logits.
  template <class T>
  static void backward(array_view<T const> logits, array_view<std::int32_t const> targets,
                       array_view<T const> log_sums, array_view<T const> dy, gradient_view<T> dlogits) {
    if (!dlogits) return;
    auto const vocabulary = logits.extents[1];
    parallel_for(targets.size(), grain(vocabulary), [&](index_t begin, index_t end) {
      for (auto n = begin; n < end; ++n) {
        cpu_detail::const_array_map<T> const row(logits.data + n * vocabulary, vocabulary);
        auto const upstream = dy[n];
        cpu_detail::store(cpu_detail::array_map<T>(dlogits.data + n * vocabulary, vocabulary),
                          dlogits.accumulate, (row - log_sums[n]).exp() * -upstream);
        dlogits.data[n * vocabulary + targets[n]] += upstream;
      }
    });
  }

 private:
  static index_t grain(index_t vocabulary) {
    return 1 + cpu_detail::elementwise_grain / 4 / (vocabulary + 1);
  }
};

}  // namespace sysdpo
