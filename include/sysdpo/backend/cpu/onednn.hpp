// Matrix products by oneDNN, where the build found it (SYSDPO_WITH_ONEDNN). Convolutions are not among what
// it does here: this library's own are faster (docs/performance.md).
#pragma once

#include "sysdpo/core/array_view.hpp"

#if SYSDPO_WITH_ONEDNN

#include <oneapi/dnnl/dnnl.h>

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
// All of OpenMP that is needed, under every compiler and without its header.
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);
#endif

namespace sysdpo::cpu_detail {

inline constexpr bool has_onednn = true;

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
/// Keeps oneDNN on the calling thread, which is one of this backend's own; the caller's setting comes back at
/// the end.
class on_one_thread {
 public:
  on_one_thread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  on_one_thread(on_one_thread const&) = delete;
  on_one_thread& operator=(on_one_thread const&) = delete;
  ~on_one_thread() { omp_set_num_threads(before_); }

 private:
  int before_;
};
#else
class on_one_thread {};
#endif

/// c [m, n] = a·b + factor·c, row-major with strides; a and b are stored transposed where their letter is
/// 'T', else 'N'. On the calling thread.
inline void onednn_multiply(char transpose_a, char transpose_b, index_t m, index_t n, index_t k,
                            float const* a, index_t a_stride, float const* b, index_t b_stride, float factor,
                            float* c, index_t c_stride) {
  [[maybe_unused]] on_one_thread const here;
  auto const status =
      dnnl_sgemm(transpose_a, transpose_b, m, n, k, 1.0F, a, a_stride, b, b_stride, factor, c, c_stride);
  if (status != dnnl_success)
    fail({"oneDNN", "matrix product", "status " + std::to_string(status), "Build with SYSDPO_ONEDNN=OFF"});
}

}  // namespace sysdpo::cpu_detail

#else

namespace sysdpo::cpu_detail {
inline constexpr bool has_onednn = false;
}

#endif
