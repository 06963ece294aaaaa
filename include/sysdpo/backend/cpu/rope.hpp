// Rotary position embedding on the CPU. x, y [N, H, d], positions [N], cosines and sines [P, d/2]; nothing
// aliases.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/check_ids.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"

namespace sysdpo {

struct rope_op;

template <>
struct implement<rope_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<std::int32_t const> positions,
                      array_view<T const> cosines, array_view<T const> sines, array_view<T> y) {
    rotate(x, positions, cosines, sines, T{1}, gradient_view<T>{y.data, y.extents, false});
  }

  /// The transpose of a rotation is the rotation by the opposite angle.
  template <class T>
  static void backward(array_view<std::int32_t const> positions, array_view<T const> cosines,
                       array_view<T const> sines, array_view<T const> dy, gradient_view<T> dx) {
    if (dx) rotate(dy, positions, cosines, sines, T{-1}, dx);
  }

 private:
  template <class T>
  static void rotate(array_view<T const> x, array_view<std::int32_t const> positions,
                     array_view<T const> cosines, array_view<T const> sines, T direction,
                     gradient_view<T> y) {
    auto const heads = x.extents[1];
    auto const half = x.extents[2] / 2;
    auto const width = heads * half * 2;
    parallel_for(positions.size(), 1 + cpu_detail::elementwise_grain / (width + 1),
                 [&](index_t begin, index_t end) {
                   for (auto n = begin; n < end; ++n) {
                     cpu_detail::const_array_map<T> const cosine(cosines.data + positions[n] * half, half);
                     cpu_detail::const_array_map<T> const sine(sines.data + positions[n] * half, half);
                     for (index_t head = 0; head < heads; ++head) {
                       auto const at = n * width + head * half * 2;
                       cpu_detail::const_array_map<T> const first(x.data + at, half);
                       cpu_detail::const_array_map<T> const second(x.data + at + half, half);
                       cpu_detail::store(cpu_detail::array_map<T>(y.data + at, half), y.accumulate,
                                         first * cosine - second * (direction * sine));
                       cpu_detail::store(cpu_detail::array_map<T>(y.data + at + half, half), y.accumulate,
                                         second * cosine + first * (direction * sine));
                     }
                   }
                 });
  }
};

}  // namespace sysdpo
