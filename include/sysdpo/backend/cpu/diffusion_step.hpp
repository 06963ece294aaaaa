// One step of a diffusion sampler on the CPU (see op/diffusion_step.hpp for the formula). z, next [n],
// prediction [n] or [2n], noise [n] or absent; `next` may alias z.
#pragma once

#include <limits>

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/silu.hpp"

namespace sysdpo {

struct diffusion_step_op;

template <>
struct implement<diffusion_step_op, cpu> {
  template <class T>
  static void forward(array_view<T const> z, array_view<T const> prediction, array_view<T const> noise,
                      double clean_of_z, double clean_of_prediction, double limit, double next_of_clean,
                      double next_of_z, double next_of_noise, double guidance, array_view<T> next) {
    using namespace cpu_detail;
    auto const size = z.size();
    auto const guided = prediction.size() == 2 * size;
    auto const bound = limit > 0 ? static_cast<T>(limit) : std::numeric_limits<T>::infinity();
    for_each_tile(size, [&](index_t first, index_t count) {
      auto const part = [&](array_view<T const> from, index_t start) {
        return const_array_map<T>(from.data + start, count);
      };
      tile_array<T> clean = part(prediction, first);
      if (guided) {
        auto const unconditional = part(prediction, size + first);
        clean = unconditional + static_cast<T>(guidance) * (clean - unconditional);
      }
      clean = (static_cast<T>(clean_of_z) * part(z, first) + static_cast<T>(clean_of_prediction) * clean)
                  .max(-bound)
                  .min(bound);
      clean = static_cast<T>(next_of_clean) * clean + static_cast<T>(next_of_z) * part(z, first);
      if (noise) clean += static_cast<T>(next_of_noise) * part(noise, first);
      array_map<T>(next.data + first, count) = clean;
    });
  }
};

}  // namespace sysdpo
