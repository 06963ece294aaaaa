// The kernels that are bound by memory, for every number format.
#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/kernel/add_noise.hpp"
#include "sysdpo/kernel/denoising_loss.hpp"
#include "sysdpo/kernel/log_softmax_gather.hpp"

#define COMPILE(...) template void sysdpo::launch<__VA_ARGS__>(__VA_ARGS__::arguments const&, cudaStream_t)
#define COMPILE_FOR(T)                                         \
  COMPILE(sysdpo::kernel::log_softmax_gather<T>);              \
  COMPILE(sysdpo::kernel::log_softmax_gather<T, 32>);          \
  COMPILE(sysdpo::kernel::log_softmax_gather<T, 32, false>);   \
  COMPILE(sysdpo::kernel::log_softmax_gather<T, 512, false>);  \
  COMPILE(sysdpo::kernel::log_softmax_gather_backward<T>);     \
  COMPILE(sysdpo::kernel::log_softmax_gather_backward<T, 32>); \
  COMPILE(sysdpo::kernel::add_noise<T>);                       \
  COMPILE(sysdpo::kernel::denoising_loss<T>);                  \
  COMPILE(sysdpo::kernel::denoising_loss_backward<T>)

COMPILE_FOR(float);
COMPILE_FOR(sysdpo::bf16);
COMPILE_FOR(sysdpo::half);
COMPILE(sysdpo::kernel::sequence_sum);
COMPILE(sysdpo::kernel::denoising_loss_end);
