// Products of matrices on a GPU, by cuBLASLt. a [M, K], b [K, N], c [M, N], each row-major without gaps; a
// and b may be read transposed; c aliases neither. Elements are float, bf16 or half, and c may be float where
// they are not. Everything is added up in float, partial sums of several blocks too, and in the same order in
// every run. Float operands are not rounded, unless `cuda::allow_tf32(true)` was called.
//
// cuBLASLt is asked once for the best way to do a problem: a thread remembers it with its descriptors.
#pragma once

#include <cublasLt.h>

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <unordered_map>

#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/backend/cuda/cublas.cuh"
#include "sysdpo/backend/scratch.hpp"

namespace sysdpo {

namespace cuda_detail {

/// All that the choice of an algorithm hangs on.
struct product_key {
  index_t m, n, k;
  int device;
  bool a_transposed, b_transposed, accumulate, has_bias, tf32;
  std::array<unsigned, 4> alignment;  // of a, b, c, bias

  friend bool operator==(product_key const&, product_key const&) = default;
};

struct product_key_hash {
  std::size_t operator()(product_key const& key) const noexcept {
    std::uint64_t sum = 0;
    auto const mix = [&](auto value) {
      sum = (sum ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15U;
      sum ^= sum >> 32;
    };
    mix(key.m), mix(key.n), mix(key.k), mix(key.device);
    mix(key.a_transposed + 2 * key.b_transposed + 4 * key.accumulate + 8 * key.has_bias + 16 * key.tf32);
    for (auto const each : key.alignment) mix(each);
    return sum;
  }
};

/// How one problem is done.
struct product_plan {
  matmul_descriptor product;
  matrix_descriptor a, b, c;
  cublasLtMatmulAlgo_t algorithm{};
};

/// The working memory that products on the current device share, being done one after the other.
inline constexpr std::size_t product_workspace_bytes = cuda::library_bytes;
[[nodiscard]] inline void* product_workspace() {
  auto& device = state();
  std::scoped_lock const lock(device.product_workspace_lock);
  if (device.product_workspace == nullptr)
    device.product_workspace = cuda::memory().take(product_workspace_bytes);
  return device.product_workspace->data;
}

template <class T, class Out>
[[nodiscard]] std::string describe(product_key const& key) {
  auto const size = [](index_t rows, index_t columns, bool transposed) {
    return "[" + std::to_string(transposed ? columns : rows) + ", " +
           std::to_string(transposed ? rows : columns) + "]" + (transposed ? " transposed" : "");
  };
  return size(key.m, key.k, key.a_transposed) + " times " + size(key.k, key.n, key.b_transposed) + ", " +
         format_name<T> + " to " + format_name<Out>;
}

/// What is row-major is its own transpose to cuBLASLt, which has columns first: so it is told to compute
/// cᵀ [N, M] = bᵀ·aᵀ, and its first operand is b.
template <class T, class Out>
[[nodiscard]] product_plan make_product_plan(product_key const& key, void const* bias) {
  product_plan plan;
  auto const compute =
      std::is_same_v<T, float> && key.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  plan.product = make_matmul(compute);
  set(plan.product, CUBLASLT_MATMUL_DESC_TRANSA, key.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(plan.product, CUBLASLT_MATMUL_DESC_TRANSB, key.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (key.has_bias) {
    set(plan.product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(plan.product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type<Out>);
    set(plan.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  plan.a =
      key.a_transposed ? make_matrix(data_type<T>, key.m, key.k) : make_matrix(data_type<T>, key.k, key.m);
  plan.b =
      key.b_transposed ? make_matrix(data_type<T>, key.k, key.n) : make_matrix(data_type<T>, key.n, key.k);
  plan.c = make_matrix(data_type<Out>, key.n, key.m);

  auto const preference = make_preference();
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{product_workspace_bytes});
  // Partial sums stay in float: no algorithm that rounds them to c's format.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, std::uint32_t{key.alignment[1]});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t{key.alignment[0]});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, std::uint32_t{key.alignment[2]});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, std::uint32_t{key.alignment[2]});

  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  auto const status =
      cublasLtMatmulAlgoGetHeuristic(cublas_handle(), plan.product.get(), plan.b.get(), plan.a.get(),
                                     plan.c.get(), plan.c.get(), preference.get(), 1, &best, &found);
  check_cublas(status == CUBLAS_STATUS_SUCCESS && found == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : status,
               "cublasLtMatmulAlgoGetHeuristic", describe<T, Out>(key));
  plan.algorithm = best.algo;
  return plan;
}

/// This thread's plan for a problem. Shapes that change from step to step must not pile up: now and then it
/// forgets them all.
template <class T, class Out>
[[nodiscard]] product_plan const& product_plan_for(product_key const& key, void const* bias) {
  thread_local std::unordered_map<product_key, product_plan, product_key_hash> plans;
  if (auto const found = plans.find(key); found != plans.end()) return found->second;
  constexpr std::size_t most = 4096;
  if (plans.size() >= most) plans.clear();
  return plans.emplace(key, make_product_plan<T, Out>(key, bias)).first->second;
}

}  // namespace cuda_detail

template <>
struct implement<product_op, cuda> {
  /// c = a·b, or c += a·b. \throws error if the device or the library refuses.
  template <class T, class Out>
  static void forward(matrix_view<T const> a, matrix_view<T const> b, matrix_view<Out> c, bool accumulate) {
    forward(a, b, nullptr, c, accumulate);
  }

  /// The same with bias [N], unless null, added to each row of c.
  template <class T, class Out>
  static void forward(matrix_view<T const> a, matrix_view<T const> b, std::type_identity_t<Out> const* bias,
                      matrix_view<Out> c, bool accumulate) {
    static_assert(std::is_same_v<Out, T> || std::is_same_v<Out, float>);
    auto const m = a.transposed ? a.columns : a.rows;
    auto const k = a.transposed ? a.rows : a.columns;
    auto const n = b.transposed ? b.rows : b.columns;
    if ((b.transposed ? b.columns : b.rows) != k || c.rows != m || c.columns != n || c.transposed)
      fail({"product", sizes(a) + " times " + sizes(b) + " to " + sizes(c), "the shapes do not fit",
            "Give [M, K] times [K, N] to [M, N], the last as it lies in memory"});
    if (m == 0 || n == 0) return;
    if (k == 0 && bias != nullptr) {  // a product of zeros, which the library would not do without any
      scratch_of<cuda, T> const nothing(m + n);
      cuda::zero(nothing.data(), static_cast<std::size_t>(m + n) * sizeof(T));
      auto* const first = nothing.data();
      return forward(matrix_view<T const>{first, m, 1}, matrix_view<T const>{first + m, 1, n}, bias, c,
                     accumulate);
    }
    if (k == 0) {
      if (!accumulate) cuda::zero(c.data, static_cast<std::size_t>(m * n) * sizeof(Out));
      return;
    }

    auto const aligned = [](void const* data) { return cuda_detail::alignment_of(data, 256); };
    cuda_detail::product_key const key{
        .m = m,
        .n = n,
        .k = k,
        .device = cuda::device(),
        .a_transposed = a.transposed,
        .b_transposed = b.transposed,
        .accumulate = accumulate,
        .has_bias = bias != nullptr,
        .tf32 = std::is_same_v<T, float> && cuda::tf32_allowed(),
        .alignment = {aligned(a.data), aligned(b.data), aligned(c.data), aligned(bias)}};
    auto& device = cuda_detail::state();
    if (!device.is_to_issue(cuda_detail::product_call, cuda_detail::data_type<T>, cuda_detail::data_type<Out>,
                            a.data, b.data, c.data, bias, m, n, k, a.transposed, b.transposed, accumulate,
                            key.tf32))
      return;
    auto const& plan = cuda_detail::product_plan_for<T, Out>(key, bias);
    if (bias != nullptr) cuda_detail::set(plan.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    float const alpha = 1;
    float const beta = accumulate ? 1 : 0;
    auto const status =
        cublasLtMatmul(cuda_detail::cublas_handle(), plan.product.get(), &alpha, b.data, plan.b.get(), a.data,
                       plan.a.get(), &beta, c.data, plan.c.get(), c.data, plan.c.get(), &plan.algorithm,
                       cuda_detail::product_workspace(), cuda_detail::product_workspace_bytes, device.stream);
    if (status != CUBLAS_STATUS_SUCCESS)
      check_cublas(status, "cublasLtMatmul", cuda_detail::describe<T, Out>(key));
  }

 private:
  template <class T>
  [[nodiscard]] static std::string sizes(matrix_view<T> const& matrix) {
    return "[" + std::to_string(matrix.rows) + ", " + std::to_string(matrix.columns) + "]" +
           (matrix.transposed ? " transposed" : "");
  }
};

}  // namespace sysdpo
