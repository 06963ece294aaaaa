// Kernels on a GPU: what a kernel's body sees of its block there, the one __global__ function, and its
// launch. Include it from .cu files, compiled for sm_80 or later with --expt-relaxed-constexpr.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "sysdpo/backend/cuda/status.cuh"
#include "sysdpo/core/error.hpp"
#include "sysdpo/kernel/block.hpp"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "sysdpo needs sm_80 or later: set CMAKE_CUDA_ARCHITECTURES, or nvcc -arch"
#endif

namespace sysdpo {

/// A block of threads of a GPU: kernel/block.hpp says what each member does.
class cuda_block {
 public:
  [[nodiscard]] __device__ index_t index() const { return blockIdx.x; }
  [[nodiscard]] __device__ int thread() const { return static_cast<int>(threadIdx.x); }

  __device__ void sync(int /*line*/ = 0, char const* /*file*/ = nullptr) { __syncthreads(); }
  __device__ void sync_warp() { __syncwarp(); }
  __device__ void converge() { __syncwarp(); }

  template <class T>
  [[nodiscard]] __device__ T shuffle_xor(T x, int mask) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    using bits = std::conditional_t<sizeof(T) == 4, unsigned, unsigned long long>;
    return std::bit_cast<T>(__shfl_xor_sync(~0U, std::bit_cast<bits>(x), mask));
  }

  __device__ void copy_async(void* to, void const* from, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(bytes)
                 : "memory");
  }
  __device__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
  __device__ void wait_copies(int pending) {
    switch (pending) {  // the instruction takes a constant; `pending` is one after inlining
      case 0:
        asm volatile("cp.async.wait_group 0;" ::: "memory");
        break;
      case 1:
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        break;
      case 2:
        asm volatile("cp.async.wait_group 2;" ::: "memory");
        break;
      default:
        asm volatile("cp.async.wait_group 3;" ::: "memory");
        break;
    }
  }

  __device__ void load_matrices(std::uint32_t (&to)[4], void const* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
  }
  __device__ void load_matrices_transposed(std::uint32_t (&to)[4], void const* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
  }

  __device__ void mma(bf16 /*format*/, float (&c)[4], std::uint32_t const (&a)[4],
                      std::uint32_t const (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
  __device__ void mma(half /*format*/, float (&c)[4], std::uint32_t const (&a)[4],
                      std::uint32_t const (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }

 private:
  [[nodiscard]] static __device__ unsigned shared_address(void const* pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
  }
};

static_assert(kernel::block<cuda_block>);

/// The library's one entry to a GPU.
template <kernel::kernel Kernel>
__global__ void __launch_bounds__(Kernel::threads)
    entry(__grid_constant__ typename Kernel::arguments const arguments) {
  extern __shared__ __align__(128) unsigned char memory[];
  cuda_block self;
  Kernel{}(self, arguments, *reinterpret_cast<typename Kernel::shared*>(memory));
}

/// How many blocks a kernel has for its arguments. \throws error if they are more than a launch takes.
template <kernel::kernel Kernel>
[[nodiscard]] unsigned blocks_of(typename Kernel::arguments const& arguments) {
  auto const blocks = Kernel::blocks(arguments);
  if (blocks > 0x7fffffff)
    fail({"CUDA", std::to_string(blocks) + " blocks", "a launch takes at most 2147483647",
          "Cut the batch into smaller ones"});
  return static_cast<unsigned>(blocks);
}

/// The shared memory that a block of the kernel takes.
template <kernel::kernel Kernel>
inline constexpr std::size_t shared_bytes =
    std::is_empty_v<typename Kernel::shared> ? std::size_t{0} : sizeof(typename Kernel::shared);

/// Issues all blocks of a kernel on `stream`, and does not wait. \throws error if the device refuses.
template <kernel::kernel Kernel>
void launch(typename Kernel::arguments const& arguments, cudaStream_t stream) {
  auto const blocks = blocks_of<Kernel>(arguments);
  if (blocks == 0) return;
  constexpr auto bytes = shared_bytes<Kernel>;
  static_assert(bytes <= (std::size_t{163} << 10), "more shared memory than a block has on an sm_80");
  if constexpr (bytes > (std::size_t{48} << 10)) {
    auto const status = cudaFuncSetAttribute(entry<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                             static_cast<int>(bytes));
    if (status == cudaErrorInvalidValue) {
      (void)cudaGetLastError();  // reported: it is not the next launch's
      fail({"CUDA", std::to_string(bytes >> 10) + " KiB of shared memory for a block",
            "this GPU gives a block less",
            "Use attention heads of fewer elements or 16 bits, or a GPU like the A100 and the H100"});
    }
    check_cuda(status, "cudaFuncSetAttribute");
  }
  entry<Kernel><<<blocks, Kernel::threads, bytes, stream>>>(arguments);
  check_cuda(cudaGetLastError(), "launch of a kernel");
}

}  // namespace sysdpo
