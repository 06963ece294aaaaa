// Attention for bf16: all sizes of heads that backend/device/attention.hpp offers.
#include "sysdpo/kernel/attention.hpp"

#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/kernel/attention_backward.hpp"

namespace kernel = sysdpo::kernel;

#define COMPILE(...) template void sysdpo::launch<__VA_ARGS__>(__VA_ARGS__::arguments const&, cudaStream_t)
#define COMPILE_FOR(T, D)                            \
  COMPILE(kernel::attention<T, D>);                  \
  COMPILE(kernel::attention_backward_queries<T, D>); \
  COMPILE(kernel::attention_backward_keys<T, D>)

COMPILE_FOR(sysdpo::bf16, 32);
COMPILE_FOR(sysdpo::bf16, 48);
COMPILE_FOR(sysdpo::bf16, 64);
COMPILE_FOR(sysdpo::bf16, 80);
COMPILE_FOR(sysdpo::bf16, 96);
COMPILE_FOR(sysdpo::bf16, 128);
COMPILE_FOR(sysdpo::bf16, 160);
COMPILE_FOR(sysdpo::bf16, 256);
COMPILE(kernel::attention_products<sysdpo::bf16>);
