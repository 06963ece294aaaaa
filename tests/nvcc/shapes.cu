// What stands between the large operations: functions of elements, shapes, sums of columns, and the kernels
// of a training step that are small.
#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/kernel/add_rows.hpp"
#include "sysdpo/kernel/check_ids.hpp"
#include "sysdpo/kernel/column_sums.hpp"
#include "sysdpo/kernel/concat.hpp"
#include "sysdpo/kernel/diffusion_step.hpp"
#include "sysdpo/kernel/head_log_prob.hpp"
#include "sysdpo/kernel/map.hpp"
#include "sysdpo/kernel/patches.hpp"
#include "sysdpo/kernel/positions.hpp"
#include "sysdpo/kernel/preference.hpp"
#include "sysdpo/kernel/scatter_rows.hpp"
#include "sysdpo/kernel/swap_axes.hpp"
#include "sysdpo/kernel/timestep_embedding.hpp"
#include "sysdpo/kernel/upsample.hpp"
#include "sysdpo/loss/link.hpp"

namespace kernel = sysdpo::kernel;
namespace function = sysdpo::kernel::function;
using sysdpo::bf16;
using sysdpo::half;

#define COMPILE(...) template void sysdpo::launch<__VA_ARGS__>(__VA_ARGS__::arguments const&, cudaStream_t)
#define COMPILE_FOR(T)                                     \
  COMPILE(kernel::map<function::add, T, T, T>);            \
  COMPILE(kernel::map<function::subtract, T, T, T>);       \
  COMPILE(kernel::map<function::scale, T, T>);             \
  COMPILE(kernel::map<function::copy, T, T>);              \
  COMPILE(kernel::map<function::silu, T, T>);              \
  COMPILE(kernel::map<function::silu_backward, T, T, T>);  \
  COMPILE(kernel::map<function::moving_average, T, T, T>); \
  COMPILE(kernel::add_rows<T>);                            \
  COMPILE(kernel::column_sums_parts<T>);                   \
  COMPILE(kernel::column_sums_end<T>);                     \
  COMPILE(kernel::concat<T>);                              \
  COMPILE(kernel::concat_backward<T>);                     \
  COMPILE(kernel::upsample<T>);                            \
  COMPILE(kernel::upsample_backward<T>);                   \
  COMPILE(kernel::swap_axes<T>);                           \
  COMPILE(kernel::patches<T>);                             \
  COMPILE(kernel::patches_backward<T>);                    \
  COMPILE(kernel::timestep_embedding<T>);                  \
  COMPILE(kernel::scatter_rows<T>);                        \
  COMPILE(kernel::diffusion_step<T>);                      \
  COMPILE(kernel::head_log_prob_chunk<T>);                 \
  COMPILE(kernel::head_log_prob_backward_chunk<T>)

COMPILE_FOR(float);
COMPILE_FOR(bf16);
COMPILE_FOR(half);
COMPILE(kernel::map<function::copy, bf16, float>);
COMPILE(kernel::map<function::copy, half, float>);
COMPILE(kernel::map<function::copy, float, bf16>);
COMPILE(kernel::map<function::copy, float, half>);
COMPILE(kernel::map<function::copy, half, bf16>);
COMPILE(kernel::map<function::copy, bf16, half>);
COMPILE(kernel::map<function::moving_average, float, float, bf16>);
COMPILE(kernel::head_log_prob_backward_chunk<float, bf16>);
COMPILE(kernel::head_log_prob_backward_chunk<float, half>);
COMPILE(kernel::head_log_prob_chunk<float, 32>);
COMPILE(kernel::head_log_prob_backward_chunk<float, float, 32>);
COMPILE(kernel::head_log_prob_backward_chunk<float, bf16, 32>);
COMPILE(kernel::head_log_prob_backward_chunk<float, half, 32>);
COMPILE(kernel::head_log_prob_end);
COMPILE(kernel::positions);
COMPILE(kernel::spread);
COMPILE(kernel::check_ids);
COMPILE(kernel::preference<sysdpo::logistic>);
COMPILE(kernel::preference<sysdpo::label_smoothed>);
COMPILE(kernel::preference<sysdpo::robust>);
COMPILE(kernel::preference<sysdpo::hinge>);
COMPILE(kernel::preference<sysdpo::ipo>);
