// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). A draw is a pure function of its key and its index, never of a call order, so that a
// batch may be cut anyhow and a GPU gives what a CPU gives.
//
// Bits are the same on every IEEE machine, compiler and optimisation level: `uniform` and `normal` use
// integer operations, single products, quotients and explicit fma only. No product feeds a sum outside an
// fma, so that there is nothing for a compiler to contract; no function of libm is called but fma, which is
// exact everywhere. (-ffast-math voids this.)
//
// Element i of a stream is word i % 4 of philox(counter(i / 4), key). The fills write n elements and read
// nothing.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "sysdpo/core/config.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// The counter of Philox4x32, and its result.
struct philox_words {
  std::uint32_t word[4];
  friend constexpr bool operator==(philox_words const&, philox_words const&) = default;
};

/// The key of Philox4x32.
struct philox_key {
  std::uint32_t word[2];
  friend constexpr bool operator==(philox_key const&, philox_key const&) = default;
};

/// Philox4x32-10: 128 random bits from a counter and a key.
SYSDPO_HOST_DEVICE constexpr philox_words philox(philox_words counter, philox_key key) {
  std::uint32_t a = counter.word[0], b = counter.word[1], c = counter.word[2], d = counter.word[3];
  std::uint32_t k0 = key.word[0], k1 = key.word[1];
  for (int round = 0; round < 10; ++round) {
    std::uint64_t const p = std::uint64_t{0xD2511F53u} * a;
    std::uint64_t const q = std::uint64_t{0xCD9E8D57u} * c;
    a = static_cast<std::uint32_t>(q >> 32) ^ b ^ k0;
    c = static_cast<std::uint32_t>(p >> 32) ^ d ^ k1;
    b = static_cast<std::uint32_t>(q);
    d = static_cast<std::uint32_t>(p);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

namespace detail {

SYSDPO_HOST_DEVICE constexpr std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
SYSDPO_HOST_DEVICE constexpr std::uint32_t high_word(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}

SYSDPO_HOST_DEVICE inline float exact_fma(float a, float b, float c) { return std::fma(a, b, c); }

SYSDPO_HOST_DEVICE inline float exact_divide(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

// ln x for normal x > 0: x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m = f - f^2/2 + f^3 P(f) with f = m
// - 1. P is a minimax fit; the error of ln m is below 1e-7.
SYSDPO_HOST_DEVICE inline float portable_log(float x) {
  std::uint32_t const sqrt_half = 0x3f3504f3u;
  std::uint32_t const offset = std::bit_cast<std::uint32_t>(x) - sqrt_half;
  auto const e = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  float const f = std::bit_cast<float>((offset & 0x7fffffu) + sqrt_half) - 1.0f;
  float p = -0.10224199f;
  p = exact_fma(p, f, 0.16141176f);
  p = exact_fma(p, f, -0.17166907f);
  p = exact_fma(p, f, 0.19910239f);
  p = exact_fma(p, f, -0.24980573f);
  p = exact_fma(p, f, 0.3333469f);
  p = exact_fma(p, f, -0.5f);
  float const square = f * f;
  float const log_m = exact_fma(p, square, f);
  return exact_fma(e, 0.693147181f, log_m);
}

}  // namespace detail

/// A uniform number in (0, 1) from 32 random bits: (b + 1/2) / 2^23 of the upper 23 bits b, exactly. Its mean
/// is 1/2.
SYSDPO_HOST_DEVICE inline float uniform_from(std::uint32_t bits) {
  return detail::exact_fma(static_cast<float>(static_cast<std::int32_t>(bits >> 9)), 0x1p-23f, 0x1p-24f);
}

/// A standard normal number from 32 random bits: the inverse normal distribution function at (bits as a
/// signed number + 1/2) / 2^32 + 1/2. Odd under complementing the bits; |z| < 6.34; the error is below 2e-6.
/// Rational minimax fits of our own: in the centre z = q R(0.18 - q^2), q being the probability's distance
/// from 1/2; in the tails z = R(w), w = -ln(probability) - 6.
SYSDPO_HOST_DEVICE inline float normal_from(std::uint32_t bits) {
  using detail::exact_fma;
  auto const sign = static_cast<std::int32_t>(bits) >> 31;
  std::int32_t const steps = static_cast<std::int32_t>(bits) ^ sign;  // in [0, 2^31)
  float const q = exact_fma(static_cast<float>(steps), 0x1p-32f, 0x1p-33f);
  float const tail =
      exact_fma(static_cast<float>(0x7fffffff - steps), 0x1p-32f, 0x1p-33f);  // 1/2 - q, no cancellation

  float const t = exact_fma(-q, q, 0.18f);
  float central_top = 65.300835f;
  central_top = exact_fma(central_top, t, 167.0108f);
  central_top = exact_fma(central_top, t, 51.196838f);
  central_top = exact_fma(central_top, t, 3.3808f) * q;
  float central_bottom = 72.629845f;
  central_bottom = exact_fma(central_bottom, t, 81.77205f);
  central_bottom = exact_fma(central_bottom, t, 18.126902f);
  central_bottom = exact_fma(central_bottom, t, 1.0f);

  float const w = -6.0f - detail::portable_log(tail);
  float tail_top = 4.3225742e-07f;
  tail_top = exact_fma(tail_top, w, 0.00017776170f);
  tail_top = exact_fma(tail_top, w, 0.0099156471f);
  tail_top = exact_fma(tail_top, w, 0.17644887f);
  tail_top = exact_fma(tail_top, w, 1.2127606f);
  tail_top = exact_fma(tail_top, w, 2.8097823f);
  float tail_bottom = 9.0085805e-06f;
  tail_bottom = exact_fma(tail_bottom, w, 0.0011039028f);
  tail_bottom = exact_fma(tail_bottom, w, 0.031954579f);
  tail_bottom = exact_fma(tail_bottom, w, 0.31706935f);
  tail_bottom = exact_fma(tail_bottom, w, 1.0f);

  bool const is_central = tail > 0.075f;
  float const z =
      detail::exact_divide(is_central ? central_top : tail_top, is_central ? central_bottom : tail_bottom);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(z) |
                              (static_cast<std::uint32_t>(sign) & 0x80000000u));
}

/// Names one draw of noise: which run (`seed`), which pair of the data set (its id, never its place in a
/// batch), which node, the how-manieth visit of the pair, which of the draws of this visit.
struct draw_key {
  std::uint64_t seed = 0;
  std::uint64_t pair = 0;
  std::uint32_t node = 0;
  std::uint32_t visit = 0;
  std::uint32_t draw = 0;
};

/// A stream of 2^34 words under one `draw_key`. The 256 bits of (key, block) do not fit Philox's 192, so that
/// seed and pair are mixed first: key = philox({pair low, pair high, ~0, ~0}, {seed low, seed high}).word[0,
/// 1]; then block b is philox({b, node, visit, draw}, key). Trivially copyable: a kernel takes it by value.
struct philox_stream {
  philox_key key{};
  std::uint32_t node, visit, draw;

  /// The stream that `from` names.
  SYSDPO_HOST_DEVICE constexpr explicit philox_stream(draw_key const& from)
      : node(from.node), visit(from.visit), draw(from.draw) {
    using detail::high_word, detail::low_word;
    philox_words const mixed = philox({{low_word(from.pair), high_word(from.pair), ~0u, ~0u}},
                                      {{low_word(from.seed), high_word(from.seed)}});
    key = {{mixed.word[0], mixed.word[1]}};
  }

  /// Words 4 * index to 4 * index + 3.
  SYSDPO_HOST_DEVICE constexpr philox_words block(std::uint32_t index) const {
    return philox({{index, node, visit, draw}}, key);
  }

  /// Word `i`, i < 2^34.
  SYSDPO_HOST_DEVICE constexpr std::uint32_t operator[](std::uint64_t i) const {
    return block(static_cast<std::uint32_t>(i / 4)).word[i % 4];
  }
};

namespace detail {

// out[i] = convert(word 4 * block + i of the stream). Blocks are made a tile at a time, word by word, which
// compilers vectorise.
template <class Convert>
void fill(std::span<float> out, philox_stream const& stream, Convert convert, std::uint64_t block = 0) {
  std::size_t const n = out.size();
  if (n > (std::uint64_t{1} << 34) || block > (std::uint64_t{1} << 32) - (n + 3) / 4)
    fail({.thing = "random fill",
          .place = std::to_string(n) + " numbers asked from number " + std::to_string(4 * block) + " on",
          .cause = "one draw key gives at most 2^34 numbers",
          .remedy = "Use a second draw index for the rest"});
  constexpr std::size_t tile = 64;
  std::uint32_t words[4][tile];
  float numbers[4 * tile];
  for (std::size_t start = 0; start < n; start += 4 * tile) {
    auto const first = static_cast<std::uint32_t>(block + start / 4);
    for (std::uint32_t j = 0; j < tile; ++j) {
      philox_words const four = stream.block(first + j);
      for (int k = 0; k < 4; ++k) words[k][j] = four.word[k];
    }
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t j = 0; j < tile; ++j) numbers[4 * j + k] = convert(words[k][j]);
    std::copy_n(numbers, std::min(n - start, 4 * tile), out.data() + start);
  }
}

}  // namespace detail

/// Element `i` of the normal stream of `key`: what `fill_normal` writes to out[i].
SYSDPO_HOST_DEVICE inline float normal_at(philox_stream const& stream, std::uint64_t i) {
  return normal_from(stream[i]);
}

/// Element `i` of the uniform stream of `key`: what `fill_uniform` writes to out[i].
SYSDPO_HOST_DEVICE inline float uniform_at(philox_stream const& stream, std::uint64_t i) {
  return uniform_from(stream[i]);
}

/// Writes independent standard normal numbers; out[i] is a function of (key, i) alone. At most 2^34 of them.
/// From `block` on: out[i] is number 4 * block + i, so that a long stream can be written in pieces.
inline void fill_normal(std::span<float> out, philox_stream const& stream, std::uint64_t block = 0) {
  detail::fill(
      out, stream, [](std::uint32_t bits) { return normal_from(bits); }, block);
}
inline void fill_normal(std::span<float> out, draw_key const& key) { fill_normal(out, philox_stream(key)); }

/// Writes independent numbers uniform in (0, 1); out[i] is a function of (key, i) alone. At most 2^34 of
/// them.
inline void fill_uniform(std::span<float> out, draw_key const& key) {
  detail::fill(out, philox_stream(key), [](std::uint32_t bits) { return uniform_from(bits); });
}

/// A sequential generator over Philox for samplers and shuffles (a C++ UniformRandomBitGenerator). Generators
/// with different (seed, stream) are independent. Prefer its members to the distributions of the header
/// random, whose results differ between standard libraries.
class generator {
 public:
  using result_type = std::uint32_t;

  /// All there is to a generator; store it in a checkpoint and construct from it to go on where it stood.
  struct state_type {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t position = 0;  ///< words drawn so far
    friend constexpr bool operator==(state_type const&, state_type const&) = default;
  };

  /// `stream` may be anything but 2^64 - 1, which `philox_stream` uses to mix its keys.
  explicit generator(std::uint64_t seed, std::uint64_t stream = 0) : generator(state_type{seed, stream, 0}) {}
  /// Goes on where a generator of this state stood.
  explicit generator(state_type const& state) : state_(state) {
    if (state_.position % 4 != 0) words_ = block();
  }

  [[nodiscard]] state_type const& state() const noexcept { return state_; }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }

  /// The next 32 bits.
  result_type operator()() {
    if (state_.position % 4 == 0) words_ = block();
    return words_.word[state_.position++ % 4];
  }

  /// Uniform in (0, 1).
  float uniform() { return uniform_from((*this)()); }

  /// Uniform in (0, 1) with 52 bits.
  double uniform_double() {
    std::uint64_t const low = (*this)();
    std::uint64_t const bits = (std::uint64_t{(*this)()} << 32 | low) >> 12;
    return std::fma(static_cast<double>(bits), 0x1p-52, 0x1p-53);
  }

  /// Standard normal.
  float normal() { return normal_from((*this)()); }

  /// Uniform in {0, ..., n - 1}, without bias (draws again where 2^64 is no multiple of n). Fails for n = 0.
  std::uint64_t uniform_index(std::uint64_t n) {
    if (n == 0)
      fail({.thing = "uniform_index",
            .place = "n = 0",
            .cause = "there is nothing to choose from",
            .remedy = "Ask for at least one choice"});
    std::uint64_t const excess = (0 - n) % n;  // 2^64 mod n
    for (;;) {
      std::uint64_t const low = (*this)();
      std::uint64_t const bits = std::uint64_t{(*this)()} << 32 | low;
      if (bits >= excess) return bits % n;
    }
  }

  /// Permutes `items` uniformly (Fisher and Yates).
  template <class T>
  void shuffle(std::span<T> items) {
    using std::swap;
    for (std::size_t left = items.size(); left > 1; --left)
      swap(items[left - 1], items[static_cast<std::size_t>(uniform_index(left))]);
  }

 private:
  [[nodiscard]] philox_words block() const {
    using detail::high_word, detail::low_word;
    std::uint64_t const index = state_.position / 4;
    return philox({{low_word(index), high_word(index), low_word(state_.stream), high_word(state_.stream)}},
                  {{low_word(state_.seed), high_word(state_.seed)}});
  }

  state_type state_;
  philox_words words_{};
};

}  // namespace sysdpo
