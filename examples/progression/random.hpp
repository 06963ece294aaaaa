// A small counter-based random stream for the procedural world: integer arithmetic and exact conversions
// only, so that the same seed gives the same scenes and prompts with every compiler.
#pragma once

#include <cstdint>

namespace progression {

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijective mix of 64 bits.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

/// Combines two words into one hash; not symmetric in its arguments.
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return mix(mix(a) ^ b); }

/// The upper 24 bits as a float in [0, 1): exact.
constexpr float unit(std::uint64_t bits) { return static_cast<float>(bits >> 40U) * 0x1p-24F; }

/// A stream of independent draws; copies continue independently from the same point.
class random_stream {
 public:
  explicit constexpr random_stream(std::uint64_t seed) : key_(mix(seed)) {}

  constexpr std::uint64_t bits() { return mix(key_, counter_++); }

  /// Uniform in [0, 1).
  constexpr float uniform() { return unit(bits()); }

  /// Uniform in [low, high).
  constexpr float uniform(float low, float high) { return low + (high - low) * uniform(); }

  /// Uniform in {0, …, count − 1}; `count` ≥ 1 and far below 2^32, so that the bias is negligible.
  constexpr int below(int count) {
    return static_cast<int>(((bits() >> 32U) * static_cast<std::uint64_t>(count)) >> 32U);
  }

  /// True with probability `p`.
  constexpr bool chance(float p) { return uniform() < p; }

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

}  // namespace progression
