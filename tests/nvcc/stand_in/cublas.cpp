// A stand-in for cuBLASLt, by the letter of its manual: matrices with columns first, leading dimensions, what
// the alignment that an algorithm was chosen for demands.
#include <cublasLt.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

#include "stand_in.hpp"

int stand_in::heuristics = 0;
bool stand_in::has_algorithm = true;
bool stand_in::multiplies = true;

namespace {

struct matrix {
  cudaDataType type;
  std::uint64_t rows, columns;
  std::int64_t leading;
};
struct product {
  cublasOperation_t a = CUBLAS_OP_N;
  cublasOperation_t b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void const* bias = nullptr;
  cudaDataType bias_type = CUDA_R_8I;
};
using preference = std::map<int, std::uint64_t>;

float load(void const* from, std::uint64_t i, cudaDataType type) {
  float value = 0;
  if (type == CUDA_R_32F) return static_cast<float const*>(from)[i];
  if (type != CUDA_R_16BF) std::abort();
  std::uint32_t const bits = static_cast<std::uint16_t const*>(from)[i] << 16;
  std::memcpy(&value, &bits, 4);
  return value;
}
void store(void* to, std::uint64_t i, cudaDataType type, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(to)[i] = value;
    return;
  }
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  static_cast<std::uint16_t*>(to)[i] = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class Value>
void set(Value& value, void const* from, std::size_t bytes) {
  if (bytes != sizeof value) std::abort();
  std::memcpy(&value, from, bytes);
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new int);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<int*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}
char const* cublasLtGetStatusName(cublasStatus_t) { return "a status"; }
char const* cublasLtGetStatusString(cublasStatus_t) { return "as the stand-in says"; }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) std::abort();
  *made = reinterpret_cast<cublasLtMatmulDesc_t>(new product);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t given) {
  delete reinterpret_cast<product*>(given);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t given,
                                              cublasLtMatmulDescAttributes_t attribute, void const* from,
                                              std::size_t bytes) {
  auto& how = *reinterpret_cast<product*>(given);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      set(how.a, from, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_TRANSB:
      set(how.b, from, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      set(how.epilogue, from, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      set(how.bias, from, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      set(how.bias_type, from, bytes);
      break;
    default:
      std::abort();
  }
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t leading) {
  if (static_cast<std::int64_t>(rows) > leading) return CUBLAS_STATUS_INVALID_VALUE;
  *made = reinterpret_cast<cublasLtMatrixLayout_t>(new matrix{type, rows, columns, leading});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t given) {
  delete reinterpret_cast<matrix*>(given);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  *made = reinterpret_cast<cublasLtMatmulPreference_t>(new preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t given) {
  delete reinterpret_cast<preference*>(given);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t given,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    void const* from, std::size_t bytes) {
  if (bytes != (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8 : 4)) std::abort();
  std::memcpy(&(*reinterpret_cast<preference*>(given))[attribute], from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatmulPreference_t given, int,
                                              cublasLtMatmulHeuristicResult_t found[], int* count) {
  ++stand_in::heuristics;
  auto& wanted = *reinterpret_cast<preference*>(given);
  found[0].algo.data[0] = wanted[CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES];
  found[0].algo.data[1] = wanted[CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES];
  found[0].algo.data[2] = wanted[CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES];
  found[0].algo.data[3] = wanted[CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES];
  *count = stand_in::has_algorithm ? 1 : 0;
  return stand_in::has_algorithm ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t given, void const* alpha, void const* a,
                              cublasLtMatrixLayout_t a_layout, void const* b, cublasLtMatrixLayout_t b_layout,
                              void const* beta, void const* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t, cublasLtMatmulAlgo_t const* algorithm, void* workspace,
                              std::size_t bytes, cudaStream_t stream) {
  if (!stand_in::multiplies) return CUBLAS_STATUS_EXECUTION_FAILED;
  auto const aligned = [&](void const* data, int which) {
    return reinterpret_cast<std::uintptr_t>(data) % algorithm->data[which] == 0;
  };
  if (workspace == nullptr || bytes < algorithm->data[3] || !aligned(a, 0) || !aligned(b, 1) ||
      !aligned(d, 2))
    return CUBLAS_STATUS_INVALID_VALUE;
  auto const how = *reinterpret_cast<product const*>(given);
  auto const left = *reinterpret_cast<matrix const*>(a_layout);
  auto const right = *reinterpret_cast<matrix const*>(b_layout);
  auto const sum = *reinterpret_cast<matrix const*>(c_layout);
  auto const a_turned = how.a == CUBLAS_OP_T;
  auto const b_turned = how.b == CUBLAS_OP_T;
  auto const depth = a_turned ? left.rows : left.columns;
  if ((a_turned ? left.columns : left.rows) != sum.rows ||
      (b_turned ? right.rows : right.columns) != sum.columns ||
      (b_turned ? right.columns : right.rows) != depth || depth == 0 || c != d)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (how.epilogue == CUBLASLT_EPILOGUE_BIAS && (how.bias == nullptr || how.bias_type != sum.type))
    return CUBLAS_STATUS_INVALID_VALUE;
  auto const scale = *static_cast<float const*>(alpha);
  auto const old = *static_cast<float const*>(beta);
  stand_in::issue(stream, [=] {
    for (std::uint64_t i = 0; i < sum.rows; ++i)
      for (std::uint64_t j = 0; j < sum.columns; ++j) {
        float total = 0;
        for (std::uint64_t k = 0; k < depth; ++k)
          total += load(a, a_turned ? k + i * left.leading : i + k * left.leading, left.type) *
                   load(b, b_turned ? j + k * right.leading : k + j * right.leading, right.type);
        total *= scale;
        if (old != 0) total += old * load(c, i + j * sum.leading, sum.type);
        if (how.epilogue == CUBLASLT_EPILOGUE_BIAS) total += load(how.bias, i, sum.type);
        store(d, i + j * sum.leading, sum.type, total);
      }
  });
  return CUBLAS_STATUS_SUCCESS;
}
}
