// Numbers in kernels: float, bf16 and half in memory, float in registers. Loads and stores of up to 16 bytes
// at a time, sweeps that use them where rows are aligned, and the few functions that devices have
// instructions for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "sysdpo/core/error.hpp"
#include "sysdpo/kernel/block.hpp"

namespace sysdpo::kernel {

/// Elements that fit 16 bytes, the widest load there is.
template <class T>
inline constexpr int pack_width = 16 / static_cast<int>(sizeof(T));

/// Elements that are handled at once where arrays of several types meet: as many as 16 bytes of the widest.
template <class... T>
inline constexpr int common_pack_width = std::min({pack_width<T>...});

/// Infinity.
inline constexpr float infinity = std::numeric_limits<float>::infinity();
/// What stands where an id or a position leads out of its table.
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// x, exactly.
SYSDPO_DEVICE inline float to_float(float x) { return x; }
/// x, exactly.
SYSDPO_DEVICE inline float to_float(bf16 x) { return float(x); }
/// x, exactly.
SYSDPO_DEVICE inline float to_float(half x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
  return result;
#else
  return float(x);
#endif
}

/// Rounds to nearest, ties to even, as core/scalar.hpp does.
template <class T>
SYSDPO_DEVICE T from_float(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
#if defined(__CUDA_ARCH__)
    std::uint16_t bits;
    if constexpr (std::is_same_v<T, bf16>)
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    else
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return T::from_bits(bits);
#else
    return T(x);
#endif
  }
}

namespace detail {

/// Exponentials are computed as powers of 2: log₂ e, and the natural logarithm of 2.
inline constexpr float log2_e = 1.44269504F;
inline constexpr float log_2 = 0.693147181F;

}  // namespace detail

/// Two numbers in a register, rounded so, the first in the lower half.
template <class T>
SYSDPO_DEVICE std::uint32_t pair_of(float first, float second) {
#if defined(__CUDA_ARCH__)
  std::uint32_t bits;
  if constexpr (std::is_same_v<T, bf16>)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
  else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
  return bits;
#else
  return T(first).bits | static_cast<std::uint32_t>(T(second).bits) << 16;
#endif
}

/// 2^x; 0 where that would be below the normal numbers.
SYSDPO_DEVICE inline float fast_exp2(float x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return std::exp2(x);
#endif
}

/// exp(x) to 2e-7, and as much again for each unit of |x|; 0 where that would be below the normal numbers.
SYSDPO_DEVICE inline float fast_exp(float x) {
#if defined(__CUDA_ARCH__)
  return fast_exp2(detail::log2_e * x);
#else
  return std::exp(x);
#endif
}

/// 1 / √x.
SYSDPO_DEVICE inline float fast_rsqrt(float x) {
#if defined(__CUDA_ARCH__)
  return rsqrtf(x);
#else
  return 1 / std::sqrt(x);
#endif
}

/// 1 / x to the last bit, for x of at least 1.
SYSDPO_DEVICE inline float fast_reciprocal(float x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return 1 / x;
#endif
}

/// 1 / (1 + exp(−x)), without overflow.
SYSDPO_DEVICE inline float sigmoid(float x) { return fast_reciprocal(1 + fast_exp(-x)); }

/// The larger; the other where one is NaN.
SYSDPO_DEVICE inline float larger(float a, float b) {
#if defined(__CUDA_ARCH__)
  return fmaxf(a, b);
#else
  return b > a || std::isnan(a) ? b : a;
#endif
}

/// Number of a sweep's elements that are handled together, as a type.
template <int N>
struct width {
  static constexpr int value = N;
};

namespace detail {

#if defined(__CUDACC__)
/// A word of as many bytes, which a device loads and stores at once.
template <int Bytes>
using word_of = std::conditional_t<
    Bytes == 16, uint4,
    std::conditional_t<Bytes == 8, uint2, std::conditional_t<Bytes == 4, unsigned, unsigned short>>>;
#else
/// \throws error where a device would fault.
template <int Bytes>
void check_alignment(void const* address) {
  constexpr auto size = static_cast<std::uintptr_t>(std::min(Bytes, 16));
  if (reinterpret_cast<std::uintptr_t>(address) % size != 0)
    fail({"emulated kernel", "a word of " + std::to_string(size) + " bytes",
          "its address is no multiple of its size", "Take packs only where is_aligned says so"});
}
#endif

/// Bytes of device memory to registers and back; aligned to the smaller of 16 bytes and theirs.
template <int Bytes>
SYSDPO_DEVICE void load_bytes(void* to, void const* from) {
#if defined(__CUDACC__)
  constexpr int size = Bytes < 16 ? Bytes : 16;
  static_assert(Bytes % size == 0 && sizeof(word_of<size>) == size);
  SYSDPO_UNROLL for (int i = 0; i < Bytes; i += size) {
    auto const word = *reinterpret_cast<word_of<size> const*>(static_cast<char const*>(from) + i);
    std::memcpy(static_cast<char*>(to) + i, &word, size);
  }
#else
  check_alignment<Bytes>(from);
  std::memcpy(to, from, Bytes);
#endif
}
template <int Bytes>
SYSDPO_DEVICE void store_bytes(void* to, void const* from) {
#if defined(__CUDACC__)
  constexpr int size = Bytes < 16 ? Bytes : 16;
  static_assert(Bytes % size == 0 && sizeof(word_of<size>) == size);
  SYSDPO_UNROLL for (int i = 0; i < Bytes; i += size) {
    word_of<size> word;
    std::memcpy(&word, static_cast<char const*>(from) + i, size);
    *reinterpret_cast<word_of<size>*>(static_cast<char*>(to) + i) = word;
  }
#else
  check_alignment<Bytes>(to);
  std::memcpy(to, from, Bytes);
#endif
}

template <class T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) pack {
  T element[N];
};

}  // namespace detail

