// Scaled dot-product attention over packed sequences: y = softmax(scale · q·kᵀ)·v for each sequence and head.
// Nothing of the size of the score matrix is kept: forward saves the log-sum-exp of each query's scores,
// backward recomputes probabilities tile by tile (Dao et al., "FlashAttention", 2022).
#pragma once

#include <cmath>

#include "sysdpo/tensor/packed.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

struct attention_op;

/// How attention looks and scales.
struct attention_options {
  bool causal = false;  ///< query i of n sees keys 0 … i + m − n of m: the last query sees all of them
  double scale = 0;     ///< of the scores; 0 stands for 1/√d
};

namespace detail {

inline void check_attention(shape const& q, shape const& k, shape const& v, index_t queries, index_t keys,
                            index_t q_count, index_t k_count) {
  auto const shapes = "q " + to_string(q) + ", k " + to_string(k) + ", v " + to_string(v);
  if (q.rank() != 3 || k.rank() != 3 || k != v || q[2] != k[2])
    fail({"attention", shapes, "the shapes do not fit", "Give q [Nq, H, d] and k, v of [Nk, Hkv, d]"});
  if (k[1] == 0 || q[1] % k[1] != 0)
    fail({"attention", shapes, "the heads of q are no multiple of those of k",
          "Let each key head serve as many query heads"});
  if (q[0] != queries || k[0] != keys || q_count != k_count)
    fail({"attention", shapes,
          "the sequences hold " + std::to_string(queries) + " queries in " + std::to_string(q_count) +
              " and " + std::to_string(keys) + " keys in " + std::to_string(k_count),
          "Give as many sequences of queries as of keys, covering all rows"});
}

/// `scale` or its default.
[[nodiscard]] inline double attention_scale(attention_options const& options, index_t head_size) {
  if (!(options.scale >= 0) || !std::isfinite(options.scale))
    fail({"attention", "scale " + std::to_string(options.scale), "scores are multiplied by a positive number",
          "Give a positive scale, or 0 for 1/sqrt(d)"});
  return options.scale == 0 ? 1 / std::sqrt(static_cast<double>(head_size)) : options.scale;
}

}  // namespace detail

/// q [Nq, H, d], k and v [Nk, Hkv, d] → [Nq, H, d]. Sequence i of `queries` attends to sequence i of `keys`;
/// H is a multiple of Hkv, query head h reading key head h / (H/Hkv). A query that sees no key gives 0.
/// \throws error if shapes and sequences do not fit each other.
template <class Backend, class T>
[[nodiscard]] variable<Backend, T> attention(tape<Backend, T>& tape, variable<Backend, T> const& q,
                                             variable<Backend, T> const& k, variable<Backend, T> const& v,
                                             packed_sequences<Backend> const& queries,
                                             packed_sequences<Backend> const& keys,
                                             attention_options const& options = {}) {
  detail::check_attention(q.extents(), k.extents(), v.extents(), queries.total, keys.total, queries.count,
                          keys.count);
  if ((q.wants_gradient() && (q.node() == k.node() || q.node() == v.node())) ||
      (k.wants_gradient() && k.node() == v.node()))
    fail({"attention", to_string(q.extents()), "two of q, k and v are one variable",
          "Project them apart, or pass one of them through add"});
  auto const scale = detail::attention_scale(options, q.extent(2));
  auto const key_begins = keys.offsets.slice(0, keys.count);
  auto const key_ends = keys.offsets.slice(1, keys.count + 1);
  tensor<Backend, T> y(q.extents());
  tensor<Backend, widened<T>> log_sums({q.extent(0), q.extent(1)});
  implement<attention_op, Backend>::forward(q.view(), k.view(), v.view(), queries.offsets.const_view(),
                                            key_begins.const_view(), key_ends.const_view(), queries.longest,
                                            keys.longest, options.causal, scale, y.view(), log_sums.view());
  return tape.record(
      y, {q, k, v},
      [q = q.value(), k = k.value(), v = v.value(), y, log_sums, offsets = queries.offsets, key_begins,
       key_ends, longest_q = queries.longest, longest_k = keys.longest, causal = options.causal, scale,
       dq = gradient_of(q), dk = gradient_of(k), dv = gradient_of(v)](array_view<T const> dy) {
        implement<attention_op, Backend>::backward(
            q.const_view(), k.const_view(), v.const_view(), y.const_view(), log_sums.const_view(),
            offsets.const_view(), key_begins.const_view(), key_ends.const_view(), longest_q, longest_k,
            causal, scale, dy, dq.sink(), dk.sink(), dv.sink());
      });
}

/// Attention to rows of a cache, without gradient: keys [begins[i], ends[i]) of k and v belong to sequence i
/// of `queries`.
template <class Backend, class T>
[[nodiscard]] tensor<Backend, T> cached_attention(tensor<Backend, T> const& q, tensor<Backend, T> const& k,
                                                  tensor<Backend, T> const& v,
                                                  packed_sequences<Backend> const& queries,
                                                  tensor<Backend, std::int32_t> const& begins,
                                                  tensor<Backend, std::int32_t> const& ends,
                                                  attention_options const& options = {}) {
  detail::check_attention(q.extents(), k.extents(), v.extents(), queries.total, k.extent(0), queries.count,
                          begins.size());
  tensor<Backend, T> y(q.extents());
  tensor<Backend, widened<T>> log_sums({q.extent(0), q.extent(1)});
  implement<attention_op, Backend>::forward(
      q.const_view(), k.const_view(), v.const_view(), queries.offsets.const_view(), begins.const_view(),
      ends.const_view(), queries.longest, k.extent(0), options.causal,
      detail::attention_scale(options, q.extent(2)), y.view(), log_sums.view());
  return y;
}

}  // namespace sysdpo
