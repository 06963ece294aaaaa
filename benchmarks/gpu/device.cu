// The device, its ceilings, and how a case is timed.
#include "device.cuh"

#include <cublasLt.h>

namespace benchmarks::gpu {

namespace {

/// Events that are there as long as this is.
class events {
 public:
  explicit events(int count) : all_(static_cast<std::size_t>(count)) {
    for (auto& one : all_) check_cuda(cudaEventCreate(&one), "cudaEventCreate");
  }
  events(events const&) = delete;
  events& operator=(events const&) = delete;
  ~events() {
    for (auto* one : all_) (void)cudaEventDestroy(one);
  }
  void record(int i, void* stream) {
    check_cuda(cudaEventRecord(all_.at(static_cast<std::size_t>(i)), static_cast<cudaStream_t>(stream)),
               "cudaEventRecord");
  }
  [[nodiscard]] double seconds_between(int i, int j) const {
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, all_.at(static_cast<std::size_t>(i)),
                                    all_.at(static_cast<std::size_t>(j))),
               "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) / 1e3;
  }

 private:
  std::vector<cudaEvent_t> all_;
};

void check_cublas(cublasStatus_t status, char const* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  sysdpo::fail(
      {"cuBLASLt", call, cublasLtGetStatusString(status), "Check the device, its driver and its memory"});
}

/// A product of square matrices of bf16, added up in float.
class large_product {
 public:
  explicit large_product(int size)
      : a_(random_array<bf16>(index_t{size} * size, 1)),
        b_(random_array<bf16>(index_t{size} * size, 1)),
        c_(index_t{size} * size),
        workspace_(workspace_bytes) {
    check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");
    check_cublas(cublasLtMatmulDescCreate(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
    cublasOperation_t const transposed = CUBLAS_OP_T;
    check_cublas(
        cublasLtMatmulDescSetAttribute(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
        "cublasLtMatmulDescSetAttribute");
    auto const extent = static_cast<std::uint64_t>(size);
    check_cublas(cublasLtMatrixLayoutCreate(&layout_, CUDA_R_16BF, extent, extent, size),
                 "cublasLtMatrixLayoutCreate");
    cublasLtMatmulPreference_t preference = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
    std::size_t const limit = workspace_bytes;
    check_cublas(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                      &limit, sizeof limit),
                 "cublasLtMatmulPreferenceSetAttribute");
    int found = 0;
    check_cublas(cublasLtMatmulAlgoGetHeuristic(handle_, product_, layout_, layout_, layout_, layout_,
                                                preference, 1, &choice_, &found),
                 "cublasLtMatmulAlgoGetHeuristic");
    (void)cublasLtMatmulPreferenceDestroy(preference);
    check_cublas(found > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED,
                 "cublasLtMatmulAlgoGetHeuristic");
  }
  large_product(large_product const&) = delete;
  large_product& operator=(large_product const&) = delete;
  ~large_product() {
    (void)cublasLtMatrixLayoutDestroy(layout_);
    (void)cublasLtMatmulDescDestroy(product_);
    (void)cublasLtDestroy(handle_);
  }

  void run() {
    float const one = 1;
    float const zero = 0;
    check_cublas(
        cublasLtMatmul(handle_, product_, &one, a_.of(0), layout_, b_.of(0), layout_, &zero, c_.of(0),
                       layout_, c_.of(0), layout_, &choice_.algo, workspace_.of(0), workspace_bytes, nullptr),
        "cublasLtMatmul");
  }

 private:
  static constexpr std::size_t workspace_bytes = std::size_t{64} << 20;
  device_array<bf16> a_, b_, c_;
  device_array<unsigned char> workspace_;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t layout_ = nullptr;
  cublasLtMatmulHeuristicResult_t choice_{};
};

}  // namespace

device_facts describe_device() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  device_facts facts;
  facts.name = properties.name;
  facts.compute_capability = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  facts.multiprocessors = properties.multiProcessorCount;
  facts.l2_mib = properties.l2CacheSize / 1048576.0;
  facts.memory_gib = static_cast<double>(properties.totalGlobalMem) / 1073741824.0;
  facts.cuda_version = CUDART_VERSION;
  check_cuda(cudaDriverGetVersion(&facts.driver_version), "cudaDriverGetVersion");
  return facts;
}

ceilings measure_ceilings() {
  constexpr int samples = 21;
  ceilings found;
  {
    constexpr int size = 8192;
    large_product product(size);
    found.operations =
        2.0 * size * size * size / median_seconds({1, [&](int) { product.run(); }, [] {}}, samples);
  }
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  auto const bytes = std::min<std::size_t>(std::size_t{2} << 30, free / 4);
  device_array<unsigned char> const from(static_cast<index_t>(bytes));
  device_array<unsigned char> const to(static_cast<index_t>(bytes));
  auto const copy = [&](int) {
    check_cuda(cudaMemcpyAsync(to.of(0), from.of(0), bytes, cudaMemcpyDeviceToDevice), "cudaMemcpyAsync");
  };
  found.bytes = 2.0 * static_cast<double>(bytes) / median_seconds({1, copy, [] {}}, samples);
  return found;
}

double median_seconds(prepared const& one, int samples) {
  int set = 0;
  auto const run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      one.run(set);
      set = (set + 1) % one.sets;
    }
  };
  events marks(2 * samples);
  // The first runs load the code, the next tell how long one takes.
  constexpr int warm_up = 5;
  run(2);
  marks.record(0, one.stream);
  run(warm_up);
  marks.record(1, one.stream);
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  double const rough = marks.seconds_between(0, 1) / warm_up;
  int const times = std::clamp(static_cast<int>(1e-4 / std::max(rough, 1e-7)), 1, 50);
  // All are issued before the first is waited for: the device never runs dry.
  for (int i = 0; i < samples; ++i) {
    marks.record(2 * i, one.stream);
    run(times);
    marks.record(2 * i + 1, one.stream);
  }
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  std::vector<double> seconds;
  for (int i = 0; i < samples; ++i) seconds.push_back(marks.seconds_between(2 * i, 2 * i + 1) / times);
  auto const middle = seconds.begin() + samples / 2;
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

bool recover() {
  (void)cudaGetLastError();
  return cudaDeviceSynchronize() == cudaSuccess;
}

}  // namespace benchmarks::gpu
