// The sinusoidal embedding of diffusion steps by a kernel.
#pragma once

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/timestep_embedding.hpp"

namespace sysdpo {

struct timestep_embedding_op;

template <kernel_backend Backend>
struct implement<timestep_embedding_op, Backend> {
  template <class T>
  static void forward(array_view<std::int32_t const> t, array_view<T> y) {
    Backend::template launch<kernel::timestep_embedding<T>>(
        {.t = t.data,
         .rows = y.extents[0],
         .width = device_detail::narrow("timestep_embedding", y.extents[1]),
         .y = y.data});
  }
};

}  // namespace sysdpo
