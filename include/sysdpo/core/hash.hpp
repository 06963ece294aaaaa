// FNV-1a (Fowler, Noll, Vo), 64 bits, byte by byte: names contents and tells them apart. It keeps no secret
// and withstands no one who searches for collisions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sysdpo {

/// A hash of everything added, in its order: `fnv1a().add("some").add("text").value()`.
class fnv1a {
 public:
  /// Adds text, byte by byte.
  constexpr fnv1a& add(std::string_view text) {
    for (char const c : text) mix(static_cast<unsigned char>(c));
    return *this;
  }
  /// Adds bytes.
  constexpr fnv1a& add(std::span<std::byte const> bytes) {
    for (std::byte const byte : bytes) mix(static_cast<std::uint64_t>(byte));
    return *this;
  }

  [[nodiscard]] constexpr std::uint64_t value() const { return value_; }

  /// The value in 16 hexadecimal digits.
  [[nodiscard]] std::string text() const {
    std::string digits;
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[value_ >> shift & 15U];
    return digits;
  }

 private:
  constexpr void mix(std::uint64_t byte) { value_ = (value_ ^ byte) * 0x100000001b3U; }

  std::uint64_t value_ = 0xcbf29ce484222325U;
};

}  // namespace sysdpo
