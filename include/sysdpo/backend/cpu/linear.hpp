// y = x·Wᵀ + b on the CPU. x [N, I], w [O, I], bias [O] or absent, y [N, O]; nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/partial_sums.hpp"

namespace sysdpo {

struct linear_op;

template <>
struct implement<linear_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> w, array_view<T const> bias,
                      array_view<T> y) {
    auto const rows = y.extents.rows();
    auto const inputs = w.extents[1];
    auto const outputs = w.extents[0];
    if (bias)
      parallel_for(rows, 1 + cpu_detail::elementwise_grain / (outputs + 1), [&](index_t begin, index_t end) {
        for (auto n = begin; n < end; ++n)
          cpu_detail::array_map<T>(y.data + n * outputs, outputs) =
              cpu_detail::const_array_map<T>(bias.data, outputs);
      });
    cpu_detail::multiply(cpu_detail::stored(x.data, rows, inputs),
                         cpu_detail::transpose(cpu_detail::stored(w.data, outputs, inputs)), y.data, outputs,
                         static_cast<bool>(bias));
  }

  /// dx = dy·W, dw = dyᵀ·x, dbias = Σ_n dy, each where wanted.
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> w, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dw, gradient_view<T> dbias) {
    auto const outputs = w.extents[0];
    auto const inputs = w.extents[1];
    auto const rows = inputs == 0 ? dy.extents.rows() : x.size() / inputs;
    auto const upstream = cpu_detail::stored(dy.data, rows, outputs);
    if (dx)
      cpu_detail::multiply(upstream, cpu_detail::stored(w.data, outputs, inputs), dx.data, inputs,
                           dx.accumulate);
    if (dw)
      cpu_detail::multiply(cpu_detail::transpose(upstream), cpu_detail::stored(x.data, rows, inputs), dw.data,
                           inputs, dw.accumulate);
    if (dbias) cpu_detail::column_sums(dy.data, rows, outputs, dbias);
  }
};

}  // namespace sysdpo
