// Capture and replay.
#include "sysdpo/backend/cuda/graph.cuh"

void replay(float* memory) {
  sysdpo::cuda_graph graph([&] { sysdpo::cuda::zero(memory, 64); });
  graph.replay();
  sysdpo::cuda::synchronize();
}