/// N numbers from memory that is aligned to the smaller of 16 bytes and theirs.
template <int N, class T>
SYSDPO_DEVICE void load(float (&to)[N], T const* from) {
  detail::pack<T, N> raw;
  detail::load_bytes<static_cast<int>(sizeof(T)) * N>(&raw, from);
  for (int i = 0; i < N; ++i) to[i] = to_float(raw.element[i]);
}

/// N numbers to memory so aligned; added to what is there if `accumulate`.
template <int N, class T>
SYSDPO_DEVICE void store(T* to, float const (&from)[N], bool accumulate = false) {
  detail::pack<T, N> raw;
  if (accumulate) {
    float old[N];
    load(old, to);
    for (int i = 0; i < N; ++i) raw.element[i] = from_float<T>(old[i] + from[i]);
  } else {
    for (int i = 0; i < N; ++i) raw.element[i] = from_float<T>(from[i]);
  }
  detail::store_bytes<static_cast<int>(sizeof(T)) * N>(to, &raw);
}

/// Whether N elements from row + i on can be loaded at once.
template <int N, class T>
[[nodiscard]] SYSDPO_HOST_DEVICE bool is_aligned(T const* row, int i) {
  constexpr std::uintptr_t bytes = sizeof(T) * N < 16 ? sizeof(T) * N : 16;
  return (reinterpret_cast<std::uintptr_t>(row) + static_cast<std::uintptr_t>(i) * sizeof(T)) % bytes == 0;
}

/// The first i from `begin` on where packs of N may start in all rows; `end` if there is none.
template <int N, class... T>
[[nodiscard]] SYSDPO_DEVICE int first_pack(int begin, int end, T const*... rows) {
  for (int i = begin; i < begin + N && i < end; ++i)
    if ((is_aligned<N>(rows, i) && ...)) return i;
  return end;
}

/// Shares [begin, end) out among the threads: calls body(i, width<N>{}) for N elements from i on, i being
/// `packed` and a multiple of N more, and body(i, width<1>{}) for what is left on either side.
template <int Threads, int N, class Body>
SYSDPO_DEVICE void sweep(int thread, int begin, int end, int packed, Body&& body) {
  for (int i = begin + thread; i < packed; i += Threads) body(i, width<1>{});
  int const rest = packed + (end - packed) / N * N;
  for (int i = packed + thread * N; i < rest; i += Threads * N) body(i, width<N>{});
  for (int i = rest + thread; i < end; i += Threads) body(i, width<1>{});
}

/// Elements of an array that a block of `Threads` handles, one pack a thread.
template <int Threads, int N>
inline constexpr int span_of = Threads * N;
/// Blocks that an array of `size` takes.
template <int Threads, int N>
[[nodiscard]] SYSDPO_HOST_DEVICE constexpr index_t blocks_for(index_t size) {
  return ceil_divide(size, span_of<Threads, N>);
}

/// A block's span of an array of `size`: calls body(i, width<N>{}) for packs, which begin at multiples of N,
/// or, where not `in_packs` and at the array's end, body(i, width<1>{}).
template <int Threads, int N, class Block, class Body>
SYSDPO_DEVICE void sweep_span(Block& block, index_t size, bool in_packs, Body&& body) {
  auto const begin = block.index() * span_of<Threads, N>;
  auto const left = size - begin;
  int const count = left < span_of<Threads, N> ? static_cast<int>(left) : span_of<Threads, N>;
  sweep<Threads, N>(block.thread(), 0, count, in_packs ? 0 : count,
                    [&](int i, auto elements) { body(begin + i, elements); });
}

/// Which of `count` tensors a block works on: the last whose `first_block`, which ascend, is not behind it.
template <class Tensor>
[[nodiscard]] SYSDPO_DEVICE int tensor_of_block(Tensor const* tensors, int count, index_t block) {
  int low = 0;
  int high = count;
  while (high - low > 1) {
    int const middle = (low + high) / 2;
    (tensors[middle].first_block <= block ? low : high) = middle;
  }
  return low;
}

}  // namespace sysdpo::kernel
