// Noising: noisy = signal·z + deviation·ε, row by row, where ε is the row's Philox stream of normal numbers:
// the bits that fill_normal (core/philox.hpp) gives on the CPU. It is made where it is used; memory need not
// hold it.
//
// Bound by memory where it keeps no ε (z in, noisy out), else by arithmetic: a normal number costs about 50
// instructions.
#pragma once

#include "sysdpo/core/philox.hpp"
#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// Numbers i to i + N − 1 of a stream; i is a multiple of 4, or N is 1.
template <int N>
SYSDPO_DEVICE void normals_at(philox_stream const& stream, int i, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = normal_at(stream, static_cast<std::uint64_t>(i));
  } else {
    static_assert(N % 4 == 0);
    for (int group = 0; group < N / 4; ++group) {
      auto const words = stream.block(static_cast<std::uint32_t>(i / 4 + group));
      for (int j = 0; j < 4; ++j) to[4 * group + j] = normal_from(words.word[j]);
    }
  }
}

/// The rows of a sweep that `parts` blocks share: where a block's share begins and ends, multiples of a pack.
template <int N>
struct row_part {
  index_t row;
  int begin, end;

  /// The share of block `block` of rows of `size`.
  SYSDPO_DEVICE row_part(index_t block, int parts, int size) : row(block / parts) {
    auto const span = static_cast<index_t>(ceil_divide(ceil_divide(size, parts), N)) * N;
    auto const first = block % parts * span;
    begin = static_cast<int>(first < size ? first : size);
    end = static_cast<int>(first + span < size ? first + span : size);
  }
};

/// What a model that sees `noisy` is asked for.
enum class noise_target {
  none,
  noise,    ///< ε
  velocity  ///< signal·ε − deviation·z
};

/// z, noisy, target [rows, size], streams, signal, deviation [rows]; `target` is not touched where none is
/// asked for. noisy may be z. `parts` blocks share a row.
template <class T>
struct add_noise {
  static constexpr int threads = 256;
  struct arguments {
    T const* z;
    philox_stream const* streams;
    float const* signal;
    float const* deviation;
    index_t rows;
    int size;
    int parts;
    T* noisy;
    T* target;
    noise_target wanted;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return given.rows * given.parts; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    row_part<n> const at(block.index(), given.parts, given.size);
    auto const start = at.row * given.size;
    auto const* const z = given.z + start;
    auto* const noisy = given.noisy + start;
    auto* const target = given.wanted == noise_target::none ? noisy : given.target + start;
    auto const stream = given.streams[at.row];
    float const signal = given.signal[at.row];
    float const deviation = given.deviation[at.row];
    bool const aligned =
        is_aligned<n>(z, at.begin) && is_aligned<n>(noisy, at.begin) && is_aligned<n>(target, at.begin);
    sweep<threads, n>(block.thread(), at.begin, at.end, aligned ? at.begin : at.end, [&](int i, auto size) {
      float x[size.value];
      float noise[size.value];
      float sum[size.value];
      load(x, z + i);
      normals_at(stream, i, noise);
      for (int j = 0; j < size.value; ++j) sum[j] = std::fma(signal, x[j], deviation * noise[j]);
      store(noisy + i, sum);
      if (given.wanted == noise_target::none) return;
      if (given.wanted == noise_target::velocity)
        for (int j = 0; j < size.value; ++j) noise[j] = std::fma(signal, noise[j], -(deviation * x[j]));
      store(target + i, noise);
    });
  }
};

}  // namespace sysdpo::kernel
