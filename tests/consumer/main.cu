// A program for GPUs, which says so where there is none: 2 · 3 by cuBLASLt, in a step that is replayed.
#include <cstdio>
#include <sysdpo/backend/cuda/conv2d.cuh>
#include <sysdpo/backend/cuda/product.cuh>
#include <sysdpo/backend/recorded_step.hpp>

using gpu = sysdpo::cuda;  // CUDA's own headers have a namespace of that name

int main() try {
  std::printf("cuDNN %zu\n", cudnnGetVersion());
  float numbers[3] = {2, 3, 0};
  auto* const block = gpu::memory().take(sizeof numbers);
  auto* const x = static_cast<float*>(block->data);
  auto const step = [x] {
    sysdpo::implement<sysdpo::product_op, gpu>::forward<float, float>({x, 1, 1}, {x + 1, 1, 1}, {x + 2, 1, 1},
                                                                      true);
  };
  gpu::upload(x, numbers, sizeof numbers);
  step();
  sysdpo::recorded_step<gpu> again(step);
  again.replay();
  gpu::download(numbers, x, sizeof numbers);
  gpu::memory().give_back(block);
  std::printf("twice 2 times 3 is %g\n", numbers[2]);
  return numbers[2] == 12 ? 0 : 1;
} catch (sysdpo::error const& error) {
  std::puts(error.what());
  return error.parts().remedy.find("nvidia-smi") == std::string::npos ? 1 : 0;
}
