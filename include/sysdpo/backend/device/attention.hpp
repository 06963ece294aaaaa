// Attention by kernels (kernel/attention.hpp). Heads of up to 256 elements, whole words of 16 bytes each; a
// kernel is compiled for each of a few sizes, and the smallest that fits is taken. Operands and gradients
// that begin at no multiple of 16 bytes, which kernels cannot take, go through memory that does; y never
// does.
#pragma once

#include <string>
#include <type_traits>

#include "sysdpo/backend/device/aligned.hpp"
#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/core/config.hpp"
#include "sysdpo/kernel/attention.hpp"
#include "sysdpo/kernel/attention_backward.hpp"

namespace sysdpo {

struct attention_op;

template <kernel_backend Backend>
struct implement<attention_op, Backend> {
  using offsets_view = array_view<std::int32_t const>;

  template <class T>
  static void forward(array_view<T const> q, array_view<T const> k, array_view<T const> v,
                      offsets_view q_offsets, offsets_view k_begins, offsets_view k_ends,
                      index_t most_queries, index_t most_keys, bool causal, double scale, array_view<T> y,
                      array_view<float> log_sums) {
    auto const layout = layout_of(q, k, q_offsets, k_begins, k_ends, most_queries, most_keys, causal, scale);
    operand<T> const queries(q);
    operand<T> const keys(k);
    operand<T> const values(v);
    with_head_size<T>(layout.head_size, [&](auto size) {
      Backend::template launch<kernel::attention<T, size.value>>({.q = queries.data,
                                                                  .k = keys.data,
                                                                  .v = values.data,
                                                                  .layout = layout,
                                                                  .y = y.data,
                                                                  .log_sums = log_sums.data});
    });
  }

  template <class T>
  static void backward(array_view<T const> q, array_view<T const> k, array_view<T const> v,
                       array_view<T const> y, array_view<float const> log_sums, offsets_view q_offsets,
                       offsets_view k_begins, offsets_view k_ends, index_t most_queries, index_t most_keys,
                       bool causal, double scale, array_view<T const> dy, gradient_view<T> dq,
                       gradient_view<T> dk, gradient_view<T> dv) {
    if (!dq && !dk && !dv) return;
    auto const layout = layout_of(q, k, q_offsets, k_begins, k_ends, most_queries, most_keys, causal, scale);
    scratch_of<Backend, float> const products(log_sums.size());
    Backend::template launch<kernel::attention_products<T>>({.y = y.data,
                                                             .dy = dy.data,
                                                             .rows = log_sums.size(),
                                                             .size = layout.head_size,
                                                             .products = products.data()});
    operand<T> const queries(q);
    operand<T> const keys(k);
    operand<T> const values(v);
    operand<T> const upstream(dy);
    gradient<T> const to_queries(dq);
    gradient<T> const to_keys(dk);
    gradient<T> const to_values(dv);
    with_head_size<T>(layout.head_size, [&](auto size) {
      if (dq)
        Backend::template launch<kernel::attention_backward_queries<T, size.value>>(
            {.q = queries.data,
             .k = keys.data,
             .v = values.data,
             .dy = upstream.data,
             .log_sums = log_sums.data,
             .products = products.data(),
             .layout = layout,
             .dq = to_queries.view.data,
             .accumulate = to_queries.view.accumulate});
      if (dk || dv)
        Backend::template launch<kernel::attention_backward_keys<T, size.value>>(
            {.q = queries.data,
             .k = keys.data,
             .v = values.data,
             .dy = upstream.data,
             .log_sums = log_sums.data,
             .products = products.data(),
             .layout = layout,
             .dk = to_keys.view.data,
             .dv = to_values.view.data,
             .accumulate_dk = to_keys.view.accumulate,
             .accumulate_dv = to_values.view.accumulate});
    });
    to_queries.finish();
    to_keys.finish();
    to_values.finish();
  }

 private:
  template <class T>
  using operand = device_detail::aligned_operand<Backend, T>;
  template <class T>
  using gradient = device_detail::aligned_gradient<Backend, T>;

  template <class T>
  static kernel::attention_layout layout_of(array_view<T const> q, array_view<T const> k,
                                            offsets_view q_offsets, offsets_view k_begins,
                                            offsets_view k_ends, index_t most_queries, index_t most_keys,
                                            bool causal, double scale) {
    using device_detail::narrow;
    return {.q_offsets = q_offsets.data,
            .k_begins = k_begins.data,
            .k_ends = k_ends.data,
            .sequences = narrow("attention", k_begins.size()),
            .heads = narrow("attention", q.extents[1]),
            .key_heads = narrow("attention", k.extents[1]),
            .head_size = narrow("attention", q.extents[2]),
            .max_queries = narrow("attention", most_queries),
            .max_keys = narrow("attention", most_keys),
            .causal = causal,
            .scale = static_cast<float>(scale)};
  }

  /// visit(std::integral_constant<int, D>{}) with the smallest D that kernels are compiled for.
  template <class T, class Visit>
  static void with_head_size(int head_size, Visit&& visit) {
    constexpr int largest = SYSDPO_LARGEST_HEAD;
    if (head_size % kernel::pack_width<T> != 0 || head_size > largest)
      fail({"attention",
            "heads of " + std::to_string(head_size) + " elements of " + std::to_string(sizeof(T)) + " bytes",
            "kernels take whole words of 16 bytes, and " + std::to_string(largest) + " elements at most",
            "Choose heads of a multiple of " + std::to_string(kernel::pack_width<T>) + " elements, at most " +
                std::to_string(largest)});
    smallest<32, 48, 64, 80, 96, 128, 160, 256>(head_size, visit);
  }
  /// The same of these sizes, which ascend.
  template <int Size, int... Larger, class Visit>
  static void smallest(int head_size, Visit&& visit) {
    if constexpr (sizeof...(Larger) > 0 && Size < SYSDPO_LARGEST_HEAD)
      if (head_size > Size) return smallest<Larger...>(head_size, visit);
    visit(std::integral_constant<int, Size>{});
  }
};

}  // namespace sysdpo
