// Norms, activations, embeddings and the optimiser, for every number format.
#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/kernel/adamw.hpp"
#include "sysdpo/kernel/embedding.hpp"
#include "sysdpo/kernel/geglu.hpp"
#include "sysdpo/kernel/gradient_clip.hpp"
#include "sysdpo/kernel/group_norm.hpp"
#include "sysdpo/kernel/rope.hpp"
#include "sysdpo/kernel/row_norm.hpp"
#include "sysdpo/kernel/swiglu.hpp"

namespace kernel = sysdpo::kernel;

#define COMPILE(...) template void sysdpo::launch<__VA_ARGS__>(__VA_ARGS__::arguments const&, cudaStream_t)
#define COMPILE_FOR(T)                                             \
  COMPILE(kernel::row_norm<kernel::norm::rms, T>);                 \
  COMPILE(kernel::row_norm<kernel::norm::layer, T>);               \
  COMPILE(kernel::row_norm_backward<kernel::norm::rms, T>);        \
  COMPILE(kernel::row_norm_backward<kernel::norm::layer, T>);      \
  COMPILE(kernel::row_norm<kernel::norm::rms, T, 32>);             \
  COMPILE(kernel::row_norm<kernel::norm::layer, T, 32>);           \
  COMPILE(kernel::row_norm_backward<kernel::norm::rms, T, 32>);    \
  COMPILE(kernel::row_norm_backward<kernel::norm::layer, T, 32>);  \
  COMPILE(kernel::row_norm_gain_backward<kernel::norm::rms, T>);   \
  COMPILE(kernel::row_norm_gain_backward<kernel::norm::layer, T>); \
  COMPILE(kernel::squared_norm<T>);                                \
  COMPILE(kernel::group_norm_sums<T>);                             \
  COMPILE(kernel::group_norm_lines<T>);                            \
  COMPILE(kernel::group_norm_statistics<T>);                       \
  COMPILE(kernel::group_norm<T>);                                  \
  COMPILE(kernel::group_norm_backward_sums<T>);                    \
  COMPILE(kernel::group_norm_backward_statistics<T>);              \
  COMPILE(kernel::group_norm_backward<T>);                         \
  COMPILE(kernel::rope<T>);                                        \
  COMPILE(kernel::swiglu<T>);                                      \
  COMPILE(kernel::swiglu_backward<T>);                             \
  COMPILE(kernel::geglu<T>);                                       \
  COMPILE(kernel::geglu_backward<T>);                              \
  COMPILE(kernel::embedding<T>);                                   \
  COMPILE(kernel::embedding_backward<T>);                          \
  COMPILE(kernel::embedding_backward_end<T>);                      \
  COMPILE(kernel::adamw<T>)

COMPILE_FOR(float);
COMPILE_FOR(sysdpo::bf16);
COMPILE_FOR(sysdpo::half);
COMPILE(kernel::squared_norm_end);
COMPILE(kernel::gradient_scales);
COMPILE(kernel::adamw<float, sysdpo::bf16>);
COMPILE(kernel::adamw<float, sysdpo::half>);
