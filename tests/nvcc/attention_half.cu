// Attention for half: common heads; the code is that of bf16 but for its instructions.
#include "sysdpo/kernel/attention.hpp"

#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/kernel/attention_backward.hpp"

namespace kernel = sysdpo::kernel;

#define COMPILE(...) template void sysdpo::launch<__VA_ARGS__>(__VA_ARGS__::arguments const&, cudaStream_t)
#define COMPILE_FOR(T, D)                            \
  COMPILE(kernel::attention<T, D>);                  \
  COMPILE(kernel::attention_backward_queries<T, D>); \
  COMPILE(kernel::attention_backward_keys<T, D>)

COMPILE_FOR(sysdpo::half, 64);
COMPILE_FOR(sysdpo::half, 128);
COMPILE(kernel::attention_products<sysdpo::half>);
