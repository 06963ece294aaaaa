// The forward process of diffusion by kernels: noise is drawn where it is added.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/add_noise.hpp"

namespace sysdpo {

struct add_noise_op;

template <kernel_backend Backend>
struct implement<add_noise_op, Backend> {
  template <class T>
  static void forward(array_view<T const> z, array_view<philox_stream const> streams,
                      array_view<float const> signal, array_view<float const> deviation, bool velocity,
                      array_view<T> noisy, array_view<T> target) {
    auto const rows = streams.size();
    if (rows == 0) return;
    auto const size = device_detail::narrow("add_noise", z.size() / rows);
    Backend::template launch<kernel::add_noise<T>>(
        {.z = z.data,
         .streams = streams.data,
         .signal = signal.data,
         .deviation = deviation.data,
         .rows = rows,
         .size = size,
         .parts = device_detail::parts_of<Backend>(rows, size / 1024),
         .noisy = noisy.data,
         .target = target.data,
         .wanted = velocity ? kernel::noise_target::velocity : kernel::noise_target::noise});
  }
};

}  // namespace sysdpo
