// noisy[r] = signal[r]·z[r] + deviation[r]·noise[r] on the CPU. `noisy` may alias z or noise.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct add_noise_op;

template <>
struct implement<add_noise_op, cpu> {
  template <class T>
  static void forward(array_view<T const> z, array_view<T const> noise, array_view<T const> signal,
                      array_view<T const> deviation, array_view<T> noisy) {
    auto const size = z.size() / std::max<index_t>(z.extents[0], 1);
    parallel_for(z.extents[0], 1 + cpu_detail::elementwise_grain / (size + 1),
                 [&](index_t begin, index_t end) {
                   for (auto row = begin; row < end; ++row)
                     cpu_detail::array_map<T>(noisy.data + row * size, size) =
                         signal[row] * cpu_detail::const_array_map<T>(z.data + row * size, size) +
                         deviation[row] * cpu_detail::const_array_map<T>(noise.data + row * size, size);
                 });
  }
};

}  // namespace sysdpo
