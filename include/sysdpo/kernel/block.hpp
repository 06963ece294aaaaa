// What a kernel is, and what it may ask of the block of threads that runs it. A kernel is a type whose body
// speaks to a Block only, never to a device: nvcc compiles it for a GPU (backend/cuda/launch.cuh), and the
// emulator runs the same lines on the CPU (backend/emulated/emulator.hpp).
//
//   struct kernel {
//     static constexpr int threads = 256;   // of a block, whole warps
//     struct arguments { … };               // trivially copyable; pointers lead to the device's memory
//     struct shared { … };                  // trivial; garbage when a block starts
//     static index_t blocks(arguments const&);                                     // how many; 0 is allowed
//     template <class Block> void operator()(Block&, arguments const&, shared&) const;
//   };
//
// Every thread of a block reaches every sync(), and every lane of a warp every warp-wide operation, in the
// same order; the emulator reports the rest. A barrier's `line` and `file` name it, so that the emulator can
// leave one out: kernels never pass them.
//
//   index()                          this block's number, index_t
//   thread()                         this thread's number in the block, int
//   sync(), sync_warp()              barriers of the block, of the warp; both order shared memory. What
//                                    kernels share may say whose barrier it is, sync(line, file)
//   converge()                       lanes that a branch has parted go on together, as the next warp-wide
//                                    operation demands; orders no memory
//   shuffle_xor(x, mask)             x of lane (lane ^ mask); x has 4 or 8 bytes
//   copy_async(to, from, bytes)      16 bytes of shared memory, of which the first `bytes` (0 to 16) are read
//                                    and the rest is 0; both addresses are multiples of 16
//   commit_copies()                  closes a group of copies, perhaps an empty one
//   wait_copies(n)                   until at most the n (0 to 3) last groups of this thread are under way;
//                                    what other threads copied is there after their wait and a sync()
//   load_matrices(r, row)            four 8×8 matrices of 16-bit elements from shared memory; lanes
//   load_matrices_transposed(r, row) 8i … 8i + 7 give the rows of matrix i. Lane l gets in r[i] elements
//                                    2·(l % 4) and the next of row l / 4, or of column l / 4
//   mma(T{}, c, a, b)                c [16, 8] += a [16, 16] · b [16, 8]; T is bf16 or half, c is float.
//                                    With g = lane / 4 and t = lane % 4 a lane has, at columns (of b: rows)
//                                    2t and 2t + 1,
//
//                                      a[0], a[1]  rows g and g + 8; a[2], a[3] the same 8 columns on
//                                      b[0], b[1]  column g; b[1] 8 rows on
//                                      c[0], c[1]  row g; c[2], c[3] row g + 8
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "sysdpo/core/array_view.hpp"
#include "sysdpo/core/config.hpp"
#include "sysdpo/core/scalar.hpp"

namespace sysdpo::kernel {

/// Threads that run as one.
inline constexpr int warp_size = 32;

/// What a kernel's body may use.
template <class Block>
concept block = requires(Block& self, float x, void* shared, void const* global, std::uint32_t (&words)[4],
                         std::uint32_t const (&a)[4], std::uint32_t const (&b)[2], float (&c)[4]) {
  { self.index() } -> std::same_as<index_t>;
  { self.thread() } -> std::same_as<int>;
  self.sync();
  self.sync(1, "");
  self.sync_warp();
  self.converge();
  { self.shuffle_xor(x, 1) } -> std::same_as<float>;
  self.copy_async(shared, global, 16);
  self.commit_copies();
  self.wait_copies(0);
  self.load_matrices(words, global);
  self.load_matrices_transposed(words, global);
  self.mma(bf16{}, c, a, b);
  self.mma(half{}, c, a, b);
};

/// What is launched.
template <class Kernel>
concept kernel =
    std::is_empty_v<Kernel> && std::is_trivially_copyable_v<typename Kernel::arguments> &&
    std::is_trivially_copyable_v<typename Kernel::shared> && Kernel::threads > 0 && Kernel::threads <= 1024 &&
    Kernel::threads % warp_size == 0 && requires(typename Kernel::arguments const& arguments) {
      { Kernel::blocks(arguments) } -> std::same_as<index_t>;
    };

/// The shared memory of kernels that need none.
struct nothing_shared {};

/// Parts of `size` that cover `total`.
template <class Int>
[[nodiscard]] SYSDPO_HOST_DEVICE constexpr Int ceil_divide(Int total, std::type_identity_t<Int> size) {
  return (total + size - 1) / size;
}

/// The sum over the warp, in every lane the same bits.
template <class Block, class T>
[[nodiscard]] SYSDPO_DEVICE T warp_sum(Block& block, T x) {
  for (int mask = warp_size / 2; mask > 0; mask /= 2) x += block.shuffle_xor(x, mask);
  return x;
}

/// The sum over the block, in every thread the same bits. `scratch` has a place for each warp, and may be
/// used again after the next sync(). Its barrier is its caller's, by line and file.
template <int Threads, class Block, class T>
[[nodiscard]] SYSDPO_DEVICE T block_sum(Block& block, T x, T* scratch, int line = __builtin_LINE(),
                                        char const* file = __builtin_FILE()) {
  x = warp_sum(block, x);
  if (block.thread() % warp_size == 0) scratch[block.thread() / warp_size] = x;
  block.sync(line, file);
  T total{};
  for (int warp = 0; warp < Threads / warp_size; ++warp) total += scratch[warp];
  return total;
}

}  // namespace sysdpo::kernel
