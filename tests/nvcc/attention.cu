// Attention for every number format, at the smallest and the largest heads and those in between that are common.
#include "sysdpo/backend/cuda.cuh"
#include "sysdpo/kernel/attention.hpp"
#include "sysdpo/kernel/attention_backward.hpp"

#define COMPILE(...) template void sysdpo::launch<__VA_ARGS__>(__VA_ARGS__::arguments const&, cudaStream_t)
#define COMPILE_FOR(T, D)                                     \
  COMPILE(sysdpo::kernel::attention<T, D>);                   \
  COMPILE(sysdpo::kernel::attention_backward_queries<T, D>);  \
  COMPILE(sysdpo::kernel::attention_backward_keys<T, D>)

COMPILE_FOR(float, 32);
COMPILE_FOR(float, 128);
COMPILE_FOR(float, 256);
COMPILE_FOR(sysdpo::bf16, 32);
COMPILE_FOR(sysdpo::bf16, 64);
COMPILE_FOR(sysdpo::bf16, 128);
COMPILE_FOR(sysdpo::bf16, 160);
COMPILE_FOR(sysdpo::bf16, 256);
COMPILE_FOR(sysdpo::half, 64);
COMPILE_FOR(sysdpo::half, 128);
COMPILE(sysdpo::kernel::attention_products<float>);
COMPILE(sysdpo::kernel::attention_products<sysdpo::bf16>);
COMPILE(sysdpo::kernel::attention_products<sysdpo::half>);
