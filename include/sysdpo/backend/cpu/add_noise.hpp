// The forward process of diffusion on the CPU. z, noisy, target [R, ...], streams, signal, deviation [R];
// nothing aliases.
#pragma once

#include <vector>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/core/philox.hpp"

namespace sysdpo {

struct add_noise_op;

template <>
struct implement<add_noise_op, cpu> {
  /// target is the noise ε, or the velocity signal·ε − deviation·z.
  template <class T>
  static void forward(array_view<T const> z, array_view<philox_stream const> streams,
                      array_view<T const> signal, array_view<T const> deviation, bool velocity,
                      array_view<T> noisy, array_view<T> target) {
    auto const rows = streams.size();
    auto const size = z.size() / std::max<index_t>(rows, 1);
    parallel_for(rows, 1 + cpu_detail::elementwise_grain / 8 / (size + 1), [&](index_t begin, index_t end) {
      std::vector<float> normals(static_cast<std::size_t>(size));
      for (auto row = begin; row < end; ++row) {
        fill_normal(normals, streams[row]);
        auto const noise = cpu_detail::const_array_map<float>(normals.data(), size).template cast<T>();
        cpu_detail::const_array_map<T> const clean(z.data + row * size, size);
        cpu_detail::array_map<T> wanted(target.data + row * size, size);
        cpu_detail::array_map<T>(noisy.data + row * size, size) =
            signal[row] * clean + deviation[row] * noise;
        if (velocity)
          wanted = signal[row] * noise - deviation[row] * clean;
        else
          wanted = noise;
      }
    });
  }
};

}  // namespace sysdpo
