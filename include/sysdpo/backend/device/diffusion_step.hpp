// One step of a diffusion sampler by a kernel.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/diffusion_step.hpp"

namespace sysdpo {

struct diffusion_step_op;

template <kernel_backend Backend>
struct implement<diffusion_step_op, Backend> {
  template <class T>
  static void forward(array_view<T const> z, array_view<T const> prediction, array_view<T const> noise,
                      double clean_of_z, double clean_of_prediction, double limit, double next_of_clean,
                      double next_of_z, double next_of_noise, double guidance, array_view<T> next) {
    Backend::template launch<kernel::diffusion_step<T>>(
        {.z = z.data,
         .prediction = prediction.data,
         .noise = noise.data,
         .size = z.size(),
         .guided = prediction.size() == 2 * z.size(),
         .guidance = static_cast<float>(guidance),
         .clean_of_z = static_cast<float>(clean_of_z),
         .clean_of_prediction = static_cast<float>(clean_of_prediction),
         .limit = static_cast<float>(limit),
         .next_of_clean = static_cast<float>(next_of_clean),
         .next_of_z = static_cast<float>(next_of_z),
         .next_of_noise = static_cast<float>(next_of_noise),
         .next = next.data});
  }
};

}  // namespace sysdpo
