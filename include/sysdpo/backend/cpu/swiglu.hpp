// silu(gate)·up on the CPU. All operands have one size; nothing aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct swiglu_op;

template <>
struct implement<swiglu_op, cpu> {
  template <class T>
  static void forward(array_view<T const> gate, array_view<T const> up, array_view<T> y) {
    parallel_for(y.size(), grain, [&](index_t begin, index_t end) {
      auto const g = cpu_detail::const_array_map<T>(gate.data + begin, end - begin);
      auto const u = cpu_detail::const_array_map<T>(up.data + begin, end - begin);
      cpu_detail::array_map<T>(y.data + begin, end - begin) = g * u / (1 + (-g).exp());
    });
  }

  /// With s = 1 / (1 + exp(−g)): dgate = dy·u·s·(1 + g·(1 − s)), dup = dy·g·s. Swept in blocks that stay in
  /// the cache.
  template <class T>
  static void backward(array_view<T const> gate, array_view<T const> up, array_view<T const> dy,
                       gradient_view<T> dgate, gradient_view<T> dup) {
    parallel_for(dy.size(), grain, [&](index_t begin, index_t end) {
      Eigen::Array<T, block, 1> buffer;
      for (auto i = begin; i < end; i += block) {
        auto const size = std::min<index_t>(block, end - i);
        auto const g = cpu_detail::const_array_map<T>(gate.data + i, size);
        auto const u = cpu_detail::const_array_map<T>(up.data + i, size);
        auto const upstream = cpu_detail::const_array_map<T>(dy.data + i, size);
        auto sigmoid = buffer.head(size);
        sigmoid = 1 / (1 + (-g).exp());
        if (dgate)
          cpu_detail::store(cpu_detail::array_map<T>(dgate.data + i, size), dgate.accumulate,
                            upstream * u * sigmoid * (1 + g * (1 - sigmoid)));
        if (dup)
          cpu_detail::store(cpu_detail::array_map<T>(dup.data + i, size), dup.accumulate,
                            upstream * g * sigmoid);
      }
    });
  }

 private:
  static constexpr index_t grain = cpu_detail::elementwise_grain / 4;  // an exponential is worth several sums
  static constexpr int block = 512;
};

}  // namespace sysdpo
