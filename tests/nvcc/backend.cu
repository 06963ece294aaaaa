// The backend itself.
#include "sysdpo/backend/cuda/backend.cuh"

#include "sysdpo/kernel/swiglu.hpp"

using sysdpo::cuda;

void issue(float* data, float* host) {
  cuda::device_scope const scope(cuda::device_count() - 1);
  cuda::use_device(0);
  auto& memory = cuda::memory();
  auto* const block = memory.take(1024);
  cuda::upload(block->data, host, 1024);
  cuda::copy(data, block->data, 1024);
  cuda::zero(block->data, 1024);
  cuda::launch<sysdpo::kernel::swiglu<float>>({data, data, 256, data});
  auto const* const slot = cuda::reports().take([](std::int64_t, std::int64_t) {});
  static_cast<void>(slot);
  cuda::download(host, data, 1024);
  memory.give_back(block);
  memory.trim();
  memory.reset_peak();
  cuda::allow_tf32(memory.bytes_in_use() + memory.peak_bytes() + memory.held_bytes() ==
                   memory.system_allocations());
}
