// A step that is recorded, updated and replayed.
#include "sysdpo/backend/recorded_step.hpp"

#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/kernel/swiglu.hpp"

using sysdpo::cuda;

void replay(float* memory, float const* host) {
  auto const step = [&] {
    cuda::upload(memory, host, 64);
    cuda::zero(memory, 32);
    cuda::launch<sysdpo::kernel::swiglu<float>>({memory, memory, 16, memory});
  };
  sysdpo::recorded_step<cuda> again(step);
  again.replay();
  if (again.update(step)) again.replay();
  cuda::synchronize();
}
