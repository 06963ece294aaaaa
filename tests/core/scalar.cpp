
#include <cmath>
#include <cstdint>
#include <limits>

#include "sysdpo/core/scalar.hpp"

#include "support/catch.hpp"

namespace {

using sysdpo::bf16;
using sysdpo::half;

// What a 16-bit pattern means, computed from its fields with std::ldexp.
double value_of(std::uint32_t bits, int fraction_bits, int bias) {
  int const exponent = static_cast<int>((bits & 0x7fffu) >> fraction_bits);
  int const fraction = static_cast<int>(bits & ((1u << fraction_bits) - 1u));
  double const sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  if (exponent == (0x7fff >> fraction_bits))
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

// Every pattern means what its fields say, survives the way to float and back, and the floats around the
// midpoint between it and the next pattern round to the right side, ties to the even pattern.
template <class Scalar>
int count_faults(int fraction_bits, int bias) {
  int faults = 0;
  auto check = [&faults](bool good) { faults += good ? 0 : 1; };
  auto const infinity = static_cast<std::uint32_t>(0x7fff >> fraction_bits) << fraction_bits;
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    auto const pattern = static_cast<std::uint16_t>(bits);
    auto const value = static_cast<float>(Scalar::from_bits(pattern));
    double const expected = value_of(bits, fraction_bits, bias);
    if (std::isnan(expected)) {
      check(std::isnan(value) && std::isnan(static_cast<float>(Scalar(value))));
      check((Scalar(value).bits & 0x8000u) == (bits & 0x8000u));
      continue;
    }
    check(static_cast<double>(value) == expected && std::signbit(value) == ((bits & 0x8000u) != 0));
    check(Scalar(value).bits == pattern);
    if ((bits & 0x7fffu) >= infinity) continue;

    // The step above the largest finite number is the one below it.
    bool const is_last = ((bits + 1) & 0x7fffu) == infinity;
    double const next = is_last ? 2 * expected - value_of(bits - 1, fraction_bits, bias)
                                : value_of(bits + 1, fraction_bits, bias);
    auto const middle = static_cast<float>((expected + next) / 2);
    auto const up = static_cast<std::uint16_t>(bits + 1);
    check(Scalar(middle).bits == ((bits & 1u) != 0 ? up : pattern));
    check(Scalar(std::nextafter(middle, value)).bits == pattern);
    check(Scalar(std::nextafter(middle, middle * 4)).bits == up);
  }
  return faults;
}

}  // namespace

TEST_CASE("bf16 converts every pattern and rounds to nearest even", "[scalar]") {
  CHECK(count_faults<bf16>(7, 127) == 0);
  CHECK(bf16(std::numeric_limits<float>::max()).bits == 0x7f80u);
  CHECK(bf16(std::bit_cast<float>(0x7f800001u)).bits == 0x7fc0u);
  CHECK(bf16(std::numeric_limits<float>::denorm_min()).bits == 0u);
}

TEST_CASE("half converts every pattern and rounds to nearest even", "[scalar]") {
  CHECK(count_faults<half>(10, 15) == 0);
  CHECK(half(65519.0f).bits == 0x7bffu);
  CHECK(half(65520.0f).bits == 0x7c00u);
  CHECK(half(-1e30f).bits == 0xfc00u);
  CHECK(half(std::ldexp(1.0f, -25)).bits == 0u);
  CHECK(half(std::nextafter(std::ldexp(1.0f, -25), 1.0f)).bits == 1u);
}

TEST_CASE("conversions are usable in constant expressions", "[scalar]") {
  static_assert(bf16(1.0f).bits == 0x3f80u && static_cast<float>(bf16::from_bits(0x4049u)) == 3.140625f);
  static_assert(half(1.0f).bits == 0x3c00u && static_cast<float>(half::from_bits(0x0001u)) == 0x1p-24f);
  SUCCEED();
}
