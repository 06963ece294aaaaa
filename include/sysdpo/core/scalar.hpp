// Storage-only 16-bit floating-point numbers. `bf16` and `half` hold two bytes and convert to and from float;
// there is no arithmetic on them: code computes in float and stores the result. Conversion from float rounds
// to nearest, ties to even, overflows to infinity and keeps NaN (quiet, sign and upper payload bits kept).
// Conversion to float is exact. Only integer operations are used, so that host and device give the same bits.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "sysdpo/core/config.hpp"

namespace sysdpo {

/// bfloat16: 1 sign bit, 8 exponent bits, 7 fraction bits; the upper half of an IEEE binary32.
struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  /// Rounds to nearest, ties to even.
  SYSDPO_HOST_DEVICE constexpr explicit bf16(float value)
      : bits(round(std::bit_cast<std::uint32_t>(value))) {}
  /// Exact.
  SYSDPO_HOST_DEVICE constexpr explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

  /// The number whose storage is `bits`.
  SYSDPO_HOST_DEVICE static constexpr bf16 from_bits(std::uint16_t bits) {
    bf16 result(0.0f);
    result.bits = bits;
    return result;
  }

 private:
  SYSDPO_HOST_DEVICE static constexpr std::uint16_t round(std::uint32_t x) {
    bool const is_nan = (x & 0x7fffffffu) > 0x7f800000u;
    // Adding just under half a unit, plus the last kept bit, carries exactly when round-to-nearest-even goes
    // up.
    std::uint32_t const rounded = (x + 0x7fffu + ((x >> 16) & 1u)) >> 16;
    return static_cast<std::uint16_t>(is_nan ? (x >> 16) | 0x40u : rounded);
  }
};

/// IEEE binary16: 1 sign bit, 5 exponent bits, 10 fraction bits; denormals are kept.
struct half {
  std::uint16_t bits;

  half() = default;
  /// Rounds to nearest, ties to even.
  SYSDPO_HOST_DEVICE constexpr explicit half(float value)
      : bits(round(std::bit_cast<std::uint32_t>(value))) {}
  SYSDPO_HOST_DEVICE constexpr explicit operator float() const { return std::bit_cast<float>(widen(bits)); }

  /// The number whose storage is `bits`.
  SYSDPO_HOST_DEVICE static constexpr half from_bits(std::uint16_t bits) {
    half result(0.0f);
    result.bits = bits;
    return result;
  }

 private:
  SYSDPO_HOST_DEVICE static constexpr std::uint16_t round(std::uint32_t x) {
    std::uint32_t const sign = (x >> 16) & 0x8000u;
    std::uint32_t const magnitude = x & 0x7fffffffu;
    std::uint32_t result = 0;
    if (magnitude > 0x7f800000u) {
      result = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
    } else if (magnitude >= 0x47800000u) {  // 65536 and more; what lies between 65520 and it rounds up below
      result = 0x7c00u;
    } else if (magnitude >= 0x38800000u) {  // normal in half: 2^-14 and more
      std::uint32_t const rebiased = magnitude - (112u << 23);
      result = (rebiased + 0xfffu + ((rebiased >> 13) & 1u)) >> 13;
    } else if (magnitude >= 0x33000000u) {  // denormal in half: 2^-25 and more
      std::uint32_t const significand = (magnitude & 0x7fffffu) | 0x800000u;
      std::uint32_t const shift = 126u - (magnitude >> 23);
      std::uint32_t const last_bit = (significand >> shift) & 1u;
      result = (significand + (1u << (shift - 1u)) - 1u + last_bit) >> shift;
    }
    return static_cast<std::uint16_t>(sign | result);
  }

  SYSDPO_HOST_DEVICE static constexpr std::uint32_t widen(std::uint16_t h) {
    std::uint32_t const sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
    std::uint32_t const exponent = (h >> 10) & 0x1fu;
    std::uint32_t fraction = h & 0x3ffu;
    if (exponent == 0x1fu) return sign | 0x7f800000u | (fraction << 13);
    if (exponent != 0u) return sign | ((exponent + 112u) << 23) | (fraction << 13);
    if (fraction == 0u) return sign;
    std::uint32_t float_exponent = 113u;
    while ((fraction & 0x400u) == 0u) {
      fraction <<= 1;
      --float_exponent;
    }
    return sign | (float_exponent << 23) | ((fraction & 0x3ffu) << 13);
  }
};

static_assert(sizeof(bf16) == 2 && std::is_trivially_copyable_v<bf16>);
static_assert(sizeof(half) == 2 && std::is_trivially_copyable_v<half>);

/// x rounded up or down at random, so that the mean is right; `random` is uniform in [0, 2^16). What is not
/// finite stays what it is.
SYSDPO_HOST_DEVICE constexpr bf16 round_at_random(float x, std::uint32_t random) {
  auto const bits = std::bit_cast<std::uint32_t>(x);
  bool const is_finite = (bits & 0x7f800000u) != 0x7f800000u;
  return is_finite ? bf16::from_bits(static_cast<std::uint16_t>((bits + random) >> 16)) : bf16(x);
}

/// What sums, statistics and log-probabilities of T are kept in: float where T has 16 bits, else T itself.
template <class T>
using widened = std::conditional_t<(sizeof(T) < sizeof(float)), float, T>;

}  // namespace sysdpo
