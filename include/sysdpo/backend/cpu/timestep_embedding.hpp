// The sinusoidal embedding of diffusion steps on the CPU. t [R], y [R, width].
#pragma once

#include <cmath>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

struct timestep_embedding_op;

template <>
struct implement<timestep_embedding_op, cpu> {
  template <class T>
  static void forward(array_view<std::int32_t const> t, array_view<T> y) {
    auto const width = y.extents[1];
    auto const half = width / 2;
    for (index_t i = 0; i < half; ++i) {
      auto const frequency = std::pow(1e4, -static_cast<double>(i) / static_cast<double>(half));
      for (index_t row = 0; row < y.extents[0]; ++row) {
        auto const angle = static_cast<double>(t[row]) * frequency;
        y[row * width + i] = static_cast<T>(std::cos(angle));
        y[row * width + half + i] = static_cast<T>(std::sin(angle));
      }
    }
  }
};

}  // namespace sysdpo
